//! Tells the rest of the company, by Kafka, what happens on the node: who came, who went and who was refused, and whom a push is to
//! tell of a message.
//!
//! Owns a thread that makes events of what shards tell it, and hands them to the producer. Those who tell it something never wait:
//! past a bound it is dropped, and counted. What is on its way when the node ends is waited for, for a moment.

mod entry;
mod login;
mod place;
mod push;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::Context as _;

pub use self::entry::Entry;
pub use self::place::Place;
use self::writer::Writer;
use crate::cluster::kafka::announcer::{Announcer, AnnouncerCounts};
use crate::cluster::kafka::producer::Producer;
use crate::config::KafkaConfig;
use crate::limits::{EVENT_LOG_LINGER_MS, EVENT_LOG_PUSHES_MAX, EVENT_LOG_VISITS_MAX};
use crate::vital;

/// The way to the thread, for as many others as want one. Where there is no Kafka it leads nowhere.
#[derive(Clone, Debug, Default)]
pub struct EventLog(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    entries: flume::Sender<Entry>,
    /// What is counted of the events of who comes and goes, where they are told.
    logins: Option<Arc<AnnouncerCounts>>,
    /// Likewise, of pushes.
    pushes: Option<Arc<AnnouncerCounts>>,
    /// Events of pushes that wait.
    waiting_pushes: Arc<AtomicUsize>,
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
        let is_wanted = config.tells_logins() || config.tells_pushes();
        let Some(producer) = kafka.filter(|_| is_wanted) else { return Ok((Self::default(), None)) };
        let to = |topic: &str| Announcer::new(producer.clone(), topic, config.format);
        let logins = config.tells_logins().then(|| to(&config.topics.login));
        let pushes = config.tells_pushes().then(|| to(&config.topics.push));
        let counts_of = |to: &Option<Announcer>| to.as_ref().map(|to| to.counts().clone());
        let waiting_pushes = Arc::<AtomicUsize>::default();
        let (entries, taken) = flume::bounded(EVENT_LOG_VISITS_MAX);
        let (ended, has_ended) = flume::bounded(1);
        let (logins_counts, pushes_counts) = (counts_of(&logins), counts_of(&pushes));
        let writer = Writer::new(node, Box::new(place), logins, pushes, waiting_pushes.clone());
        let run = move || {
            writer.run(&taken);
            let _ = ended.send(());
        };
        vital::spawn("events", run).context("no thread for events")?;
        let inner = Inner { entries, logins: logins_counts, pushes: pushes_counts, waiting_pushes };
        Ok((Self(Some(Arc::new(inner))), Some(EventLogGuard(has_ended))))
    }

    /// Whether it is told who comes and goes.
    pub fn takes_visits(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.logins.is_some())
    }

    /// Whether it is told whom a push is to tell.
    pub fn takes_pushes(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.pushes.is_some())
    }

    /// Whether there is room for another of these: who can wait for it does.
    pub fn has_room_for_pushes(&self) -> bool {
        self.0.as_ref().is_none_or(|inner| inner.waiting_pushes.load(Relaxed) < EVENT_LOG_PUSHES_MAX / 2)
    }

    /// Tells something, soon; drops it where too much waits.
    pub fn write(&self, entry: Entry) {
        let Some(inner) = &self.0 else { return };
        let counts = match &entry {
            Entry::Visit(_) => &inner.logins,
            Entry::Push(_) => &inner.pushes,
        };
        let Some(counts) = counts else { return };
        // Pushes are larger, by their users: fewer may wait.
        let is_push = matches!(entry, Entry::Push(_));
        let has_room = !is_push || inner.waiting_pushes.fetch_add(1, Relaxed) < EVENT_LOG_PUSHES_MAX;
        if !has_room || inner.entries.try_send(entry).is_err() {
            counts.crowd_out();
            if is_push {
                inner.waiting_pushes.fetch_sub(1, Relaxed);
            }
        }
    }

    /// What is counted, by topic as the configuration names it.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, &AnnouncerCounts)> {
        let topics = self.0.iter().flat_map(|inner| [("login", &inner.logins), ("push", &inner.pushes)]);
        topics.filter_map(|(topic, counts)| Some((topic, counts.as_deref()?)))
    }
}
