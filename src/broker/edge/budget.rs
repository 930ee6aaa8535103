//! What clients may cause: each command is charged to its session and its user, and a session gives way to the others
//! when it has used its share of a tick.
//!
//! Prices are estimates by what this shard sees: the subscribers of a room here times the shards, since connections
//! spread evenly over them. A user's sessions on other shards have allowances of their own there.

use std::collections::VecDeque;
use std::mem::take;

use slab::Slab;

use super::Edge;
use super::turn::{Excess, Limits, Turn};
use crate::limits::{
    BILL_NS, EXCESSES_MAX, HISTORY_FILTER_NODES_MAX, LARGE_ROOM, ROOM_TURN_NS, SHORT_TURN_NS, STRANGERS_TURN_NS,
    TICK_NS, TURN_NS,
};
use crate::model::refusal::{DisconnectKind, ErrorKind};
use crate::protocol::word::Verb;
use crate::session::Session;
use crate::time::Now;
use crate::work::{Limit, price};

impl Edge {
    /// A session's input is read: it has its turn, unless it has it already.
    pub(in crate::broker) fn take_turn(&mut self, session: u32) {
        if self.turn.session != session {
            self.turn = Turn { session, work_ns: 0, is_for_many: false, is_due: false, ..self.turn };
        }
    }

    /// A tick begins: every session may have its turn anew. Those that have given way have one turn together, in which
    /// there is time for one of them, or for several that want little. None while so much waits for large rooms that more
    /// would only wait, too.
    pub(in crate::broker) fn begin_turns(&mut self) {
        let due = if self.outbox.is_crowded() { 0 } else { self.giving_way.len() };
        self.turn = Turn {
            session: self.turn.session,
            due,
            attached_before: self.attached,
            asked_before: self.asked,
            ..Turn::default()
        };
    }

    /// Rooms have yet to hear of what was done in ticks before: nothing more is done in this one that they must hear, and
    /// none has its turn that has given way.
    pub(in crate::broker) fn tell_nothing_more(&mut self) {
        (self.turn.due, self.turn.is_behind) = (0, true);
    }

    /// Turns are short from now on, or as long as ever: at a glance everybody may say a word, and no more.
    pub fn set_glance(&mut self, is_glance: bool) {
        self.turn.is_glance = is_glance;
    }

    /// Whether the session whose turn it is has to give way to the others. Turns are short once those of the tick have
    /// taken long: everybody can still say a word in it.
    pub(in crate::broker) fn is_turn_over(&self) -> bool {
        let turn_ns = match self.turn.is_for_many {
            _ if self.turn.is_glance || self.turn.tick_ns >= TICK_NS => SHORT_TURN_NS,
            true => ROOM_TURN_NS,
            false => TURN_NS,
        };
        self.turn.work_ns >= turn_ns || self.turn.is_for_many && self.outbox.is_crowded()
    }

    /// Whether so much was attached for rooms in this tick, whoever caused it, that the rest waits for the next.
    pub(in crate::broker) fn has_attached_enough(&self) -> bool {
        let attaching_ns = (self.attached - self.turn.attached_before) * price::ATTACHING_NS;
        attaching_ns + (self.asked - self.turn.asked_before) * price::FILTER_NODE_NS >= ROOM_TURN_NS
    }

    /// A session waits for its next turn.
    pub(in crate::broker) fn give_way(&mut self, session: u32) {
        self.sessions[session as usize].gives_way = true;
        self.giving_way.push_back(session);
    }

    /// A session asks for something that can cost much at once: a list, or what a whole room hears. Whether it has to give
    /// way first: what is done of each for all sessions in a tick is bounded, however many they are.
    pub(in crate::broker) fn has_to_wait(&mut self, session: u32, verb: &Verb<'_>) -> bool {
        let is_list = match verb {
            Verb::History(_) | Verb::Presence { .. } => true,
            Verb::Subscribe(subscribe) => subscribe.recover.recover,
            _ => false,
        };
        let is_heard = matches!(verb, Verb::Publish { .. } | Verb::Subscribe(_) | Verb::Unsubscribe { .. });
        let has_to_wait = !self.turn.is_due
            && (is_list && (self.turn.lists_ns >= TURN_NS || !self.giving_way.is_empty())
                || is_heard && (self.turn.is_behind || self.has_attached_enough()));
        if has_to_wait {
            self.give_way(session);
        }
        has_to_wait
    }

