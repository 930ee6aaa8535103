//! The thread: what it is told becomes events, and events go to the producer, which never waits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::entry::Entry;
use super::place::Place;
use super::{login, push};
use crate::cluster::kafka::announcer::Announcer;
use crate::limits::EVENT_LOG_LINGER_MS;

type Look = Box<dyn Fn() -> Option<Place> + Send>;

/// See the module.
pub(super) struct Writer {
    node: String,
    look: Look,
    /// The last that was seen: a node that acts dead still says whose sessions end.
    place: Place,
    logins: Option<Announcer>,
    pushes: Option<Announcer>,
    /// Events of pushes that wait.
    waiting_pushes: Arc<AtomicUsize>,
}

impl Writer {
    pub(super) fn new(
        node: &str,
        look: Look,
        logins: Option<Announcer>,
        pushes: Option<Announcer>,
        waiting_pushes: Arc<AtomicUsize>,
    ) -> Self {
        Self { node: node.into(), look, place: Place::default(), logins, pushes, waiting_pushes }
    }

    /// Tells until nobody is left who could say anything, and what was told is with Kafka, or cannot be.
    pub(super) fn run(mut self, entries: &flume::Receiver<Entry>) {
        while let Ok(entry) = entries.recv() {
            match entry {
                Entry::Visit(visit) => {
                    self.place = (self.look)().unwrap_or(self.place);
                    if let Some(logins) = &self.logins {
                        let event = login::event(&visit, &self.node, self.place);
                        logins.announce(&event.user, &event);
                    }
                }
                Entry::Push(push) => {
                    self.waiting_pushes.fetch_sub(1, Relaxed);
                    if let Some(pushes) = &self.pushes {
                        pushes.announce(&push.channel, &push::event(&push));
                    }
                }
            }
        }
        // One producer has all.
        if let Some(announcer) = self.logins.as_ref().or(self.pushes.as_ref()) {
            announcer.flush(Duration::from_millis(EVENT_LOG_LINGER_MS));
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Writer({}, {:?})", self.node, self.place)
    }
}
