//! Tells clients of users who come online or go offline: reads `session.update`, and has each published in a channel of the user.
//!
//! A reader and a group of its own: an endpoint of webhooks that is slow holds nobody's sessions up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::delivery::{DeadLetters, keep};
use super::marks::{Load, Mark};
use super::metrics::NotifyMetrics;
use super::outgoing::Outgoing;
use super::patience::Patience;
use super::reader::{COMMIT_PAUSE, Read, Reader};
use super::view::NotifyView;
use crate::clock;
use crate::cluster::kafka::producer::Producer;
use crate::cluster::kafka::taken::Taken;
use crate::config::Config;
use crate::events::{self, SessionUpdate};
use crate::roles::pulse::Pulse;

/// How long what is on its way may take when the role ends.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Sessions {
    reader: Reader,
    outgoing: Outgoing,
    dead: DeadLetters,
    max_age_ms: u64,
    /// Records that are about to be kept as dead.
    buried: JoinSet<Option<Mark>>,
    metrics: Arc<NotifyMetrics>,
    patience: Patience,
}

impl Sessions {
    /// Must be called within the runtime of the roles. Nothing is waited for.
    ///
    /// # Errors
    /// Options that a client does not know, files that cannot be read.
    pub(super) fn new(
        config: &Config,
        producer: Arc<Producer>,
        view: &NotifyView,
        pulse: &Arc<Pulse>,
        ending: watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let (notify, kafka) = (&config.notify, &config.cluster.kafka);
        let topics = &kafka.topics;
        let dead =
            DeadLetters { producer: producer.clone(), from: topics.session.clone(), to: topics.notify_dead.clone() };
        let patience = Patience::new(ending, pulse.clone());
        Ok(Self {
            reader: Reader::new(config, "sessions", &dead.from, pulse.clone(), patience.clone())?,
            outgoing: Outgoing::new(producer, kafka, &notify.session_channel, pulse.clone()),
            dead,
            max_age_ms: notify.max_age.as_millis(),
            buried: JoinSet::new(),
            metrics: view.metrics.clone(),
            patience,
        })
    }

    /// Goes on until it is to end. What was read and is not kept by then is another process' to do.
    ///
    /// # Errors
    /// Nothing that time may mend.
    pub(super) async fn run(mut self, mut ending: watch::Receiver<bool>) -> anyhow::Result<()> {
        let mut commits = interval(COMMIT_PAUSE);
        commits.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ending.wait_for(|is_ending| *is_ending) => break,
                heard = self.reader.hear() => if let Read::Record(record) = self.reader.take_in(heard).await {
                    self.take(record);
                },
                kept = self.outgoing.kept() => self.kept(kept),
                Some(buried) = self.buried.join_next() => self.kept(buried?.into_iter().collect()),
                _ = commits.tick() => self.reader.commit(),
            }
            self.reader.hold_back();
        }
        let until = Instant::now() + LAST_WAIT;
        while !self.outgoing.is_done()
            && let Ok(kept) = timeout_at(until, self.outgoing.kept()).await
        {
            self.kept(kept);
        }
        self.reader.commit();
        Ok(())
    }

    fn kept(&mut self, kept: Vec<Mark>) {
        kept.into_iter().for_each(|mark| self.reader.marks.settle(mark));
    }

    fn take(&mut self, record: Taken) {
        let age_ms = clock::unix_ms().saturating_sub(record.written_unix_ms.unwrap_or(i64::MAX));
        let update = events::decode::<SessionUpdate>(record.content_type.as_deref(), &record.value);
        match update {
            // Who is online now is told by what comes after it.
            Ok(_) if age_ms > 0 && age_ms as u64 > self.max_age_ms => {
                self.reader.take(&record, Load::default());
            }
            Ok(update) if !update.user.is_empty() => {
                if let Some(mark) = self.reader.take(&record, Load { parts: 1, bytes: record.bytes() }) {
                    self.outgoing.take(&update, mark);
                    self.metrics.sessions.add(1);
                }
            }
            Ok(_) => self.bury(record, "it names no user".into()),
            Err(error) => self.bury(record, error.to_string()),
        }
    }

    /// Keeps a record that nothing can be made of in the topic of what is dead.
    fn bury(&mut self, record: Taken, why: String) {
        self.metrics.unreadable.add(1);
        let Some(mark) = self.reader.take(&record, Load { parts: 1, bytes: record.bytes() }) else { return };
        let (to, metrics, mut patience) = (self.dead.clone(), self.metrics.clone(), self.patience.clone());
        self.buried.spawn(async move {
            keep(&to, record.dead(&to.from), &why, &metrics, &mut patience).await?;
            Some(mark)
        });
    }
}
