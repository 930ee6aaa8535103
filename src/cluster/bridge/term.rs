//! One incarnation of the node: its lease, its calls, and what it hears, until the lease is lost or nobody asks any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::calls::{kept_of, life_of};
use super::lines::Lines;
use super::outlets::{Break, Outlets};
use super::seat::{Seat, Taken};
use crate::broker::bridge::Delivery;
use crate::cluster::redis::bucket::{Generation, Item, Kind};
use crate::cluster::redis::listener::{self, Event};
use crate::shard::bridge::Asked;

/// Events that are taken before the shards are told of them.
const EVENTS_AT_ONCE: usize = 256;

/// How often shards that had no room are looked at again.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a term ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The lease is lost.
    Lost,
    /// All shards have ended.
    NobodyAsks,
}

/// See the module.
pub(super) struct Term<'a> {
    seat: &'a Seat,
    lines: Arc<Lines>,
    outlets: &'a mut Outlets,
}

impl<'a> Term<'a> {
    /// Serves the shards as the incarnation that was taken. Every bucket is lost with it; what was asked is answered.
    pub(super) async fn serve(
        seat: &'a Seat,
        taken: Taken,
        asked: &flume::Receiver<Asked>,
        outlets: &'a mut Outlets,
    ) -> Ended {
        let Taken { functions, lease, leases, ear, pushes } = taken;
        functions.set_nodes(leases.living().count().try_into().unwrap_or(u8::MAX));
        seat.metrics.nodes.set(leases.living().count() as u64);
        seat.seen.send_replace(Some(leases));
        let (events_in, mut events) = listener::events();
        tokio::spawn(listener::listen(functions.clone(), Arc::new(ear), pushes, events_in));
        let lease = Arc::new(lease);
        let mut keeper = tokio::spawn(seat.keeper(lease.clone(), functions.clone()).keep());
        let (metrics, complaints) = (seat.metrics.clone(), seat.complaints.clone());
        seat.go_on_with(Some(&functions));
        let lines = Lines::new(functions, lease.clone(), seat.ends.clone(), metrics, complaints);
        let mut term = Self { seat, lines, outlets };
        let mut timer = interval(PAUSE);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = loop {
            tokio::select! {
                asked = asked.recv_async() => match asked {
                    Ok(asked) => term.lines.take(seat.register_all(asked)),
                    Err(flume::RecvError::Disconnected) => break Ended::NobodyAsks,
                },
                event = events.recv() => if let Some(event) = event {
                    term.hear(event);
                    for _ in 1..EVENTS_AT_ONCE {
                        let Ok(event) = events.try_recv() else { break };
                        term.hear(event);
                    }
                    term.outlets.flush();
                },
                _ = timer.tick() => term.outlets.flush(),
                _ = &mut keeper => break Ended::Lost,
            }
        };
        if ended == Ended::NobodyAsks {
            term.lines.drain().await;
        }
        seat.go_on_with(None);
        lease.end();
        term.lines.give_up();
        seat.lose_all(term.outlets);
        ended
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Hears(bucket) => {
                self.lines.hears(bucket);
                self.seat.miss_users(bucket);
            }
            Event::Said(bucket, generation, item) => self.say(bucket, generation, item),
            Event::Hole(bucket) => {
                self.seat.metrics.holes.add(1);
                self.outlets.tell(bucket, Break::Hole);
                self.seat.miss_users(bucket);
            }
            Event::Lost(bucket, _) => {
                self.seat.metrics.generations.add(1);
                self.outlets.tell(bucket, Break::Lost);
                self.seat.miss_users(bucket);
            }
        }
    }

    fn say(&mut self, bucket: u16, generation: Generation, item: Item) {
        if self.seat.hear_of_users(bucket, &item) {
            return;
        }
        let Item { kind, channel, created, offset, time_ms, body } = item;
        let (life, bytes) = (life_of(generation, created), channel.len() + body.len());
        let channel = channel.into_boxed_str();
        let home = self.outlets.home_of(&channel);
        let delivery = match kind {
            Kind::Publication => Delivery::Said { channel, life, kept: kept_of(offset, time_ms, body) },
            Kind::Removed => Delivery::Removed { channel, life, up_to: offset },
            // Not for those who listen to channels.
            _ => return,
        };
        self.seat.metrics.heard.add(1);
        if !self.outlets.say(home, bucket, bytes, delivery) {
            self.seat.metrics.dropped.add(1);
        }
    }
}
