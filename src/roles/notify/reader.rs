//! Reads one topic as a member of a group: goes on where the group is, and says up to where all is done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::heard::{Heard, hear};
use super::marks::{Load, Mark, Marks};
use super::patience::Patience;
use crate::cluster::kafka::taken::Taken;
use crate::config::Config;
use crate::limits::{NOTIFY_OPEN_BYTES_MAX, NOTIFY_OPEN_MAX};
use crate::roles::consumer::{Consumer, is_refusal};
use crate::roles::pulse::{Partition, Pulse};

/// How often positions are to be committed.
pub(super) const COMMIT_PAUSE: Duration = Duration::from_millis(500);

/// After so many commits all positions are said again, since nobody says whether one was heard.
const COMMITS_PER_REPEAT: u32 = 60;

/// A partition that comes back sooner than this after it was taken away has hardly been another process' meanwhile: who loses its place
/// in the group does so by being silent for this long. Otherwise some is told twice.
const KEEP_FOR: Duration = Duration::from_secs(10);

/// After Kafka has refused something.
const PAUSE_AWAY: Duration = Duration::from_millis(500);

/// What is to be done about what was heard.
#[derive(Debug)]
pub(super) enum Read {
    /// A record.
    Record(Taken),
    /// Some partitions may be another process' now.
    Changed,
    /// Nothing.
    Nothing,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Reader {
    consumer: Consumer,
    topic: String,
    /// Which records are done.
    pub(super) marks: Marks,
    patience: Patience,
    /// When everything was taken away.
    revoked: Option<Instant>,
    is_held_back: bool,
    commits: u32,
}

impl Reader {
    /// Joins the group of this name, which the client bears as well. Must be called within a runtime; nothing is waited for.
    ///
    /// # Errors
    /// Options that a client does not know, files that cannot be read.
    pub(super) fn new(
        config: &Config,
        name: &str,
        topic: &str,
        pulse: Arc<Pulse>,
        patience: Patience,
    ) -> anyhow::Result<Self> {
        let kafka = &config.cluster.kafka;
        let (client_id, group) = (format!("{}-{name}", config.name), format!("{}.{name}", kafka.group));
        Ok(Self {
            consumer: Consumer::new(kafka, &client_id, &group, &[topic], pulse)?,
            topic: topic.into(),
            marks: Marks::default(),
            patience,
            revoked: None,
            is_held_back: false,
            commits: 0,
        })
    }

    /// Waits for what comes next. Giving up the wait loses nothing.
    pub(super) async fn hear(&mut self) -> Heard {
        hear(&mut self.consumer).await
    }

    /// Takes in what was heard.
    pub(super) async fn take_in(&mut self, heard: Heard) -> Read {
        match heard {
            Heard::Record(record) => return Read::Record(record),
            Heard::Assigned(partitions) => {
                self.assigned(&partitions).await;
                return Read::Changed;
            }
            Heard::Revoked => {
                // As long as the group listens.
                self.commit();
                self.revoked = Some(Instant::now());
            }
            Heard::Failed(error) => {
                self.patience.say("Kafka cannot be read", &error.to_string());
                let _ = self.patience.pause(PAUSE_AWAY).await;
                if is_refusal(&error) {
                    self.begin_again();
                }
            }
        }
        Read::Nothing
    }

    /// Takes a record up, that has so much to be done. `None` where its partition is not this process' any more.
    pub(super) fn take(&mut self, record: &Taken, load: Load) -> Option<Mark> {
        self.marks.take(record.partition, record.offset, load)
    }

    /// Reads no more while as much is on its way as may be, until half of it is done.
    pub(super) fn hold_back(&mut self) {
        let part = if self.is_held_back { 2 } else { 1 };
        let Load { parts, bytes } = self.marks.open();
        let is_held_back = parts >= NOTIFY_OPEN_MAX / part || bytes >= NOTIFY_OPEN_BYTES_MAX / part;
        if is_held_back != self.is_held_back {
            match self.consumer.pause(is_held_back) {
                Ok(()) => self.is_held_back = is_held_back,
                Err(error) => self.patience.say("Kafka cannot be paused", &error.to_string()),
            }
        }
    }

    /// Says up to where all is done. Does not wait.
    pub(super) fn commit(&mut self) {
        if self.revoked.is_some() {
            return;
        }
        self.commits = self.commits.wrapping_add(1);
        if self.commits.is_multiple_of(COMMITS_PER_REPEAT) {
            self.marks.say_again();
        }
        let next = self.marks.take_due();
        if !next.is_empty()
            && let Err(error) = self.consumer.commit(&self.named(next))
        {
            self.patience.say("positions cannot be committed", &error.to_string());
            self.marks.say_again();
        }
    }

    /// Goes on where it was in what it had until now, and where the group is in the rest.
    async fn assigned(&mut self, partitions: &[Partition]) {
        if self.revoked.take().is_some_and(|since| since.elapsed() > KEEP_FOR) {
            self.marks.revoke_all();
        }
        let kept = self.marks.assign(partitions.iter().map(|(_, partition)| *partition));
        self.marks.say_again();
        let next = self.named(kept);
        while let Err(error) = self.consumer.begin_at(&next) {
            self.patience.say("Kafka does not give what it has assigned", &error.to_string());
            if self.patience.pause(PAUSE_AWAY).await.is_none() {
                return;
            }
        }
    }

    /// Asks once more for what was refused: librdkafka says anew then that a partition has no more, by which it is known that it is
    /// refused no longer.
    fn begin_again(&self) {
        let next = self.named(self.marks.next());
        if self.revoked.is_none()
            && let Err(error) = self.consumer.begin_at(&next)
        {
            self.patience.say("Kafka does not give what it has assigned", &error.to_string());
        }
    }

    fn named(&self, next: Vec<(i32, i64)>) -> BTreeMap<Partition, i64> {
        next.into_iter().map(|(partition, next)| ((self.topic.clone(), partition), next)).collect()
    }
}
