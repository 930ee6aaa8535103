//! Who gives way to whom: places and memory that strangers hold go back when somebody needs them, oldest first.
//!
//! A client never gives way, and a stranger never to nobody: it is let go only where its place is another's at once, or
//! where all strangers together hold too much.

use super::Shard;
use super::admission::{NoPlace, Place};
use super::reactor::Reactor;
use crate::broker::ending::Ending;
use crate::config::Purpose;
use crate::limits::{PLACE_TURNS_MAX, STRANGER_BYTES_MAX};
use crate::time::Now;

impl<R: Reactor> Shard<R> {
    /// A place for a conn that comes through a listener of this purpose. Nothing where it has to be turned away.
    pub(super) fn place_for(&mut self, purpose: Purpose, now: Now) -> Option<Place> {
        let free = match purpose {
            Purpose::Internal => self.admission.caller(),
            Purpose::Http | Purpose::Tcp => self.admission.stranger(),
        };
        if free.is_some() || !self.admission.may_give() {
            return free;
        }
        let Self { strangers, callers, conns, .. } = self;
        let oldest = if purpose == Purpose::Internal { callers.oldest(conns) } else { strangers.oldest(conns) };
        Some(self.take_place_of(oldest?, now))
    }

    /// Lets a stranger begin a session: from now on it has a place that a client may keep. False when it has to wait for
    /// one that a stranger of another shard has; it is read again then.
    pub(super) fn admit(&mut self, conn: u32, now: Now) -> Result<bool, NoPlace> {
        self.admission.pace(now)?;
        let strangers = self.strangers.len();
        if !self.admission.promote(&mut self.conns[conn as usize].place, strangers) {
            let Some(oldest) = self.strangers.oldest_in_common(&self.conns) else {
                return self.wait_for_place(conn).map(|()| false);
            };
            let place = self.take_place_of(oldest, now);
            let own = std::mem::replace(&mut self.conns[conn as usize].place, place);
            self.admission.give_back(own);
        }
        self.admission.spend();
        Ok(true)
    }

    fn wait_for_place(&mut self, conn: u32) -> Result<(), NoPlace> {
        let entry = &mut self.conns[conn as usize];
        if self.admission.is_full() || entry.turns_waited > PLACE_TURNS_MAX {
            return Err(NoPlace::TooMany);
        }
        if entry.turns_waited == 0 {
            entry.turns_waited = 1;
            self.admission.want_common();
            self.waiting.push(conn);
        }
        Ok(())
    }

    /// Reads those again that wait for a place.
    pub(super) fn ask_again(&mut self, now: Now) {
        for conn in std::mem::take(&mut self.waiting) {
            let Some(entry) = self.conns.get_mut(conn as usize) else { continue };
            // Its number may be another's by now.
            if entry.turns_waited > 0 && entry.turn != 0 && entry.session().is_none() {
                entry.turns_waited += 1;
                self.waiting.push(conn);
                self.read_unread(conn, now);
            }
        }
    }

    /// The session of a conn is connected: it is a client, and gives way to nobody any more.
    pub(super) fn become_client(&mut self, conn: u32) {
        let entry = &mut self.conns[conn as usize];
        assert!(entry.place == Place::Common, "a session begins with a place that a client may keep");
        self.strangers.leave(entry);
        entry.is_client = true;
        self.admission.client_comes();
    }

    /// Counts what a stranger has in hand. Where all together have too much, who has had something for longest goes.
    pub(super) fn weigh(&mut self, conn: u32, now: Now) {
        let Some(entry) = self.conns.get(conn as usize) else { return };
        if entry.turn == 0 || entry.purpose == Purpose::Internal {
            return;
        }
        let fragments = entry.fragments.as_ref().map_or(0, |fragments| fragments.capacity());
        let held_back = entry.session().map_or(0, |session| self.broker.held_back(session));
        let bytes = entry.unread.capacity() + fragments + held_back;
        self.strangers.hold(&mut self.conns, conn, bytes);
        while self.strangers.bytes() > STRANGER_BYTES_MAX / usize::from(self.mailboxes.shards()) {
            let oldest = self.strangers.oldest_holding(&mut self.conns).expect("who has bytes is listed");
            self.give_way(oldest, now);
        }
    }

    /// Strangers with common places go, as many as other shards have asked for in vain.
    pub(super) fn grant_wanted(&mut self, now: Now) {
        let wanted = self.admission.wanted();
        let mut granted = 0;
        while granted < wanted
            && let Some(oldest) = self.strangers.oldest_in_common(&self.conns)
        {
            self.give_way(oldest, now);
            granted += 1;
        }
        if granted > 0 {
            self.admission.grant(granted);
        }
    }

    fn take_place_of(&mut self, conn: u32, now: Now) -> Place {
        let place = self.admission.give(&mut self.conns[conn as usize].place);
        self.give_way(conn, now);
        place
    }

    fn give_way(&mut self, conn: u32, now: Now) {
        let entry = &mut self.conns[conn as usize];
        match entry.purpose {
            Purpose::Internal => self.callers.leave(entry),
            Purpose::Http | Purpose::Tcp => self.strangers.leave(entry),
        }
        if let Some(session) = entry.session() {
            self.broker.end(session, Ending::GaveWay, now);
        }
        self.abandon(conn, Ending::GaveWay);
    }
}
