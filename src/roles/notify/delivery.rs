//! The way of a batch: what Redis has of its users, webhooks, and, for those that are given up, the topic of what is dead.
//!
//! Nothing is left out: a batch is *done* when every webhook of it was taken or lies in that topic, and only then are its
//! records. Redis and Kafka are waited for; the endpoint only as long as `notify.retry_attempts` last. Where the role ends
//! meanwhile the batch is not done, and is read again. Of whom Redis holds something foreign is told nothing: whether the user has muted it
//! is not known. It lies with what is dead, and others are told.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Semaphore;

use super::endpoint::{Endpoint, Outcome};
use super::gathering::Batch;
use super::marks::Mark;
use super::metrics::NotifyMetrics;
use super::patience::Patience;
use super::retry::Retry;
use super::standing::{Standing, Verdict};
use super::webhook::{Entry, Webhook};
use crate::clock;
use crate::cluster::complaints::Complaints;
use crate::cluster::kafka::dead::{Dead, bury};
use crate::cluster::kafka::fault::Fault;
use crate::cluster::kafka::producer::Producer;
use crate::cluster::redis;
use crate::config::NotifyConfig;
use crate::limits::{NOTIFY_LOOKUPS_MAX, NOTIFY_REASON_BYTES_MAX};

/// Where what cannot be told is kept.
#[derive(Clone, Debug)]
pub(super) struct DeadLetters {
    /// Writes it.
    pub(super) producer: Arc<Producer>,
    /// The topic that records are read from.
    pub(super) from: String,
    /// The topic of what is dead.
    pub(super) to: String,
}

