//! The thread: what it is told becomes events, and events go to the producer, which never waits.

use std::fmt;
use std::time::Duration;

use super::entry::Entry;
use super::login;
use super::place::Place;
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
}

impl Writer {
    pub(super) fn new(node: &str, look: Look, logins: Option<Announcer>) -> Self {
        Self { node: node.into(), look, place: Place::default(), logins }
    }

    /// Tells until nobody is left who could say anything, and what was told is with Kafka, or cannot be.
    pub(super) fn run(mut self, entries: &flume::Receiver<Entry>) {
        while let Ok(entry) = entries.recv() {
            self.place = (self.look)().unwrap_or(self.place);
            match (entry, &self.logins) {
                (Entry::Visit(visit), Some(logins)) => {
                    let event = login::event(&visit, &self.node, self.place);
                    logins.announce(&event.user, &event);
                }
                (Entry::Visit(_), None) => {}
            }
        }
        if let Some(announcer) = &self.logins {
            announcer.flush(Duration::from_millis(EVENT_LOG_LINGER_MS));
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Writer({}, {:?})", self.node, self.place)
    }
}