    /// A list was given to a session.
    pub(in crate::broker) fn charge_list(&mut self, session: u32, work_ns: u64, now: Now) {
        self.turn.lists_ns += work_ns;
        self.charge(session, work_ns, now);
    }

    /// The next session to look at again: those that were woken, then those whose turn it is in this tick.
    pub(in crate::broker) fn next_resumed(&mut self) -> Option<u32> {
        if let Some(session) = self.resumed.pop() {
            return Some(session);
        }
        if self.turn.due > 0 && self.turn.due_ns < TURN_NS {
            let waiting = self.giving_way.len();
            let next = first_of(&mut self.giving_way, &mut self.sessions);
            self.turn.due = self.turn.due.saturating_sub(waiting - self.giving_way.len());
            if let Some(session) = next {
                self.turn = Turn { session, work_ns: 0, is_for_many: false, is_due: true, ..self.turn };
                return next;
            }
        }
        if self.turn.strangers_ns >= STRANGERS_TURN_NS {
            return None;
        }
        first_of(&mut self.knocking, &mut self.sessions)
    }

    /// A stranger says something. Whether it has to wait for the tokens of other strangers: together they have a part of
    /// each tick, whoever comes first, so that a flood of them takes no more of the shard than that.
    pub(in crate::broker) fn knocks(&mut self, session: u32) -> bool {
        let has_to_wait = self.turn.strangers_ns >= STRANGERS_TURN_NS || !self.knocking.is_empty();
        if has_to_wait {
            self.sessions[session as usize].gives_way = true;
            self.knocking.push_back(session);
        }
        has_to_wait
    }

    /// A command of a session was looked at: the signatures that this took are charged to it, and of a stranger's to all
    /// strangers.
    pub(in crate::broker) fn charge_signatures(&mut self, session: u32, is_stranger: bool, now: Now) {
        let work_ns = self.policy.signatures_ns.take();
        if work_ns > 0 {
            self.charge(session, work_ns, now);
            self.turn.strangers_ns += if is_stranger { work_ns } else { 0 };
        }
    }

    /// A session has caused work, which was done in its turn.
    pub(in crate::broker) fn charge(&mut self, session: u32, work_ns: u64, now: Now) {
        self.charge_turn(session, work_ns);
        self.charge_allowance(session, work_ns, now);
    }

    /// So much that a session has asked for has been attached to conns here, and as much on each other shard, about, at
    /// `each_ns`. It is charged for all of it; its turn, only for what had to be done at once, since what is sent leaves in
    /// slices that others' work gets between.
    pub(in crate::broker) fn charge_deliveries(&mut self, session: u32, here: u64, each_ns: u64, now: Now) {
        if here > 0 {
            self.charge_attached(session, here);
            self.charge_allowance(session, here * u64::from(self.shards) * each_ns, now);
        }
    }

    /// So many nodes of filters here were asked about what a session has published, and about as many on each other shard.
    pub(in crate::broker) fn charge_filters(&mut self, session: u32, here: u64, now: Now) {
        if here > 0 {
            self.charge_turn(session, here * price::FILTER_NODE_NS);
            self.charge_allowance(session, here * u64::from(self.shards) * price::FILTER_NODE_NS, now);
        }
    }

    /// A session reads history by its filter: as if all were looked at that may be for a page.
    pub(in crate::broker) fn charge_history_filter(&mut self, session: u32, now: Now) {
        self.charge_allowance(session, u64::from(HISTORY_FILTER_NODES_MAX) * price::FILTER_NODE_NS, now);
    }

