//! What buckets tell this node: subscriptions, made anew after every break, and comparisons that find silent losses.
//!
//! Every 5 s, and after every break, each bucket is asked what it has sent; what was sent and not heard is a hole, which is told.
//! What they tell by Kafka is heard here as well, since the same comparisons look after it.
//!
//! The way to Redis is the listener's own: a server ends a subscription unasked when its slot moves, and the library takes what it says
//! then for the answer to a question. The way is made anew after it, and no call of others goes astray.
//!
//! Events wait in a bounded queue: past it they are dropped as a told hole, so that Redis is read whatever the shards do.

use std::collections::BTreeSet;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::bucket::{Channel, Continuity, Ear, Generation, Item};
use super::comparisons::{Comparisons, PAUSE};
use super::fault::Fault;
use super::functions::{Compared, Functions};
use super::link::Link;
use super::pack::string;
use super::relayed::{Heard, Relayed, RelayedEar};
use crate::limits::{DELIVER_BEGINS_MS, REDIS_COMPARE_MS, REDIS_EVENTS_MAX};

/// Messages that are heard, where they have come, before it is looked what else is to be done.
const HEARD_AT_ONCE: usize = 256;

/// What a listener tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What a bucket says is heard from now on, and what it has sent before is known: told once.
    Hears(u16),
    /// Something was said in a bucket, in this generation.
    Said(u16, Generation, Item),
    /// Something that a bucket has said was not heard: who counts on all must read.
    Hole(u16),
    /// Likewise, of what comes by Kafka.
    HoleByKafka(u16),
    /// A bucket has begun another generation: what was promised before does not hold, and who listens must join anew.
    Lost(u16, Generation),
}

struct Ears {
    functions: Arc<Functions>,
    link: Arc<Link>,
    comparisons: Comparisons,
    /// Whether the connection must be made anew.
    resets: bool,
    ears: Vec<Ear>,
    /// Those of what comes by Kafka, once it does.
    relayed: Option<Vec<RelayedEar>>,
    /// Buckets of which something is missing that may still come by Kafka.
    gapped: BTreeSet<u16>,
    /// Buckets whose generation is being ended, and the calls that end them.
    ending: BTreeSet<u16>,
    endings: JoinSet<u16>,
    /// Buckets of which it was told that they are heard.
    heard: Vec<bool>,
    /// Buckets that owe a hole, since there was no room for their events.
    owing: Vec<bool>,
    events: mpsc::Sender<Event>,
    prefix: String,
}

/// Listens to all buckets until nobody takes its events. `link` is a way of its own, and `pushes`
/// are its pushes; `by_kafka` is what comes there, if there is one.
pub async fn listen(
    functions: Arc<Functions>,
    link: Arc<Link>,
    mut pushes: mpsc::UnboundedReceiver<PushInfo>,
    mut by_kafka: Option<mpsc::Receiver<Relayed>>,
    events: mpsc::Sender<Event>,
) {
    let buckets = usize::from(functions.keys().buckets());
    let prefix = functions.keys().head(0).replace("0}", "");
    let (ears, heard, owing) = (vec![Ear::default(); buckets], vec![false; buckets], vec![false; buckets]);
    let (comparisons, mut progress) = Comparisons::new(Arc::clone(&functions), Arc::clone(&link));
    let mut state = Ears {
        functions,
        link,
        comparisons,
        resets: false,
        ears,
        relayed: None,
        gapped: BTreeSet::new(),
        ending: BTreeSet::new(),
        endings: JoinSet::new(),
        heard,
        owing,
        events,
        prefix,
    };
    let [mut timer, mut again] = [Duration::from_millis(REDIS_COMPARE_MS), PAUSE].map(interval);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer.reset();
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_subscribed = true;
    // Nothing is asked of a bucket before it is heard: where Kafka is well nobody joins before both ways are there.
    let patience = Duration::from_millis(DELIVER_BEGINS_MS);
    if by_kafka.is_some() {
        // Where it is not heard in time, the comparisons show what does not come, and it begins once more when it is.
        let _ = timeout(patience, next(&mut by_kafka)).await;
        state.begin_relayed();
    }
    state.comparisons.want_all(true);
    loop {
        tokio::select! {
            push = pushes.recv() => match push {
                Some(push) => {
                    is_subscribed &= state.take(push);
                    let ready = iter::from_fn(|| pushes.try_recv().ok());
                    ready.take(HEARD_AT_ONCE).for_each(|push| is_subscribed &= state.take(push));
                }
                None => return,
            },
            Some(progress) = progress.recv() => {
                let answers = state.comparisons.take(progress);
                // What had come before the answers lies in the channel: it is heard first.
                while !answers.is_empty() && let Ok(push) = pushes.try_recv() {
                    is_subscribed &= state.take(push);
                }
                for (bucket, compared) in answers {
                    is_subscribed &= state.compare(bucket, compared);
                }
            },
            Some(ended) = state.endings.join_next() => match ended {
                Ok(bucket) => _ = state.ending.remove(&bucket),
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            },
            Some(relayed) = next(&mut by_kafka) => {
                state.take_relayed(relayed);
                let ready = iter::from_fn(|| by_kafka.as_mut()?.try_recv().ok());
                ready.take(HEARD_AT_ONCE).for_each(|relayed| state.take_relayed(relayed));
            }
            _ = timer.tick() => state.comparisons.want_all(false),
            _ = again.tick(), if state.has_something_late() => {
                state.comparisons.again();
                state.give_up_gaps();
            }
            () = state.events.closed() => return,
        }
        if !is_subscribed {
            is_subscribed = true;
            if state.resets {
                state.link.reset().await;
                // What the old connection has said is heard; that it is gone is known.
                while let Ok(push) = pushes.try_recv() {
                    state.take(push);
                }
                state.resets = false;
            }
            state.comparisons.want_all(true);
        }
    }
}

