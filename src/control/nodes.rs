//! The other nodes, as the API reaches them: what is asked of a user is asked of every node that has sessions of the user, and
//! what is said of users reaches this node's shards.
//!
//! A call is answered when every node that was asked and lives has answered, so that nothing of it gets lost without a word.
//! What must hold for sessions of nodes that are away is kept in Redis besides: who was sent away, and which tokens were called
//! back.

mod elsewhere;
mod letters;
mod questions;
mod revocations;

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

pub(super) use self::elsewhere::Elsewhere;
use self::elsewhere::{Heard, error_of};
pub(super) use self::letters::{LettersAt, SharedLetters, Sought};
pub(super) use self::questions::Question;
use self::questions::Questions;
use self::revocations::Known;
use crate::auth::Revocation;
use crate::cluster::bridge::BridgeView;
use crate::cluster::bridge::told::Told;
use crate::cluster::redis::fault::Fault;
use crate::cluster::redis::functions::Incarnation;
use crate::limits::SENT_AWAY_MS;
use crate::model::ClientId;
use crate::model::refusal::Error;

/// See the module.
#[derive(Debug)]
pub(super) struct Nodes {
    view: BridgeView,
    questions: Questions,
    known: Known,
}

impl Nodes {
    /// The nodes that the bridge leads to.
    pub(super) fn new(view: BridgeView) -> Self {
        Self { view, questions: Questions::default(), known: Known::default() }
    }

    /// Has others carry a method out, and gives what they have answered.
    ///
    /// # Errors
    /// 100 where one of them has not and all are needed, or Redis cannot be asked.
    pub(super) async fn ask(&self, method: &'static str, elsewhere: Elsewhere) -> Result<Heard, Error> {
        self.questions.ask(&self.view, method, elsewhere).await
    }

    /// Which of these users are online, on any node.
    ///
    /// # Errors
    /// 100 where Redis cannot be asked.
    pub(super) async fn online(&self, users: Arc<[Arc<str>]>) -> Result<Vec<bool>, Error> {
        let online = self.view.call(move |functions, leases| async move {
            let names: Vec<_> = users.iter().map(|user| &**user).collect();
            functions.online(&names, &leases).await
        });
        online.await.map_err(|fault| error_of(&fault))
    }

    /// Begins to hear of changes of these users' sessions, wherever they are.
    ///
    /// # Errors
    /// 100 where Redis cannot be asked.
    pub(super) async fn follow(&self, users: Vec<Arc<str>>) -> Result<(), Error> {
        let heard = self.view.call(move |functions, _| async move {
            let names: Vec<_> = users.iter().map(|user| &**user).collect();
            functions.follow(&names).await
        });
        heard.await.map_err(|fault| error_of(&fault))
    }

    /// Hears no more of these users. Where Redis cannot be asked more is heard than is wanted, until the node has another lease.
    pub(super) async fn unfollow(&self, users: Vec<Arc<str>>) {
        if users.is_empty() {
            return;
        }
        let unheard = self.view.call(move |functions, _| async move {
            let names: Vec<_> = users.iter().map(|user| &**user).collect();
            functions.unfollow(&names).await
        });
        if let Err(fault) = unheard.await {
            tracing::debug!("users whom nobody follows any more are still heard of: {fault}");
        }
    }

    /// The incarnations that live.
    pub(super) fn living(&self) -> Vec<Incarnation> {
        let leases = self.view.leases.borrow();
        leases.iter().flat_map(|leases| leases.living()).map(|lease| lease.of).collect()
    }

    /// Sessions of the user that have begun by now, but for some, are sent away wherever they turn up later.
    ///
    /// # Errors
    /// 100 where Redis cannot be asked.
    pub(super) async fn send_away(&self, user: &str, told: (u16, String), stay: Vec<ClientId>) -> Result<(), Error> {
        let user = user.to_owned();
        let sent = self.view.call(move |functions, _| async move {
            functions.send_away(&user, SENT_AWAY_MS, (told.0, &told.1), &stay).await
        });
        sent.await.map_err(|fault| error_of(&fault))
    }

    /// Tells all nodes of tokens that were called back, those that are away as well.
    ///
    /// # Errors
    /// 100 where Redis cannot be asked.
    pub(super) async fn revoke(&self, revocation: &Revocation) -> Result<(), Error> {
        self.known.learn(revocation);
        let revocation = revocation.clone();
        let told = self.view.call(move |functions, _| async move { functions.revoke(&revocation).await });
        told.await.map_err(|fault| error_of(&fault))
    }

    /// What is told next; nothing once the bridge has ended.
    pub(super) async fn next(&self) -> Option<Told> {
        self.view.told.next().await
    }

    /// The next bucket of which something may have been missed.
    pub(super) async fn next_missed(&self) -> u16 {
        self.view.missed.next().await
    }

    /// Has the buckets read in which tokens were called back since they had been so often: how often they were by now.
    ///
    /// # Errors
    /// What went wrong.
    pub(super) async fn revoked_since(&self, count: u64) -> Result<u64, Fault> {
        let since = self.view.call(move |functions, _| async move { functions.revoked_since(count).await });
        let (now, buckets) = since.await?;
        buckets.into_iter().for_each(|bucket| self.view.missed.add(bucket));
        Ok(now)
    }

    /// Waits until one more bucket may be read.
    pub(super) async fn place_to_read(&self) -> Option<OwnedSemaphorePermit> {
        self.known.reads.clone().acquire_owned().await.ok()
    }

    /// Takes a revocation in. Whether the shards do not know it yet.
    pub(super) fn learn(&self, revocation: &Revocation) -> bool {
        self.known.learn(revocation)
    }

    /// What is called back in a bucket.
    pub(super) async fn revocations(&self, bucket: u16) -> Vec<Revocation> {
        self.known.read(&self.view, bucket).await
    }

    /// A node has answered.
    pub(super) fn answered(&self, answer: &[u8]) {
        self.questions.answered(answer);
    }

    /// What a node asks, in this bucket, unless it is this one.
    pub(super) fn question(&self, bucket: u16, question: &[u8]) -> Option<Question> {
        let question = Question::read(bucket, question)?;
        self.view.slot().is_some_and(|own| own != question.slot).then_some(question)
    }

    /// Answers a node.
    pub(super) async fn answer(&self, question: Question, result: Result<Box<RawValue>, Error>) {
        question.answer(&self.view, result).await;
    }
}
