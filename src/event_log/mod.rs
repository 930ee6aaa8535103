//! Tells the rest of the company, by Kafka, what happens on the node: who came, who went and who was refused.
//!
//! Owns a thread that makes events of what shards tell it, and hands them to the producer. Those who tell it something never wait:
//! past a bound it is dropped, and counted. What is on its way when the node ends is waited for, for a moment.

mod entry;
mod login;
mod place;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

pub use self::entry::Entry;
pub use self::place::Place;
use self::writer::Writer;
use crate::cluster::kafka::announcer::{Announcer, AnnouncerCounts};
use crate::cluster::kafka::producer::Producer;
use crate::config::KafkaConfig;
use crate::limits::{EVENT_LOG_LINGER_MS, EVENT_LOG_VISITS_MAX};

/// The way to the thread, for as many others as want one. Where there is no Kafka it leads nowhere.
#[derive(Clone, Debug, Default)]
pub struct EventLog(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    entries: flume::Sender<Entry>,
    /// What is counted of the events of who comes and goes, where they are told.
    logins: Option<Arc<AnnouncerCounts>>,
}

/// Waits for what is still to be written when it is dropped: for a moment, since there may be no Kafka.
#[derive(Debug)]
pub struct EventLogGuard(flume::Receiver<()>);

impl Drop for EventLogGuard {
    fn drop(&mut self) {
        let _ = self.0.recv_timeout(Duration::from_millis(EVENT_LOG_LINGER_MS));
    }
}

impl EventLog {
    /// Starts it, where there is a Kafka and a topic for what it tells. It ends when the last way to it is dropped. `place` says
    /// where the node stands among others, for as long as it does.
    ///
    /// # Errors
    /// There is no thread.
    pub fn start(
        config: &KafkaConfig,
        node: &str,
        kafka: Option<Arc<Producer>>,
        place: impl Fn() -> Option<Place> + Send + 'static,
    ) -> anyhow::Result<(Self, Option<EventLogGuard>)> {
        let Some(producer) = kafka.filter(|_| config.tells_logins()) else { return Ok((Self::default(), None)) };
        let to = |topic: &str| Announcer::new(producer.clone(), topic, config.format);
        let logins = config.tells_logins().then(|| to(&config.topics.login));
        let counts = logins.as_ref().map(|to| to.counts().clone());
        let (entries, taken) = flume::bounded(EVENT_LOG_VISITS_MAX);
        let (ended, has_ended) = flume::bounded(1);
        let writer = Writer::new(node, Box::new(place), logins);
        let run = move || {
            writer.run(&taken);
            let _ = ended.send(());
        };
        thread::Builder::new().name("events".into()).spawn(run).context("no thread for events")?;
        Ok((Self(Some(Arc::new(Inner { entries, logins: counts }))), Some(EventLogGuard(has_ended))))
    }

    /// Whether it is told who comes and goes.
    pub fn takes_visits(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.logins.is_some())
    }

    /// Tells something, soon; drops it where too much waits.
    pub fn write(&self, entry: Entry) {
        if let Some(inner) = &self.0
            && inner.entries.try_send(entry).is_err()
            && let Some(counts) = &inner.logins
        {
            counts.crowd_out();
        }
    }

    /// What is counted, by topic as the configuration names it.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, &AnnouncerCounts)> {
        let logins = self.0.as_ref().and_then(|inner| inner.logins.as_deref());
        logins.map(|counts| ("login", counts)).into_iter()
    }
}