/// The next that comes by Kafka; never where nothing does.
async fn next(by_kafka: &mut Option<mpsc::Receiver<Relayed>>) -> Option<Relayed> {
    match by_kafka {
        Some(by_kafka) => by_kafka.recv().await,
        None => std::future::pending().await,
    }
}

impl Ears {
    /// Takes a push. False where subscriptions are gone and must be made anew.
    fn take(&mut self, push: PushInfo) -> bool {
        match (push.kind, <[Value; 2]>::try_from(push.data)) {
            (PushKind::Disconnection, _) => return false,
            // Its slot has moved: nobody here has asked for it.
            (PushKind::SUnsubscribe, _) => {
                self.resets = true;
                return false;
            }
            (PushKind::SMessage, Ok([channel, message])) => {
                if let (Ok(channel), Ok(message)) = (string(channel), string(message)) {
                    self.hear(&channel, message);
                }
            }
            _ => {}
        }
        true
    }

    fn hear(&mut self, channel: &[u8], message: Bytes) {
        let Some((bucket, channel)) = self.place_of(channel) else { return };
        let Ok((continuity, items)) = self.ears[usize::from(bucket)].hear(channel, message) else {
            // It cannot be told what was missed.
            return self.tell(bucket, Event::Hole(bucket));
        };
        if self.follow(bucket, continuity) {
            let generation = self.ears[usize::from(bucket)].generation();
            items.into_iter().for_each(|item| self.tell(bucket, Event::Said(bucket, generation, item)));
        }
    }

    /// Whether something has failed or is missing that is to be looked at again soon.
    fn has_something_late(&self) -> bool {
        self.comparisons.has_failed() || !self.gapped.is_empty()
    }

    /// What comes by Kafka is read from now on. What was heard before counts for nothing: it was read from another place.
    fn begin_relayed(&mut self) {
        self.relayed = Some(vec![RelayedEar::default(); self.ears.len()]);
        self.gapped.clear();
    }

    /// Takes what has come by Kafka.
    fn take_relayed(&mut self, relayed: Relayed) {
        let (bucket, message) = match relayed {
            Relayed::Begins => {
                self.begin_relayed();
                return self.comparisons.want_all(false);
            }
            Relayed::Said(bucket, message) => (bucket, message),
        };
        let ear = self.relayed.as_mut().and_then(|ears| ears.get_mut(usize::from(bucket)));
        let Some(ear) = ear else { return };
        match ear.hear(message, Instant::now()) {
            Ok((Heard::Elsewhere { is_first: true }, _)) => self.comparisons.want(bucket),
            Ok((Heard::Elsewhere { is_first: false }, _)) => {}
            Ok((heard, items)) => {
                let generation = ear.generation();
                self.follow_relayed(bucket, heard);
                items.into_iter().for_each(|item| self.tell(bucket, Event::Said(bucket, generation, item)));
            }
            // Of a later version, or a stranger's: what it was is seen to be missing.
            Err(_) => {}
        }
    }

