//! One turn of a shard: the page on which everything meets.
//!
//! ```text
//! orders ─┐
//! letters ┼→ core (sessions, hub, audience) → outbox  → one send per conn
//! events ─┤                                 → letters → the other shards' mailboxes
//! timers ─┘                                 → errands → the control plane
//! ```
//!
//! Only here is a clock read. Everything that a tick produced leaves at its end (or when the outbox is full),
//! so that what belongs to one socket goes out in one call.

use std::io;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::Shard;
use crate::broker::order::Order;
use crate::limits::ORDERS_PER_TICK;
use crate::ring::Event;
use crate::time::Now;

/// Both clocks, read once per tick.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }

    /// What time it is. The monotonic clock begins at one second, so that 0 is always past.
    pub fn now(&self) -> Now {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono_ms: 1000 + self.started.elapsed().as_millis() as u64, unix_ms: since_epoch.as_millis() as i64 }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Shard {
    /// Hands the ring what was asked, and sleeps in it until there is something to do. One system call either way.
    ///
    /// # Errors
    /// The ring has failed: the shard cannot go on.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        if self.ring.is_ready() || self.waits_for_room() {
            return self.ring.enter();
        }
        self.waker.sleeps();
        // Who wrote before the line above did not wake us.
        let entered = match self.mailboxes.has_letters() || !self.orders.is_empty() {
            true => self.ring.enter(),
            false => self.ring.enter_and_wait(),
        };
        self.waker.awake();
        entered
    }

    /// Does everything that there is to do at once. False when there was nothing.
    pub(super) fn tick(&mut self) -> bool {
        let begun = Instant::now();
        let now = self.clock.now();
        let mut busy = self.take_orders(now);
        busy |= self.take_letters(now);
        busy |= self.take_events(now);
        self.release_held(now);
        // Last: reading can resume sessions, and a shard must not sleep over one.
        self.take_resumed(now);
        self.settle(now);
        if busy {
            self.metrics.ticks.record_ns(begun.elapsed().as_nanos() as u64);
        }
        busy
    }

    fn take_orders(&mut self, now: Now) -> bool {
        if self.mailboxes.is_congested() {
            // As clients do, backends wait: their queue is bounded, what waits for mailboxes is not.
            return false;
        }
        for taken in 0..ORDERS_PER_TICK {
            let Ok(order) = self.orders.try_recv() else { return taken > 0 };
            match order {
                Order::Drain(time) => self.begin_drain(time.as_millis() as u64),
                Order::Reload(config) => {
                    self.config = config.clone();
                    self.admission.configure(&config.client);
                    self.core.order(Order::Reload(config), now);
                }
                order => self.core.order(order, now),
            }
            self.say_goodbyes(now);
            self.relieve(now);
        }
        true
    }

    fn take_letters(&mut self, now: Now) -> bool {
        let mut busy = false;
        for from in 0..self.mailboxes.shards() {
            // No more than were there at the beginning: a peer that keeps writing must not keep the shard.
            for _ in 0..self.mailboxes.waiting(from) {
                let Some(letter) = self.mailboxes.receive(from) else { break };
                self.core.letter_arrived(from, letter, now);
                self.say_goodbyes(now);
                self.relieve(now);
                busy = true;
            }
        }
        busy
    }

    fn take_events(&mut self, now: Now) -> bool {
        let mut events = std::mem::take(&mut self.events);
        self.ring.events(&mut events);
        let busy = !events.is_empty();
        for event in events.drain(..) {
            match event {
                Event::Received { conn, received, more } => self.received(conn, received, more, now),
                Event::Writable { conn } => self.writable(conn, now),
                Event::Accepted { door, socket, more } => self.accepted(door, socket, more, now),
                Event::Elapsed => {
                    self.turn(now);
                    self.wind();
                    self.has_turned = true;
                }
                Event::Woken { more: true } => {}
                Event::Woken { more: false } => self.ring.watch(self.waker.as_fd()),
            }
            self.relieve(now);
        }
        self.events = events;
        busy
    }

    /// Sessions that waited for an answer and can go on, or whose next deadline has changed.
    fn take_resumed(&mut self, now: Now) {
        while let Some(session) = self.core.resumed.pop() {
            let Some(conn) = self.core.conn_of(session) else { continue };
            let due_ms = self.core.next_due_ms(session, now);
            self.look_at(conn, due_ms);
            let input = self.core.resume(session, now);
            self.say_goodbyes(now);
            if input == crate::broker::Input::Ready {
                self.conns[conn as usize].paused = false;
                self.read_on(conn, now);
            }
            self.relieve(now);
        }
    }

    /// Sends early when much has gathered, while it is still in the cache.
    pub(super) fn relieve(&mut self, now: Now) {
        if self.core.outbox.is_full() {
            self.flush(now);
        }
    }
}
