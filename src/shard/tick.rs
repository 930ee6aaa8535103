//! One turn of a shard: the page on which everything meets.
//!
//! ```text
//! orders ─┐
//! letters ┤
//! bridge ─┼→ broker (sessions, hub, audience) → outbox  → one send per conn
//! events ─┤                                 → letters → the other shards' mailboxes
//! timers ─┘                                 → errands → the control plane
//!                                           → journal → one write of the store
//!                                           → bridge  → the buckets that nodes share
//! ```
//!
//! Only here is the clock looked at. What a tick produced leaves at its end, so that what belongs to one socket goes out
//! in one call: small things at once, a large room in slices, of which a tick sends some (more while nothing else is to be
//! done, or when the outbox is full). Between slices, and between the turns of those who have given way, the shard glances
//! at its ring ([`glance`](super::glance)).

use std::io;

use super::Shard;
use super::reactor::Reactor;
use crate::broker::lane::Lane;
use crate::broker::order::Order;
use crate::limits::ORDERS_PER_TICK;
use crate::ring::Event;
use crate::time::Now;

impl<R: Reactor> Shard<R> {
    /// Hands the reactor what was asked, and sleeps in it until there is something to do. One system call either way.
    ///
    /// # Errors
    /// The reactor has failed: the shard cannot go on.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        if !self.falls_asleep() {
            return self.reactor.enter();
        }
        let entered = self.reactor.enter_and_wait(self.write_is_due_in());
        self.waker.awake();
        entered
    }

    /// Says that the shard sleeps, unless there is something to do.
    pub(super) fn falls_asleep(&mut self) -> bool {
        if self.has_more_to_do() || self.broker.edge.outbox.is_dirty() {
            return false;
        }
        self.waker.sleeps();
        // Who wrote before the line above did not wake us.
        let sleeps = !self.has_been_written_to();
        if !sleeps {
            self.waker.awake();
        }
        sleeps
    }

    /// Whether there is something to do but to send, as far as the shard knows without asking other threads.
    pub(super) fn has_more_to_do(&mut self) -> bool {
        self.has_glanced()
            || self.reactor.is_ready()
            || self.waits_for_room()
            || self.broker.waits_for_tick()
            || self.broker.has_outgoing()
            || self.has_farewells()
    }

    /// Whether other threads have left something.
    pub(super) fn has_been_written_to(&self) -> bool {
        self.mailboxes.has_letters() || !self.orders.is_empty() || self.has_come_over_bridge()
    }

    /// Does everything that there is to do at once. False when there was nothing.
    pub(super) fn tick(&mut self) -> bool {
        self.looked_ns = self.reactor.mono_ns();
        let now = self.reactor.now();
        self.make_up_for_pause(now);
        let mut busy = self.has_glanced() || self.broker.edge.outbox.is_dirty() || self.broker.waits_for_tick();
        self.glances.begin();
        self.broker.begin_tick(now);
        self.say_goodbyes(now);
        busy |= self.take_orders(now);
        busy |= self.take_letters(now);
        busy |= self.take_from_bridge(now);
        busy |= self.take_events(now);
        self.glances.are_open = true;
        self.release_held(now);
        // Last: reading can resume sessions, and a shard must not sleep over one.
        self.take_resumed(now);
        // After what has come in time was read: a deadline is for who has said nothing.
        if std::mem::take(&mut self.is_turn_due) {
            self.turn(now);
        }
        self.say_farewells(now);
        self.settle(now);
        self.glances.are_open = false;
        self.keep();
        self.ask_over_bridge();
        self.tell_visits();
        if busy {
            self.looked();
        }
        busy
    }

    /// The shard has looked whether somebody has come: what it did until then is a tick of the metrics.
    pub(super) fn looked(&mut self) {
        let now_ns = self.reactor.mono_ns();
        self.metrics.ticks.record(now_ns - self.looked_ns);
        self.looked_ns = now_ns;
    }

    fn take_orders(&mut self, now: Now) -> bool {
        for taken in 0..ORDERS_PER_TICK {
            if self.broker.is_congested() || self.broker.is_crowded() || self.broker.has_looked_enough() {
                // As clients do, backends wait.
                return taken > 0;
            }
            let order = match self.orders.try_recv() {
                Ok(order) => order,
                Err(flume::TryRecvError::Empty) => return taken > 0,
                // The control plane has failed: nobody else would end the shard in order.
                Err(flume::TryRecvError::Disconnected) => {
                    self.begin_drain(self.broker.config().shutdown.drain_time.as_millis());
                    return taken > 0;
                }
            };
            match order {
                Order::Drain(time) => self.begin_drain(time.as_millis() as u64),
                Order::Adopt { socket, read, arrival } => self.adopt(socket, read, arrival, now),
                Order::Reload(config) => {
                    self.broker.order(Order::Reload(config), now);
                    self.admission.configure(&self.broker.config().client);
                }
                order => self.broker.order(order, now),
            }
            self.say_goodbyes(now);
            self.relieve(now);
        }
        true
    }

    fn take_letters(&mut self, now: Now) -> bool {
        let mut busy = false;
        let shards = self.mailboxes.shards();
        for from in 0..shards {
            // Looked at first: what was told before an ask must be heard before it.
            self.asked[usize::from(from)] = self.mailboxes.waiting(from, Lane::Asks);
            busy |= self.take_lane(from, Lane::Answers, self.mailboxes.waiting(from, Lane::Answers), now);
        }
        for from in 0..shards {
            busy |= self.take_lane(from, Lane::Deliveries, self.mailboxes.waiting(from, Lane::Deliveries), now);
        }
        for from in 0..shards {
            busy |= self.take_lane(from, Lane::Asks, self.asked[usize::from(from)], now);
        }
        busy
    }

    /// Takes no more than were there at the beginning: a peer that keeps writing must not keep the shard.
    fn take_lane(&mut self, from: u16, lane: Lane, letters: usize, now: Now) -> bool {
        for taken in 0..letters {
            let is_shut = match lane {
                Lane::Answers => false,
                Lane::Deliveries => self.broker.is_crowded(),
                Lane::Asks => self.broker.is_crowded() || !self.may_take_ask(from, now),
            };
            if is_shut {
                return taken > 0;
            }
            let Some(letter) = self.mailboxes.receive(from, lane) else { break };
            self.broker.letter_arrived(from, letter, now);
            self.say_goodbyes(now);
            self.relieve(now);
        }
        letters > 0
    }

    /// Whether the window of a shard is open, or opens when letters leave now.
    fn may_take_ask(&mut self, from: u16, now: Now) -> bool {
        if self.broker.takes_asks(from) {
            return true;
        }
        self.post(now);
        let opens = self.broker.takes_asks(from);
        self.metrics.windows_shut.add(u64::from(!opens));
        opens
    }

    fn take_events(&mut self, now: Now) -> bool {
        let mut events = std::mem::take(&mut self.events);
        self.reactor.events(&mut events);
        let busy = !events.is_empty();
        for event in events.drain(..) {
            match event {
                Event::Received { conn, received, more } => self.received(conn, received, more, now),
                Event::Writable { conn } => self.writable(conn, now),
                Event::Accepted { door, socket, more } => self.accepted(door, socket, more, now),
                Event::Elapsed => {
                    self.is_turn_due = true;
                    self.wind();
                    self.has_turned = true;
                }
                Event::Written { result, bytes } => {
                    if let Err(error) = result {
                        tracing::error!(shard = self.me, %error, "a write to the store has failed: channels on disk take nothing more");
                    }
                    self.written(result.is_ok(), bytes, now);
                }
                Event::Prepared(prepared) => self.broker.prepared(prepared),
                Event::Woken { more: true } => {}
                Event::Woken { more: false } => self.reactor.watch(&self.waker),
            }
            self.relieve(now);
        }
        self.events = events;
        busy
    }

    /// Sessions that waited for an answer and can go on, or whose next deadline has changed.
    fn take_resumed(&mut self, now: Now) {
        while !self.broker.is_congested()
            && let Some(session) = self.broker.next_resumed()
        {
            let Some(conn) = self.broker.conn_of(session) else { continue };
            if self.conns[conn as usize].turn != 0 && self.broker.is_connected(session) {
                self.become_client(conn);
            }
            if !self.conns[conn as usize].half_closed {
                let due_ms = self.broker.next_due_ms(session, now);
                self.look_at(conn, due_ms);
            }
            let input = self.broker.resume(session, now);
            self.say_goodbyes(now);
            if input == crate::broker::Input::Ready {
                self.conns[conn as usize].paused = false;
                self.read_on(conn, now);
            }
            self.relieve(now);
            self.glance(now);
        }
    }

    /// Sends early when much has gathered, while it is still in the cache, and where others wait for it.
    pub(super) fn relieve(&mut self, now: Now) {
        if self.broker.is_congested() {
            self.post(now);
        }
        while self.broker.edge.outbox.is_full() {
            self.flush(now);
        }
    }
}
