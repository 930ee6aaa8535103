//! Who gives way: the conns of a shard that are no clients, oldest first.
//!
//! Owns their order, not the conns: an entry means a conn only as long as that has the entry's turn. Entries of conns that
//! have become clients or have gone are skipped, and dropped where they are too many.

use std::collections::VecDeque;

use slab::Slab;

use super::admission::Place;
use super::conn::Conn;

#[derive(Clone, Copy, Debug)]
struct Entry {
    conn: u32,
    turn: u32,
}

impl Entry {
    fn of<S>(self, conns: &Slab<Conn<S>>) -> Option<&Conn<S>> {
        conns.get(self.conn as usize).filter(|conn| conn.turn == self.turn)
    }
}

/// The strangers of one shard, or its callers.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    all: VecDeque<Entry>,
    /// Those that had something in hand when they were last looked at.
    holding: VecDeque<Entry>,
    number: usize,
    /// Bytes that all of them have in hand.
    bytes: usize,
    last_turn: u32,
}

impl Strangers {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.number
    }

    /// Bytes that all of them have in hand.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// One comes; it is the youngest.
    pub(super) fn come<S>(&mut self, conns: &mut Slab<Conn<S>>, conn: u32) {
        // 0 is no turn.
        self.last_turn = self.last_turn.checked_add(1).unwrap_or(1);
        let turn = self.last_turn;
        conns[conn as usize].turn = turn;
        self.number += 1;
        self.all.push_back(Entry { conn, turn });
        let most = 2 * self.number + 64;
        if self.all.len() > most {
            self.all.retain(|entry| entry.of(conns).is_some());
        }
        if self.holding.len() > most {
            self.holding.retain(|entry| entry.of(conns).is_some());
        }
    }

    /// One is a stranger no more, or goes. Once is enough, more is no error.
    pub(super) fn leave<S>(&mut self, conn: &mut Conn<S>) {
        if std::mem::take(&mut conn.turn) != 0 {
            self.number -= 1;
            self.bytes -= std::mem::take(&mut conn.in_hand) as usize;
            conn.is_holding = false;
        }
    }

    /// One has nothing in hand any more; nothing happens where it is none of them.
    pub(super) fn drop_bytes<S>(&mut self, conn: &mut Conn<S>) {
        if conn.turn != 0 {
            self.bytes -= std::mem::take(&mut conn.in_hand) as usize;
        }
    }

    /// One has so many bytes in hand from now on.
    pub(super) fn hold<S>(&mut self, conns: &mut Slab<Conn<S>>, conn: u32, bytes: usize) {
        let entry = &mut conns[conn as usize];
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.bytes = self.bytes + bytes as usize - entry.in_hand as usize;
        entry.in_hand = bytes;
        if bytes > 0 && !std::mem::replace(&mut entry.is_holding, true) {
            self.holding.push_back(Entry { conn, turn: entry.turn });
        }
    }

    /// The oldest.
    pub(super) fn oldest<S>(&mut self, conns: &Slab<Conn<S>>) -> Option<u32> {
        while let Some(entry) = self.all.front() {
            if entry.of(conns).is_some() {
                return Some(entry.conn);
            }
            self.all.pop_front();
        }
        None
    }

    /// The oldest that has a common place. Walks past those that have one of the shard's own, which are few.
    pub(super) fn oldest_in_common<S>(&mut self, conns: &Slab<Conn<S>>) -> Option<u32> {
        self.oldest(conns)?;
        let is_common = |entry: &&Entry| entry.of(conns).is_some_and(|conn| conn.place == Place::Common);
        self.all.iter().find(is_common).map(|entry| entry.conn)
    }

    /// The one that has had something in hand for longest.
    pub(super) fn oldest_holding<S>(&mut self, conns: &mut Slab<Conn<S>>) -> Option<u32> {
        while let Some(entry) = self.holding.front() {
            match conns.get_mut(entry.conn as usize).filter(|conn| conn.turn == entry.turn) {
                Some(conn) if conn.in_hand > 0 => return Some(entry.conn),
                Some(conn) => conn.is_holding = false,
                None => {}
            }
            self.holding.pop_front();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Purpose;

    fn three() -> (Strangers, Slab<Conn<()>>) {
        let (mut strangers, mut conns) = (Strangers::default(), Slab::new());
        for place in [Place::Stranger, Place::Common, Place::Common] {
            let conn = conns.insert(Conn::new((), Purpose::Http, place)) as u32;
            strangers.come(&mut conns, conn);
        }
        (strangers, conns)
    }

    #[test]
    fn the_oldest_comes_first_and_who_has_left_is_passed_over() {
        let (mut strangers, mut conns) = three();
        assert_eq!((strangers.oldest(&conns), strangers.oldest_in_common(&conns)), (Some(0), Some(1)));
        strangers.leave(&mut conns[1]);
        assert_eq!((strangers.oldest(&conns), strangers.oldest_in_common(&conns)), (Some(0), Some(2)));
        strangers.leave(&mut conns[0]);
        conns.remove(0);
        let successor = conns.insert(Conn::new((), Purpose::Http, Place::Common)) as u32;
        strangers.come(&mut conns, successor);
        assert_eq!((successor, strangers.oldest(&conns), strangers.len()), (0, Some(2), 2));
    }

    #[test]
    fn bytes_in_hand_are_counted_and_the_longest_holder_is_found() {
        let (mut strangers, mut conns) = three();
        assert_eq!(strangers.oldest_holding(&mut conns), None);
        strangers.hold(&mut conns, 2, 100);
        strangers.hold(&mut conns, 0, 50);
        assert_eq!((strangers.bytes(), strangers.oldest_holding(&mut conns)), (150, Some(2)));
        strangers.hold(&mut conns, 2, 0);
        assert_eq!((strangers.bytes(), strangers.oldest_holding(&mut conns)), (50, Some(0)));
        strangers.hold(&mut conns, 2, 7);
        strangers.leave(&mut conns[0]);
        assert_eq!((strangers.bytes(), strangers.oldest_holding(&mut conns)), (7, Some(2)));
    }

    #[test]
    fn entries_of_those_who_have_gone_do_not_gather() {
        let (mut strangers, mut conns) = three();
        for _ in 0..10_000 {
            let conn = conns.insert(Conn::new((), Purpose::Http, Place::Common)) as u32;
            strangers.come(&mut conns, conn);
            strangers.hold(&mut conns, conn, 1);
            strangers.leave(&mut conns[conn as usize]);
            conns.remove(conn as usize);
        }
        assert!(strangers.all.len() < 100 && strangers.holding.len() < 100);
        assert_eq!((strangers.oldest(&conns), strangers.len(), strangers.bytes()), (Some(0), 3, 0));
    }
}
