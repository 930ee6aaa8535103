//! One incarnation of the node: its lease, its calls, and what it hears, until the lease is lost or nobody asks any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::calls::kept_of;
use super::lines::Lines;
use super::outlets::{Break, Outlets};
use super::seat::{Seat, Taken};
use super::timetable::Timetable;
use crate::broker::bridge::Delivery;
use crate::cluster::redis::bucket::{Generation, Item, Kind};
use crate::cluster::redis::listener::{self, Event};
use crate::cluster::redis::news;
use crate::cluster::redis::schedules::Next;
use crate::shard::asked::Asks;

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
    timetable: Timetable,
    outlets: &'a mut Outlets,
}

impl<'a> Term<'a> {
    /// Serves the shards as the incarnation that was taken. Every bucket is lost with it; what was asked is answered.
    pub(super) async fn serve(seat: &'a Seat, taken: Taken, asks: &mut Asks, outlets: &'a mut Outlets) -> Ended {
        let Taken { functions, lease, leases, ear, pushes, by_kafka } = taken;
        functions.set_nodes(leases.living().count().try_into().unwrap_or(u8::MAX));
        seat.metrics.nodes.set(leases.living().count() as u64);
        seat.seen.send_replace(Some(leases));
        let (events_in, mut events) = listener::events();
        tokio::spawn(listener::listen(functions.clone(), Arc::new(ear), pushes, by_kafka, events_in));
        let lease = Arc::new(lease);
        let mut keeper = tokio::spawn(seat.keeper(lease.clone(), functions.clone()).keep());
        let (metrics, complaints) = (seat.metrics.clone(), seat.complaints.clone());
        seat.go_on_with(Some(&functions)).await;
        let (leases, ends) = (seat.seen.subscribe(), seat.ends.clone());
        let timetable = Timetable::new(functions.clone(), leases.clone(), complaints.clone());
        let lines = Lines::new(functions, lease.clone(), leases, ends, metrics, complaints);
        let mut term = Self { seat, lines, timetable, outlets };
        let mut heard = Vec::with_capacity(EVENTS_AT_ONCE);
        let mut timer = interval(PAUSE);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = loop {
            tokio::select! {
                asked = asks.next() => match asked {
                    Some(asked) => term.lines.take(seat.sort_out(asked).await),
                    None => break Ended::NobodyAsks,
                },
                _ = events.recv_many(&mut heard, EVENTS_AT_ONCE) => {
                    heard.drain(..).for_each(|event| term.hear(event));
                    term.outlets.flush();
                }
                () = term.timetable.turn() => {}
                _ = timer.tick() => {
                    term.outlets.flush();
                    term.lines.refuse_unheard(Instant::now());
                }
                _ = &mut keeper => break Ended::Lost,
            }
        };
        if ended == Ended::NobodyAsks {
            term.lines.drain().await;
        }
        seat.go_on_with(None).await;
        lease.end();
        term.lines.give_up();
        seat.lose_all(term.outlets);
        ended
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Hears(bucket) => {
                self.lines.hears(bucket);
                self.timetable.look_at(bucket);
                self.seat.miss_users(bucket);
            }
            Event::Said(bucket, generation, item) => self.say(bucket, generation, item),
            Event::Hole(bucket) | Event::HoleByKafka(bucket) => {
                match event {
                    Event::HoleByKafka(_) => self.seat.metrics.relayed_holes.add(1),
                    _ => self.seat.metrics.holes.add(1),
                }
                self.outlets.tell(bucket, Break::Hole);
                self.timetable.look_at(bucket);
                self.seat.miss_users(bucket);
            }
            Event::Lost(bucket, _) => {
                self.seat.metrics.generations.add(1);
                self.outlets.tell(bucket, Break::Lost);
                self.timetable.look_at(bucket);
                self.seat.miss_users(bucket);
            }
        }
    }

    fn say(&mut self, bucket: u16, generation: Generation, item: Item) {
        if self.seat.hear_of_users(bucket, &item) {
            return;
        }
        if item.kind == Kind::Due {
            return self.timetable.told(bucket, Next::told(&item));
        }
        let Item { kind, channel, created, offset, time_ms, body } = item;
        let (life, bytes) = (generation.life(created), channel.len() + body.len());
        let channel = channel.into_boxed_str();
        let home = self.outlets.home_of(&channel);
        let delivery = match kind {
            Kind::Publication => Delivery::Said { channel, life, kept: kept_of(offset, time_ms, body) },
            Kind::Removed => Delivery::Removed { channel, life, up_to: offset },
            Kind::Ledger => match news::told(body) {
                Ok(news) => Delivery::Ledger { channel, life, news: Box::new(news) },
                // Of a later version.
                Err(_) => return,
            },
            Kind::Presence => Delivery::Announced { channel, body },
            // Not for those who listen to channels.
            _ => return,
        };
        self.seat.metrics.heard.add(1);
        if !self.outlets.say(home, bucket, bytes, delivery) {
            self.seat.metrics.dropped.add(1);
        }
    }
}