    fn follow_relayed(&mut self, bucket: u16, heard: Heard) {
        let has_gaps = self.relayed.as_ref().is_some_and(|ears| ears[usize::from(bucket)].has_gaps());
        match has_gaps {
            true => self.gapped.insert(bucket),
            false => self.gapped.remove(&bucket),
        };
        if heard == Heard::Hole {
            self.tell(bucket, Event::HoleByKafka(bucket));
        }
    }

    /// What has been missing by Kafka for too long is told.
    fn give_up_gaps(&mut self) {
        let Some(ears) = &mut self.relayed else { return };
        let now = Instant::now();
        let given_up: Vec<_> = self.gapped.extract_if(.., |bucket| ears[usize::from(*bucket)].gives_up(now)).collect();
        given_up.into_iter().for_each(|bucket| self.tell(bucket, Event::HoleByKafka(bucket)));
    }

    /// Takes what an answer says of what was sent by Kafka.
    fn compare_relayed(&mut self, bucket: u16, compared: Compared) {
        let Some(ears) = &mut self.relayed else { return };
        let ear = &mut ears[usize::from(bucket)];
        // Who was told something before Kafka was heard may have missed what came there meanwhile.
        let is_late = ear.is_new() && self.heard[usize::from(bucket)];
        let heard = ear.compare(compared.stand.generation, compared.relayed, Instant::now());
        self.follow_relayed(bucket, if is_late { Heard::Hole } else { heard });
    }

    /// Tells of a break. Whether what came with it may be delivered.
    fn follow(&mut self, bucket: u16, continuity: Continuity) -> bool {
        let generation = self.ears[usize::from(bucket)].generation();
        match continuity {
            Continuity::Whole => {}
            Continuity::Hole => self.tell(bucket, Event::Hole(bucket)),
            Continuity::Another => self.tell(bucket, Event::Lost(bucket, generation)),
            Continuity::Behind => {
                self.end(bucket, generation);
                return false;
            }
        }
        true
    }

    /// Has a generation end that has lost writes, by one call at a time. The next comparison tells of the generation that follows, or
    /// that the call has failed.
    fn end(&mut self, bucket: u16, generation: Generation) {
        if self.ending.insert(bucket) {
            let functions = Arc::clone(&self.functions);
            self.endings.spawn(async move {
                let _ = functions.compare(bucket, Some(generation)).await;
                bucket
            });
        }
    }

    /// Which bucket and which of its channels a name says.
    fn place_of(&self, name: &[u8]) -> Option<(u16, Channel)> {
        let rest = std::str::from_utf8(name).ok()?.strip_prefix(&self.prefix)?;
        let (bucket, channel) = rest.split_once("}:")?;
        let bucket = bucket.parse().ok().filter(|bucket| usize::from(*bucket) < self.ears.len())?;
        Some((bucket, if channel == "all" { Channel::All } else { Channel::Own }))
    }

    fn tell(&mut self, bucket: u16, event: Event) {
        let owes = &mut self.owing[usize::from(bucket)];
        if *owes && self.events.try_send(Event::Hole(bucket)).is_ok() {
            *owes = false;
        }
        if let Err(TrySendError::Full(_)) = self.events.try_send(event) {
            *owes = true;
        }
    }

    /// Takes an answer. False where answers have gone astray, and all must be made anew.
    fn compare(&mut self, bucket: u16, compared: Result<Compared, Fault>) -> bool {
        match compared {
            Ok(compared) => {
                let ear = &mut self.ears[usize::from(bucket)];
                let continuity = ear.compare(compared.stand.generation, compared.sent);
                if continuity == Continuity::Hole {
                    self.comparisons.doubt(bucket);
                }
                self.follow(bucket, continuity);
                self.compare_relayed(bucket, compared);
                let heard = &mut self.heard[usize::from(bucket)];
                // Where there is no room, the next comparison says it.
                *heard = *heard || self.events.try_send(Event::Hears(bucket)).is_ok();
                if self.owing[usize::from(bucket)] {
                    self.tell(bucket, Event::Hole(bucket));
                }
            }
            Err(Fault::Garbled) => {
                self.resets = true;
                return false;
            }
            // It is asked again.
            Err(_) => {}
        }
        true
    }
}

/// The queue that a listener fills.
pub fn events() -> (mpsc::Sender<Event>, mpsc::Receiver<Event>) {
    mpsc::channel(REDIS_EVENTS_MAX)
}
