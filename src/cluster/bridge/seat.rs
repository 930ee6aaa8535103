//! The node's seat among the others: how it gets there, and what stays of it from one incarnation to the next.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use redis::PushInfo;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::complaints::Complaints;
use super::lease::{Keeper, Lease};
use super::metrics::BridgeMetrics;
use super::misses::Misses;
use super::outlets::{Break, Outlets};
use super::register::Input;
use super::requests::{Request, Sorted};
use super::told::{Teller, Told};
use crate::broker::bridge::Attendance;
use crate::cluster::kafka;
use crate::cluster::kafka::deliver::Reader;
use crate::cluster::kafka::relay::Relay;
use crate::cluster::redis::bucket::{Item, Kind};
use crate::cluster::redis::copies::Copies;
use crate::cluster::redis::examine::examine;
use crate::cluster::redis::fault::{Fault, Remedy};
use crate::cluster::redis::functions::{Functions, Incarnation};
use crate::cluster::redis::keys::Keys;
use crate::cluster::redis::leases::{self, Leases};
use crate::cluster::redis::link::Link;
use crate::cluster::redis::relayed::Relayed;
use crate::cluster::redis::revocations;
use crate::cluster::redis::sessions::dismissed;
use crate::config::{KafkaConfig, RedisConfig};
use crate::doctor::{Finding, Verdict};
use crate::limits::LEASE_MS;
use crate::shard::asked::{Asked, Asks};
use crate::shard::bridge::BridgeEnd;

/// Between two attempts to take a lease.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a node waits for its name at the start: one that was killed still has its lease.
const PATIENCE: Duration = Duration::from_millis(LEASE_MS + 1_000);

/// See the module.
pub(super) struct Seat {
    pub(super) config: RedisConfig,
    /// The node's name.
    pub(super) name: String,
    pub(super) link: Arc<Link>,
    /// By which publications go, where they are answered once replicas have them.
    pub(super) copies: Option<Arc<Copies>>,
    pub(super) keys: Keys,
    pub(super) ends: Arc<[BridgeEnd]>,
    /// What the node says of itself.
    pub(super) about: watch::Receiver<Bytes>,
    /// Gets all leases, whenever they were seen.
    pub(super) seen: watch::Sender<Option<Leases>>,
    /// Gets the calls of the incarnation; none while the node acts dead.
    pub(super) functions: watch::Sender<Option<Arc<Functions>>>,
    /// Gets what other nodes say of users.
    pub(super) told: Teller,
    /// The Kafka that some namespaces go by, if any does.
    pub(super) kafka: Option<KafkaConfig>,
    /// Reads what comes from there.
    pub(super) reader: Option<Reader>,
    /// Gets what goes by way of Kafka, if there is one.
    pub(super) relay: Option<Relay>,
    /// Gets what concerns the node's sessions.
    pub(super) register: mpsc::Sender<Input>,
    /// Get the buckets of which something may have been missed: the register, and the control plane.
    pub(super) misses: [Arc<Misses>; 2],
    pub(super) metrics: Arc<BridgeMetrics>,
    pub(super) complaints: Arc<Complaints>,
}

/// An incarnation with its lease.
pub(super) struct Taken {
    /// Its calls.
    pub(super) functions: Arc<Functions>,
    pub(super) lease: Lease,
    pub(super) leases: Leases,
    /// The way on which it listens, and what comes there.
    pub(super) ear: Link,
    pub(super) pushes: mpsc::UnboundedReceiver<PushInfo>,
    /// What comes by Kafka to this slot, if something does.
    pub(super) by_kafka: Option<mpsc::Receiver<Relayed>>,
}

/// Refuses to go on where something would keep the node from using it.
fn refuse_failures(what: &str, findings: &[Finding]) -> anyhow::Result<()> {
    let failures = findings.iter().filter(|finding| finding.verdict == Verdict::Fail);
    let failures: String = failures.map(|finding| format!("\n  - {finding}")).collect();
    match failures.is_empty() {
        true => Ok(()),
        false => bail!("the node cannot use this {what}:{failures}"),
    }
}

impl Seat {
    /// Looks at Redis, and at Kafka where it is needed, and takes a lease; waits for a while where a node of this name is there.
    ///
    /// # Errors
    /// What is to be changed.
    pub(super) async fn begin(&self) -> anyhow::Result<Taken> {
        let findings = examine(&self.link, &self.config).await;
        refuse_failures("Redis", &findings)?;
        if let Some(kafka) = &self.kafka {
            refuse_failures("Kafka", &kafka::examine::examine(kafka, true, false).await)?;
        }
        let taken = self.take_first().await?;
        let incarnation = taken.functions.incarnation();
        if let Some(kafka) = &self.kafka
            && let Err(problem) = kafka::examine::has_partition(kafka, incarnation.slot).await
        {
            self.leave(incarnation).await;
            bail!("the node cannot use this Kafka: {problem}");
        }
        Ok(taken)
    }

    /// Takes a lease. What may pass is waited for: a node that has gone without a word, and a Redis that is late once.
    async fn take_first(&self) -> anyhow::Result<Taken> {
        let (since, mut has_another) = (Instant::now(), false);
        loop {
            let fault = match self.take(None).await {
                Ok(taken) => return Ok(taken),
                Err(fault) => fault,
            };
            let is_taken = matches!(fault, Fault::Taken);
            has_another |= is_taken;
            let may_pass = is_taken || matches!(fault.remedy(), Remedy::Again | Remedy::Reconnect);
            if may_pass && since.elapsed() < PATIENCE {
                self.complaints.tell("lease_take", &fault);
                sleep(PAUSE).await;
                continue;
            }
            ensure!(
                !has_another,
                "another node named `{}` is there: nodes over one Redis need names of their own; set `name`, or \
                 another `cluster.redis.prefix`",
                self.name
            );
            return Err(fault).context("no lease");
        }
    }

