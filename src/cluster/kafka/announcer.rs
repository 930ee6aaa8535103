//! Tells events to a topic: a bounded sink over the process' producer. Nobody waits for it. What finds no room, or is not taken by
//! Kafka, is dropped and counted by its reason.
//!
//! Events have less room than the producer has, so that publishes find some while Kafka takes nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::fault::Fault;
use super::producer::{Producer, Record};
use crate::events::{Event, Format, encode, headers};
use crate::limits::{EVENTS_WAITING_BYTES_MAX, EVENTS_WAITING_MAX};

/// Why an event is dropped that has found no room.
const CROWDED: &str = "crowded";

/// See the module. One serves a topic, from any thread.
#[derive(Debug)]
pub struct Announcer {
    producer: Arc<Producer>,
    topic: String,
    format: Format,
    counts: Arc<AnnouncerCounts>,
}

/// What is counted of the events of a topic.
#[derive(Debug, Default)]
pub struct AnnouncerCounts {
    written: AtomicU64,
    waiting: AtomicUsize,
    waiting_bytes: AtomicUsize,
    /// Events that found no room: where there is no Kafka, all.
    crowded: AtomicU64,
    /// Events that Kafka has not taken, by kind of fault.
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

impl Announcer {
    /// To this topic, in this format.
    pub fn new(producer: Arc<Producer>, topic: &str, format: Format) -> Self {
        Self { producer, topic: topic.into(), format, counts: Arc::default() }
    }

    /// Tells an event; those of one key keep their order, an empty key is none.
    pub fn announce<E: Event>(&self, key: &str, event: &E) {
        let value = encode(event, self.format);
        let bytes = value.len();
        if !self.counts.begin(bytes) {
            return self.counts.crowd_out();
        }
        let headers = headers::<E>(self.format);
        let key = Some(key.as_bytes()).filter(|key| !key.is_empty());
        let record = Record { topic: &self.topic, key, partition: None, value: &value, headers: &headers };
        let counts = self.counts.clone();
        self.producer.write(record, move |taken| counts.end(bytes, taken.map(drop)));
    }

    /// Waits until Kafka has what was told, as long as this at most.
    pub fn flush(&self, patience: Duration) {
        self.producer.flush(patience);
    }

    /// What is counted.
    pub fn counts(&self) -> &Arc<AnnouncerCounts> {
        &self.counts
    }
}

impl AnnouncerCounts {
    /// An event is about to be written: whether there is room.
    fn begin(&self, bytes: usize) -> bool {
        let records = self.waiting.fetch_add(1, Relaxed);
        let all = self.waiting_bytes.fetch_add(bytes, Relaxed) + bytes;
        let has_room = records < EVENTS_WAITING_MAX && all <= EVENTS_WAITING_BYTES_MAX;
        if !has_room {
            self.leave(bytes);
        }
        has_room
    }

    fn leave(&self, bytes: usize) {
        self.waiting.fetch_sub(1, Relaxed);
        self.waiting_bytes.fetch_sub(bytes, Relaxed);
    }

    fn end(&self, bytes: usize, taken: Result<(), Fault>) {
        self.leave(bytes);
        match taken {
            Ok(()) => _ = self.written.fetch_add(1, Relaxed),
            Err(fault) => {
                let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                *refused.entry(fault.kind()).or_default() += 1;
            }
        }
    }

    /// An event was dropped before it came here, since too many waited. From any thread, without a lock.
    pub fn crowd_out(&self) {
        self.crowded.fetch_add(1, Relaxed);
    }

    /// Events that Kafka has taken.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Events that wait for Kafka, or are on their way.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed) as u64
    }

    /// Events that were dropped, by reason.
    pub fn dropped(&self) -> Vec<(&'static str, u64)> {
        let mut dropped = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *dropped.entry(CROWDED).or_default() += self.crowded.load(Relaxed);
        dropped.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_dropped_and_leaves_the_room_as_it_was() {
        let counts = AnnouncerCounts::default();
        assert!(counts.begin(EVENTS_WAITING_BYTES_MAX));
        assert!(!counts.begin(1));
        counts.crowd_out();
        assert_eq!((counts.waiting(), counts.dropped()), (1, vec![("crowded", 1)]));
        counts.end(EVENTS_WAITING_BYTES_MAX, Ok(()));
        assert_eq!((counts.waiting(), counts.written()), (0, 1));
        (0..EVENTS_WAITING_MAX).for_each(|_| assert!(counts.begin(0)));
        assert!(!counts.begin(0));
        counts.end(0, Err(Fault::Late));
        counts.end(0, Err(Fault::Crowded));
        assert!(counts.begin(0) && counts.begin(0) && !counts.begin(0));
        assert_eq!(counts.dropped(), [("crowded", 2), ("late", 1)]);
    }
}
