//! What is to be published of sessions, in the order in which it was read.
//!
//! Each change is a record on the way up (`cluster.kafka.topics.publish`), as backends write them: Kafka keeps it once it is taken, and the
//! channel's own order follows the order in which records of one channel lie there. So they are written in the order in which
//! they were read, and where one was not taken all from it on are written once more: the newest is the last in any case.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::marks::Mark;
use crate::cluster::kafka::fault::Fault;
use crate::cluster::kafka::producer::{Producer, Record};
use crate::config::KafkaConfig;
use crate::events::{self, Format, Publish, SessionUpdate};
use crate::roles::pulse::Pulse;

/// Before what was not taken is written again.
const PAUSE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Outgoing {
    producer: Arc<Producer>,
    topic: String,
    prefix: String,
    format: Format,
    pulse: Arc<Pulse>,
    /// Oldest first.
    waiting: VecDeque<Change>,
    /// The number of the first that waits.
    first: u64,
    /// How many are on their way to Kafka.
    on_their_way: usize,
    /// Something was not taken: nothing is written before all that is on its way has come back, nor before this.
    not_before: Option<Instant>,
    taken: (flume::Sender<Answer>, flume::Receiver<Answer>),
}

type Answer = (u64, Result<(), Fault>);

/// A change that is yet to be kept.
#[derive(Debug)]
struct Change {
    mark: Mark,
    channel: String,
    value: Vec<u8>,
    is_taken: bool,
}

impl Outgoing {
    /// In channels whose names begin so. The pulse fails while Kafka does not take what is written.
    pub(super) fn new(producer: Arc<Producer>, config: &KafkaConfig, prefix: &str, pulse: Arc<Pulse>) -> Self {
        Self {
            producer,
            topic: config.topics.publish.clone(),
            prefix: prefix.into(),
            format: config.format,
            pulse,
            waiting: VecDeque::new(),
            first: 0,
            on_their_way: 0,
            not_before: None,
            taken: flume::unbounded(),
        }
    }

    /// Tells a user's channel of a change.
    pub(super) fn take(&mut self, update: &SessionUpdate, mark: Mark) {
        let channel = format!("{}{}", self.prefix, update.user);
        let value = events::encode(&publication(update, &channel), self.format);
        self.waiting.push_back(Change { mark, channel, value, is_taken: false });
        if self.not_before.is_none() {
            self.write(self.waiting.len() - 1);
        }
    }

    /// Whether all is kept.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Waits until some are kept, and says which.
    pub(super) async fn kept(&mut self) -> Vec<Mark> {
        loop {
            let not_before = self.not_before.filter(|_| self.on_their_way == 0);
            let again = async {
                match not_before {
                    Some(not_before) => sleep_until(not_before).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Ok((number, outcome)) = self.taken.1.recv_async() => {
                    let kept = self.answered(number, outcome);
                    if !kept.is_empty() {
                        return kept;
                    }
                }
                () = again => self.write_all_again(),
            }
        }
    }

    fn answered(&mut self, number: u64, outcome: Result<(), Fault>) -> Vec<Mark> {
        self.on_their_way -= 1;
        let change = number.checked_sub(self.first).and_then(|at| self.waiting.get_mut(at as usize));
        let change = change.expect("what is on its way waits");
        match outcome {
            Ok(()) => {
                change.is_taken = true;
                self.pulse.failing(false);
            }
            // The producer has said so in the log, and nobody can ever have it.
            Err(Fault::TooLarge) => change.is_taken = true,
            Err(_) => {
                self.not_before = Some(Instant::now() + PAUSE);
                self.pulse.failing(true);
            }
        }
        let mut kept = Vec::new();
        while let Some(change) = self.waiting.pop_front_if(|change| change.is_taken) {
            self.first += 1;
            kept.push(change.mark);
        }
        kept
    }

    fn write_all_again(&mut self) {
        self.not_before = None;
        (0..self.waiting.len()).for_each(|at| self.write(at));
    }

    fn write(&mut self, at: usize) {
        let change = &mut self.waiting[at];
        change.is_taken = false;
        self.on_their_way += 1;
        let (number, taken) = (self.first + at as u64, self.taken.0.clone());
        let record = Record {
            topic: &self.topic,
            key: Some(change.channel.as_bytes()),
            partition: None,
            value: &change.value,
            headers: &events::headers::<Publish>(self.format),
        };
        self.producer.write(record, move |outcome| {
            // Where the role has ended nobody waits for it.
            let _ = taken.send((number, outcome.map(drop)));
        });
    }
}

/// What clients are told.
#[derive(Serialize)]
struct Told<'a> {
    user: &'a str,
    online: bool,
    at_unix_ms: i64,
    last_seen_unix_ms: i64,
    devices: u32,
    sequence: u64,
}

fn publication(update: &SessionUpdate, channel: &str) -> Publish {
    let SessionUpdate { user, online, at_unix_ms, last_seen_unix_ms, devices, sequence, .. } = update;
    let told = Told {
        user,
        online: *online,
        at_unix_ms: *at_unix_ms,
        last_seen_unix_ms: *last_seen_unix_ms,
        devices: *devices,
        sequence: *sequence,
    };
    let data = serde_json::to_vec(&told).expect("it is written as JSON");
    // Where the channel keeps a history, what comes after something newer is dropped, and so is what comes twice.
    Publish { channel: channel.into(), data: data.into(), version: *sequence, ..Publish::default() }
}