/// What a user would be told, and why nobody can say whether the user is to be told.
struct Refused {
    entry: Entry,
    fault: redis::fault::Fault,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Deliveries {
    standing: Standing,
    endpoint: Endpoint,
    retry: Retry,
    dead: DeadLetters,
    metrics: Arc<NotifyMetrics>,
    complaints: Complaints,
    /// Webhooks that may be on their way now.
    slots: Semaphore,
    /// Batches that may ask Redis now.
    lookups: Semaphore,
}

impl Deliveries {
    /// Prepares the ways; nothing is connected yet.
    ///
    /// # Errors
    /// What the host lacks, or an endpoint that is none.
    pub(super) fn new(
        config: &NotifyConfig,
        standing: Standing,
        dead: DeadLetters,
        metrics: Arc<NotifyMetrics>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            standing,
            endpoint: Endpoint::new(config)?,
            retry: Retry::new(config),
            dead,
            metrics,
            complaints: Complaints::default(),
            slots: Semaphore::new(config.concurrency as usize),
            lookups: Semaphore::new(NOTIFY_LOOKUPS_MAX),
        })
    }

    /// Brings a batch to the endpoint, or to the topic of what is dead. `None` where the role ended before.
    pub(super) async fn deliver(&self, batch: &Batch, patience: &mut Patience) -> Option<()> {
        let (entries, refused) = self.look_up(batch, patience).await?;
        let withdrawn: Vec<_> = entries.iter().map(|entry| (entry.user.clone(), entry.withdrawn.clone())).collect();
        for webhook in Webhook::of(entries) {
            self.send(&webhook, batch.first(), patience).await?;
        }
        for (user, channels) in withdrawn.iter().filter(|(_, channels)| !channels.is_empty()) {
            self.unless_foreign(patience, || self.standing.withdrawn(user, channels)).await?.ok();
        }
        for Refused { entry, fault } in refused {
            self.metrics.foreign.add(1);
            let webhook = Webhook::of(vec![entry]).remove(0);
            self.bury(&webhook, batch.first(), &fault.to_string(), patience).await?;
        }
        Some(())
    }

    /// What the users of a batch are told; and what some would be told of whom Redis holds something foreign.
    async fn look_up(&self, batch: &Batch, patience: &mut Patience) -> Option<(Vec<Entry>, Vec<Refused>)> {
        let _lookup = self.lookups.acquire().await.ok()?;
        let (mut entries, mut refused) = (Vec::with_capacity(batch.items.len()), Vec::new());
        for item in &batch.items {
            match self.unless_foreign(patience, || self.standing.judge(item, clock::unix_ms())).await? {
                Ok(verdict) => {
                    let (entry, muted) = Entry::of(item, &verdict);
                    self.metrics.muted.add(muted as u64);
                    entries.extend(entry);
                }
                Err(fault) => {
                    let entry = Entry::of(item, &Verdict::unknown(item)).0;
                    refused.extend(entry.map(|entry| Refused { entry, fault }));
                }
            }
        }
        Some((entries, refused))
    }

    /// Asks Redis until it answers, or holds something foreign by which it cannot. `None` where the role ended before.
    async fn unless_foreign<T, F: Future<Output = Result<T, redis::fault::Fault>>>(
        &self,
        patience: &mut Patience,
        ask: impl Fn() -> F,
    ) -> Option<Result<T, redis::fault::Fault>> {
        let answered = || async {
            match ask().await {
                Err(fault @ redis::fault::Fault::Foreign(_)) => Ok(Err(fault)),
                answer => answer.map(Ok),
            }
        };
        let answer = patience.insist("Redis", answered).await?;
        if let Err(fault) = &answer {
            self.complaints.tell("badges and mutes", fault);
        }
        Some(answer)
    }

    /// Sends a webhook until it is taken, or given up and kept.
    async fn send(&self, webhook: &Webhook, of: Mark, patience: &mut Patience) -> Option<()> {
        let mut attempts = 0;
        loop {
            let outcome = {
                let _slot = self.slots.acquire().await.ok()?;
                self.endpoint.post(&webhook.id, &webhook.body, SystemTime::now()).await
            };
            attempts += 1;
            let (why, asked_for) = match outcome {
                Outcome::Taken => {
                    self.metrics.taken.add(1);
                    return Some(());
                }
                Outcome::Refused(why) => {
                    self.metrics.refused.add(1);
                    tracing::warn!(id = webhook.id, "a webhook is dead: {why}");
                    return self.bury(webhook, of, &why, patience).await;
                }
                Outcome::Failed { why, asked_for } => (why, asked_for),
            };
            self.metrics.failed.add(1);
            patience.say("a webhook was not taken", &why);
            let Some(pause) = self.retry.pause(attempts, asked_for, rand::random()) else {
                self.metrics.given_up.add(1);
                let why = format!("given up after {attempts} attempts: {why}");
                tracing::warn!(id = webhook.id, "a webhook is dead: {why}");
                return self.bury(webhook, of, &why, patience).await;
            };
            patience.pause(pause).await?;
        }
    }

    /// Keeps a webhook that is not told.
    async fn bury(&self, webhook: &Webhook, of: Mark, why: &str, patience: &mut Patience) -> Option<()> {
        let dead = Dead {
            topic: &self.dead.from,
            partition: of.partition,
            offset: of.offset,
            key: None,
            value: &webhook.body,
            content_type: Some(b"application/json"),
            headers: &[("webhook-id", webhook.id.as_bytes())],
        };
        keep(&self.dead, dead, why, &self.metrics, patience).await
    }
}

/// Keeps what cannot be told in the topic of what is dead. What even that does not take is counted. `None` where the role ended
/// before.
pub(super) async fn keep(
    to: &DeadLetters,
    dead: Dead<'_>,
    why: &str,
    metrics: &NotifyMetrics,
    patience: &mut Patience,
) -> Option<()> {
    let why = limited(why);
    let kept = || async {
        match bury(&to.producer, &to.to, dead, why).await {
            Err(Fault::TooLarge) => {
                metrics.lost.add(1);
                Ok(())
            }
            written => written.map(drop),
        }
    };
    patience.insist("Kafka", kept).await
}

/// As much of a reason as a header may have.
fn limited(why: &str) -> &str {
    let end = (0..=NOTIFY_REASON_BYTES_MAX.min(why.len())).rev().find(|end| why.is_char_boundary(*end));
    &why[..end.unwrap_or_default()]
}
