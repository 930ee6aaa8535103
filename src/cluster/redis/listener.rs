//! What buckets tell this node: subscriptions, made anew after every break, and comparisons that find silent losses.
//!
//! Every 5 s, and after every break, each bucket is asked what it has sent; what was sent and not heard is a hole, which is told.
//! The way is the listener's own: a server ends a subscription unasked when its slot moves, and the library takes what it says
//! then for the answer to a question. The way is made anew after it, and no call of others goes astray.
//!
//! Events wait in a bounded queue: past it they are dropped as a told hole, so that Redis is read whatever the shards do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::bucket::{Channel, Continuity, Ear, Generation, Item};
use super::fault::Fault;
use super::functions::{Compared, Functions};
use super::link::Link;
use super::pack::string;
use crate::limits::{REDIS_COMPARE_MS, REDIS_EVENTS_MAX};

/// How many buckets are asked at once.
const ASKERS: u16 = 8;
/// How long to wait before what failed is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// What a listener tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What a bucket says is heard from now on, and what it has sent before is known: told once.
    Hears(u16),
    /// Something was said in a bucket, in this generation.
    Said(u16, Generation, Item),
    /// Something that a bucket has said was not heard: who counts on all must read.
    Hole(u16),
    /// A bucket has begun another generation: what was promised before does not hold, and who listens must join anew.
    Lost(u16, Generation),
}

/// What a task has asked for a bucket.
struct Asked {
    bucket: u16,
    compared: Result<Compared, Fault>,
}

struct Ears {
    functions: Arc<Functions>,
    link: Arc<Link>,
    /// Whether the connection must be made anew.
    resets: bool,
    ears: Vec<Ear>,
    /// Buckets of which it was told that they are heard.
    heard: Vec<bool>,
    /// Buckets that owe a hole, since there was no room for their events.
    owing: Vec<bool>,
    events: mpsc::Sender<Event>,
    prefix: String,
}

/// Listens to all buckets until nobody takes its events. `link` is a way of its own, and `pushes`
/// are its pushes.
pub async fn listen(
    functions: Arc<Functions>,
    link: Arc<Link>,
    mut pushes: mpsc::UnboundedReceiver<PushInfo>,
    events: mpsc::Sender<Event>,
) {
    let buckets = usize::from(functions.keys().buckets());
    let prefix = functions.keys().head(0).replace("0}", "");
    let (ears, heard, owing) = (vec![Ear::default(); buckets], vec![false; buckets], vec![false; buckets]);
    let mut state = Ears { functions, link, resets: false, ears, heard, owing, events, prefix };
    let (asked, mut answers) = mpsc::channel(buckets);
    let mut timer = interval(Duration::from_millis(REDIS_COMPARE_MS));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_subscribed = false;
    loop {
        tokio::select! {
            push = pushes.recv() => match push {
                Some(push) => is_subscribed &= state.take(push),
                None => return,
            },
            answer = answers.recv() => if let Some(answer) = answer {
                // What had come before the answer lies in the channel: it is heard first.
                while let Ok(push) = pushes.try_recv() {
                    is_subscribed &= state.take(push);
                }
                is_subscribed &= state.compare(answer, &asked);
            },
            _ = timer.tick() => state.ask_all(&asked, false),
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
            state.ask_all(&asked, true);
        }
    }
}

/// The channels of a bucket that a node listens to.
fn channels(functions: &Functions, bucket: u16) -> [String; 2] {
    let head = functions.keys().head(bucket);
    [format!("{head}:{}", functions.incarnation().slot), format!("{head}:all")]
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

    /// Tells of a break. Whether what came with it may be delivered.
    fn follow(&mut self, bucket: u16, continuity: Continuity) -> bool {
        let generation = self.ears[usize::from(bucket)].generation();
        match continuity {
            Continuity::Whole => {}
            Continuity::Hole => self.tell(bucket, Event::Hole(bucket)),
            Continuity::Another => self.tell(bucket, Event::Lost(bucket, generation)),
            Continuity::Behind => {
                let functions = Arc::clone(&self.functions);
                // The next comparison tells of the generation that follows.
                tokio::spawn(async move { functions.compare(bucket, Some(generation)).await });
                return false;
            }
        }
        true
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
    fn compare(&mut self, asked: Asked, again: &mpsc::Sender<Asked>) -> bool {
        let Asked { bucket, compared } = asked;
        match compared {
            Ok(compared) => {
                let ear = &mut self.ears[usize::from(bucket)];
                let continuity = ear.compare(compared.stand.generation, compared.sent);
                self.follow(bucket, continuity);
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
            Err(_) => self.ask_later(bucket, again),
        }
        true
    }

    /// Subscribes to a bucket anew in a moment, and asks where it stands.
    fn ask_later(&self, bucket: u16, asked: &mpsc::Sender<Asked>) {
        let (functions, link, asked) = (Arc::clone(&self.functions), Arc::clone(&self.link), asked.clone());
        tokio::spawn(async move {
            sleep(PAUSE).await;
            ask(&functions, &link, bucket, true, &asked).await;
        });
    }

    /// Asks all buckets where they stand, some at a time; before that subscribes to them, if told to.
    fn ask_all(&self, asked: &mpsc::Sender<Asked>, subscribes: bool) {
        for first in 0..ASKERS {
            let (functions, link, asked) = (Arc::clone(&self.functions), Arc::clone(&self.link), asked.clone());
            tokio::spawn(async move {
                for bucket in (first..functions.keys().buckets()).step_by(ASKERS.into()) {
                    ask(&functions, &link, bucket, subscribes, &asked).await;
                }
            });
        }
    }
}

async fn ask(functions: &Functions, link: &Link, bucket: u16, subscribes: bool, asked: &mpsc::Sender<Asked>) {
    let compared = async {
        if subscribes {
            for channel in channels(functions, bucket) {
                link.subscribe(&channel).await?;
            }
        }
        functions.compare_by(link, bucket, None).await
    };
    let compared = compared.await;
    // Nobody is there once the listener has ended.
    let _ = asked.send(Asked { bucket, compared }).await;
}

/// The queue that a listener fills.
pub fn events() -> (mpsc::Sender<Event>, mpsc::Receiver<Event>) {
    mpsc::channel(REDIS_EVENTS_MAX)
}
