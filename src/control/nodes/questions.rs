//! What nodes ask each other on behalf of a call, and who waits for the answers.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::elsewhere::{Elsewhere, Heard, error_of};
use crate::cluster::bridge::BridgeView;
use crate::cluster::redis::bucket::Kind;
use crate::cluster::redis::functions::Incarnation;
use crate::cluster::redis::leases;
use crate::limits::{NODE_ANSWER_MS, SHARED_USER_BYTES_MAX};
use crate::model::refusal::{Error, ErrorKind};

/// A call, as a node asks another.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::control) struct Question {
    /// The slot of the node that asks.
    pub(super) slot: u8,
    /// Given back with the answer.
    ticket: u64,
    /// Where it was asked.
    #[serde(skip)]
    bucket: u16,
    /// The method's name.
    pub(in crate::control) method: String,
    /// As the method's request.
    pub(in crate::control) request: Box<RawValue>,
}

/// The answer of a node.
#[derive(Debug, Serialize, Deserialize)]
struct Reply {
    slot: u8,
    ticket: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// That is a bound which the caller can keep within.
    #[serde(default)]
    is_limit: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Questions {
    next: AtomicU64,
    /// Who waits for the answers, by ticket.
    waiting: Mutex<HashMap<u64, mpsc::UnboundedSender<Reply>>>,
}

impl Default for Questions {
    /// Tickets begin anywhere: a late answer to the node that had this slot before must not be taken for one of this node's.
    fn default() -> Self {
        Self { next: AtomicU64::new(rand::random()), waiting: Mutex::default() }
    }
}

/// Whoever waits for answers waits no more when this goes.
struct Waiting<'a>(&'a Questions, u64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting().remove(&self.1);
    }
}

impl Questions {
    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, mpsc::UnboundedSender<Reply>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks other nodes, and waits for all that live.
    ///
    /// # Errors
    /// 100 where one of them has not answered, or has failed, and all are needed; 106 where it has met a bound; 100 where Redis
    /// cannot be asked.
    pub(super) async fn ask(
        &self,
        view: &BridgeView,
        method: &'static str,
        elsewhere: Elsewhere,
    ) -> Result<Heard, Error> {
        let until = Instant::now() + Duration::from_millis(NODE_ANSWER_MS);
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let (answers_in, mut answers) = mpsc::unbounded_channel();
        self.waiting().insert(ticket, answers_in);
        let _waiting = Waiting(self, ticket);
        let needs_all = elsewhere.needs_all;
        let asked = view.call(move |functions, leases| async move {
            let own = functions.incarnation();
            let Elsewhere { user, request, .. } = elsewhere;
            let question = Question { slot: own.slot, ticket, bucket: 0, method: method.to_owned(), request };
            let question = serde_json::to_vec(&question).expect("a question is written as JSON");
            let of_user = !user.is_empty() && user.len() <= SHARED_USER_BYTES_MAX;
            let (nodes, leases): (Vec<Incarnation>, _) = match of_user {
                true => (functions.ask_user(&user, &question).await?, leases),
                false => {
                    // One that has come since they were last seen has its part, too.
                    let leases = leases::look(functions.link(), functions.keys()).await?;
                    (leases.all.iter().map(|lease| lease.of).collect(), leases)
                }
            };
            let others = nodes.into_iter().filter(|node| *node != own && leases.may_live(*node));
            let slots: Vec<u8> = others.map(|node| node.slot).collect();
            if !of_user && !slots.is_empty() {
                functions.tell_nodes(0, &slots, Kind::Asked, &question).await?;
            }
            let name_of =
                |slot: u8| leases.all.iter().find(|lease| lease.of.slot == slot).map(|lease| lease.name.clone());
            Ok(slots.into_iter().map(|slot| (slot, name_of(slot).unwrap_or_default())).collect::<Vec<_>>())
        });
        let mut missing = asked.await.map_err(|fault| error_of(&fault))?;
        let (mut heard, mut failed) = (Heard::default(), 0);
        while missing.len() > failed {
            let Ok(Some(Reply { slot, result, error, is_limit, .. })) = timeout_at(until, answers.recv()).await else {
                break;
            };
            match error {
                Some(error) if is_limit => return Err(ErrorKind::LimitExceeded.because(error)),
                Some(error) if needs_all => {
                    let why = format!("internal server error: another node says: {error}");
                    return Err(ErrorKind::Internal.because(why));
                }
                // It stays among those that are missing.
                Some(_) => failed += 1,
                None => {
                    missing.retain(|(other, _)| *other != slot);
                    heard.results.extend(result);
                }
            }
        }
        if needs_all && !missing.is_empty() {
            let why = format!("internal server error: {} nodes have not answered in time", missing.len());
            return Err(ErrorKind::Internal.because(why));
        }
        heard.missing = missing.into_iter().map(|(_, name)| name).collect();
        Ok(heard)
    }

    /// A node has answered. Who waits no more is not told.
    pub(super) fn answered(&self, answer: &[u8]) {
        let Ok(reply) = serde_json::from_slice::<Reply>(answer) else { return };
        if let Some(waiting) = self.waiting().get(&reply.ticket) {
            let _ = waiting.send(reply);
        }
    }
}

impl Question {
    /// A question as a bucket has told it; nothing where it cannot be read.
    pub(super) fn read(bucket: u16, question: &[u8]) -> Option<Self> {
        Some(Self { bucket, ..serde_json::from_slice(question).ok()? })
    }

    /// Tells the node that has asked.
    pub(super) async fn answer(self, view: &BridgeView, result: Result<Box<RawValue>, Error>) {
        let Self { slot, ticket, bucket, .. } = self;
        let (result, error, is_limit) = match result {
            Ok(result) => (Some(result), None, false),
            Err(Error { kind: ErrorKind::LimitExceeded, message }) => {
                (None, Some(message.map_or("limit exceeded".into(), Cow::into_owned)), true)
            }
            Err(error) => (None, Some(format!("{error:?}")), false),
        };
        let told = view.call(move |functions, _| async move {
            let reply = Reply { slot: functions.incarnation().slot, ticket, result, error, is_limit };
            let reply = serde_json::to_vec(&reply).expect("an answer is written as JSON");
            functions.tell_nodes(bucket, &[slot], Kind::Answered, &reply).await
        });
        if let Err(fault) = told.await {
            tracing::warn!("a node that has asked was not answered: {fault}");
        }
    }
}