    /// So much has been attached to conns here that a session has caused and is not charged for any more: its leave of a
    /// channel is paid for when it comes.
    pub(in crate::broker) fn charge_attached(&mut self, session: u32, here: u64) {
        self.charge_turn(session, here * price::ATTACHING_NS);
        self.turn.is_for_many |= here > LARGE_ROOM as u64;
    }

    /// Subscribers of a channel here.
    pub(in crate::broker) fn heard_by(&self, channel: &str) -> u64 {
        self.audience.find(channel).map_or(0, |room| self.audience.room(room).subscribers.len() as u64)
    }

    /// What asking the filters of a channel's subscribers here once takes, in nodes.
    pub(in crate::broker) fn filters_of(&self, channel: &str) -> u64 {
        let room = self.audience.find(channel).map(|room| self.audience.room(room));
        room.and_then(|room| room.filters.as_ref()).map_or(0, |filters| filters.cost().into())
    }

    fn charge_turn(&mut self, session: u32, work_ns: u64) {
        self.turn.tick_ns += work_ns;
        if self.turn.session == session {
            self.turn.work_ns += work_ns;
            self.turn.due_ns += if self.turn.is_due { work_ns } else { 0 };
        }
    }

    pub(super) fn charge_allowance(&mut self, session: u32, work_ns: u64, now: Now) {
        let Limits { session: limit, user } = self.limits;
        let Some(entry) = self.sessions.get_mut(session as usize) else { return };
        if let Some(limit) = limit {
            entry.allowance.charge(work_ns, limit, now.mono_ms);
        }
        let Some(user) = user else { return };
        entry.unbilled_ns = entry.unbilled_ns.saturating_add(u32::try_from(work_ns).unwrap_or(u32::MAX));
        if entry.unbilled_ns >= BILL_NS {
            self.bill(session, user, now);
        }
    }

    /// Charges a session's user with what the session has caused. Not at every command: finding a user costs more than
    /// most commands do.
    #[cold]
    fn bill(&mut self, session: u32, limit: Limit, now: Now) {
        let entry = &mut self.sessions[session as usize];
        let work_ns = u64::from(take(&mut entry.unbilled_ns));
        let Some(user) = self.users.get_mut(entry.user()) else { return };
        user.allowance.charge(work_ns, limit, now.mono_ms);
        let excess_ns = user.allowance.excess_ns(limit, now.mono_ms);
        if excess_ns > 0
            && let Some(limit) = self.limits.session.or(self.limits.user)
        {
            entry.allowance.exceed(excess_ns, limit, now.mono_ms);
        }
    }

    /// By how much a session, or its user, has caused too much.
    pub(in crate::broker) fn excess(&self, session: u32, now: Now) -> Excess {
        let Some(limit) = self.limits.session.or(self.limits.user) else { return Excess::None };
        match self.sessions[session as usize].allowance.excess_ns(limit, now.mono_ms) {
            0 => Excess::None,
            excess_ns if limit.is_doubled(excess_ns) => Excess::Double,
            _ => Excess::Some,
        }
    }

    /// Refuses a command of a session that has caused too much. Who goes on regardless is closed.
    #[cold]
    pub(in crate::broker) fn refuse_exhausted(&mut self, session: u32, id: u32) {
        let entry = &mut self.sessions[session as usize];
        entry.excesses += 1;
        if entry.excesses >= EXCESSES_MAX {
            self.close(session, DisconnectKind::TooManyRequests);
        } else if id != 0 {
            // Without an id nobody waits for an answer.
            self.refuse(session, id, ErrorKind::TooManyRequests.into());
        }
    }
}

/// Takes the first that still waits: the others have ended since.
fn first_of(line: &mut VecDeque<u32>, sessions: &mut Slab<Session>) -> Option<u32> {
    let mut waits = |session: &u32| sessions.get_mut(*session as usize).is_some_and(|entry| take(&mut entry.gives_way));
    std::iter::from_fn(|| line.pop_front()).find(|session| waits(session))
}