    /// Comes back as another incarnation, as soon as Redis gives a lease. Meanwhile the node acts dead: what is asked of buckets is
    /// refused. What the incarnation that made these calls knew goes to the next. `None` once nobody asks any more.
    pub(super) async fn come_back(&self, before: &Functions, asks: &mut Asks, outlets: &mut Outlets) -> Option<Taken> {
        self.metrics.leases_lost.add(1);
        tracing::error!("the node has lost its lease and acts dead: channels of `log = \"redis\"` are refused");
        let take = async {
            loop {
                match self.take(Some(before)).await {
                    Ok(taken) => return taken,
                    Err(fault) => self.complaints.tell("lease_take", &fault),
                }
                sleep(PAUSE).await;
            }
        };
        tokio::pin!(take);
        loop {
            tokio::select! {
                taken = &mut take => {
                    tracing::info!("the node is back as another incarnation");
                    // Who tried to join meanwhile need not wait until it tries again.
                    self.lose_all(outlets);
                    return Some(taken);
                }
                asked = asks.next() => {
                    let Asked { shard, all, since, .. } = self.sort_out(asked?).await;
                    let requests = all.into_iter().map(|what| Request { shard, what, since });
                    Sorted::refused(requests, &Fault::Dead).give(&self.ends);
                }
            }
        }
    }

    async fn take(&self, before: Option<&Functions>) -> Result<Taken, Fault> {
        let (pushes_in, pushes) = mpsc::unbounded_channel();
        // Certificates are read again.
        let ear = Link::new(&self.config, Some(pushes_in)).map_err(|error| Fault::Other(error.to_string()))?;
        let (began, about) = (Instant::now(), self.about.borrow().clone());
        let (incarnation, leases) = leases::take(&self.link, &self.keys, &self.name, &about).await?;
        self.metrics.renewed();
        let functions = match before {
            Some(before) => before.successor(incarnation),
            None => Functions::new(self.link.clone(), self.keys.clone(), incarnation).copied_by(self.copies.clone()),
        };
        let by_kafka = self.reader.as_ref().map(|reader| reader.begin(incarnation.slot));
        Ok(Taken { functions: Arc::new(functions), lease: Lease::taken(began), leases, ear, pushes, by_kafka })
    }

    /// Ends the lease, so that nobody has to wait for it to run out.
    pub(super) async fn leave(&self, incarnation: Incarnation) {
        let ended = timeout(Duration::from_millis(LEASE_MS), leases::end(&self.link, &self.keys, incarnation)).await;
        if let Err(fault) = ended.unwrap_or(Err(Fault::Late)) {
            self.complaints.tell("lease_end", &fault);
        }
    }

    /// Gives the register what concerns the sessions of a shard, and Kafka what goes there; the rest is for the buckets.
    pub(super) async fn sort_out(&self, mut asked: Asked) -> Asked {
        for attendance in asked.attendance.drain(..) {
            let input = match attendance {
                Attendance::Comes(entrance) => Input::Enrol(asked.shard, entrance),
                Attendance::Says(user, client, note) => Input::Note(user, client, note),
                Attendance::Goes(user, client) => Input::Discharge(user, client),
            };
            self.tell_register(input).await;
        }
        if let Some(relay) = &self.relay {
            relay.take(&mut asked);
        }
        asked
    }

    /// Tells the register; it ends with the thread.
    async fn tell_register(&self, input: Input) {
        let _ = self.register.send(input).await;
    }

    /// The node goes on with these calls, or acts dead.
    pub(super) async fn go_on_with(&self, functions: Option<&Arc<Functions>>) {
        self.functions.send_replace(functions.cloned());
        self.tell_register(functions.map_or(Input::Ended, |functions| Input::Began(functions.clone()))).await;
    }

    /// A bucket may have said of users what was not heard.
    pub(super) fn miss_users(&self, bucket: u16) {
        self.misses.iter().for_each(|misses| misses.add(bucket));
    }

    /// A bucket has said something of users. Whether it was that.
    pub(super) fn hear_of_users(&self, bucket: u16, item: &Item) -> bool {
        let user = || item.channel.strip_prefix('\u{1}').unwrap_or_default().into();
        let told = match item.kind {
            Kind::Dismissed => dismissed(item.body.clone()).map(|(client, why)| Told::Dismissed {
                user: user(),
                client,
                why: why.into(),
            }),
            Kind::Revoked => revocations::told(item.body.clone()).map(Told::Revoked),
            Kind::SessionPut | Kind::SessionRemoved => Ok(Told::Changed(user())),
            Kind::Asked => Ok(Told::Asked(bucket, item.body.clone())),
            Kind::Answered => Ok(Told::Answered(item.body.clone())),
            _ => return false,
        };
        // What cannot be read is of a later version's node.
        if let Ok(told) = told
            && self.told.tell(told).is_err()
        {
            self.metrics.told_dropped.add(1);
            self.miss_users(bucket);
        }
        true
    }

    /// Nothing that was promised in any bucket holds.
    pub(super) fn lose_all(&self, outlets: &mut Outlets) {
        (0..self.keys.buckets()).for_each(|bucket| outlets.tell(bucket, Break::Lost));
        outlets.flush();
    }

    /// What keeps the lease of an incarnation.
    pub(super) fn keeper(&self, lease: Arc<Lease>, functions: Arc<Functions>) -> Keeper {
        let (about, seen) = (self.about.clone(), self.seen.clone());
        Keeper { lease, functions, about, seen, metrics: self.metrics.clone(), complaints: self.complaints.clone() }
    }
}
