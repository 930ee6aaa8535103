//! A large room leaves in slices, and what is small goes first.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::limits::ARENA_FLUSH_BYTES;

/// Conns of a room that takes several slices.
const ROOM: u32 = 3 * SLICE_SENDS as u32;
/// One more, not in the room.
const OUTSIDER: u32 = ROOM;

/// An outbox with a room, whose sockets take everything.
struct Hall {
    outbox: Outbox,
    sent: Vec<(u32, String)>,
}

impl Hall {
    fn new() -> Self {
        let mut outbox = Outbox::new(1000);
        (0..=OUTSIDER).for_each(|conn| outbox.open(conn));
        Self { outbox, sent: Vec::new() }
    }

    fn publish(&mut self, bytes: &[u8]) {
        let frame = self.outbox.encode(ROOM as usize, |out| out.extend_from_slice(bytes));
        (0..ROOM).for_each(|conn| self.outbox.attach(conn, frame, Tag::KEEP));
    }

    fn reply(&mut self, conn: u32, bytes: &[u8]) {
        self.outbox.write(conn, Tag::KEEP, |out| out.extend_from_slice(bytes));
    }

    /// One slice: who got what.
    fn slice(&mut self) -> Vec<(u32, String)> {
        let mut sent = Vec::new();
        self.outbox.flush(
            |conn, bytes| {
                sent.push((conn, String::from_utf8(bytes.to_vec()).unwrap()));
                Ok(bytes.len())
            },
            |_, flushed| panic!("{flushed:?}"),
        );
        self.sent.extend(sent.iter().cloned());
        sent
    }

    /// All that is left, and all that one conn got.
    fn rest_of(&mut self, conn: u32) -> String {
        while self.outbox.is_dirty() {
            self.slice();
        }
        self.sent.iter().filter(|(to, _)| *to == conn).map(|(_, bytes)| bytes.as_str()).collect()
    }
}

#[test]
fn a_large_room_leaves_slice_by_slice() {
    let mut hall = Hall::new();
    hall.publish(b"pub ");
    for _ in 0..3 {
        assert_eq!(hall.slice().len(), SLICE_SENDS);
    }
    assert!(!hall.outbox.is_dirty());
}

#[test]
fn the_publisher_and_others_hear_their_replies_before_the_second_slice() {
    let mut hall = Hall::new();
    let publisher = ROOM - 1;
    hall.publish(b"pub ");
    hall.reply(publisher, b"reply");
    hall.reply(OUTSIDER, b"pong");
    let first = hall.slice();
    let own = (publisher, "pub reply".to_string());
    assert_eq!(first[..2], [own, (OUTSIDER, "pong".into())], "the publisher's own publication stays before its reply");
    assert_eq!(hall.rest_of(publisher), "pub reply");
}

#[test]
fn a_small_room_goes_before_what_is_left_of_a_large_one() {
    let mut hall = Hall::new();
    hall.publish(b"pub ");
    hall.slice();
    let frame = hall.outbox.encode(SLICE_SENDS, |out| out.extend_from_slice(b"small"));
    hall.outbox.attach(OUTSIDER, frame, Tag::KEEP);
    assert_eq!(hall.slice()[0], (OUTSIDER, "small".into()));
}

#[test]
fn who_is_answered_between_two_slices_keeps_its_order() {
    let mut hall = Hall::new();
    hall.publish(b"one ");
    hall.slice();
    let last = ROOM - 1;
    hall.reply(last, b"reply ");
    hall.publish(b"two ");
    assert_eq!(hall.slice()[0], (last, "one reply two ".into()));
    hall.publish(b"three");
    assert_eq!(hall.rest_of(last), "one reply two three");
    assert_eq!(hall.rest_of(0), "one two three");
}

#[test]
fn what_is_small_does_not_keep_a_large_room_waiting_for_ever() {
    let mut hall = Hall::new();
    // More than one slice of them, again and again.
    let busy = OUTSIDER + 1..OUTSIDER + 1 + 2 * SLICE_SENDS as u32;
    busy.clone().for_each(|conn| hall.outbox.open(conn));
    hall.publish(b"pub");
    let mut slices = 0;
    while (0..ROOM).any(|conn| !hall.sent.contains(&(conn, "pub".into()))) {
        busy.clone().for_each(|conn| hall.reply(conn, b"reply"));
        hall.slice();
        slices += 1;
        assert!(slices <= 4 * ROOM);
    }
}

#[test]
fn a_burst_into_a_large_room_is_one_send_a_conn() {
    let mut hall = Hall::new();
    for number in 0..10 {
        hall.publish(format!("{number} ").as_bytes());
        hall.reply(OUTSIDER, b"reply ");
    }
    while hall.outbox.is_dirty() {
        hall.slice();
    }
    assert_eq!(hall.sent.len() as u32, ROOM + 1);
}

#[test]
fn conns_that_close_between_slices_take_only_their_own_bytes_along() {
    let mut hall = Hall::new();
    hall.publish(b"one ");
    hall.slice();
    let (closed, reused) = (ROOM - 1, ROOM - 2);
    hall.outbox.close(closed);
    hall.outbox.close(reused);
    hall.outbox.open(reused);
    hall.reply(reused, b"welcome");
    assert_eq!(hall.rest_of(reused), "welcome");
    assert_eq!(hall.rest_of(closed), "");
    assert!((0..ROOM - 2).all(|conn| hall.rest_of(conn) == "one "));
}

#[test]
fn what_waits_for_a_large_room_is_bounded() {
    let mut hall = Hall::new();
    let long = vec![b'x'; ARENA_FLUSH_BYTES / 8];
    let held = |hall: &Hall| hall.outbox.batches.bytes_held();
    for _ in 0..100 {
        hall.publish(&long);
        while hall.outbox.is_full() {
            hall.slice();
        }
        assert!(held(&hall) <= 2 * ARENA_FLUSH_BYTES + long.len());
        // Slower than what comes.
        hall.slice();
    }
    assert_eq!(hall.rest_of(0).len(), 100 * long.len());
    assert_eq!(held(&hall), 0);
}

#[test]
fn giants_leave_no_memory_behind() {
    let mut hall = Hall::new();
    let giant = vec![b'x'; 50 << 20];
    let capacity = |outbox: &Outbox| outbox.batches.capacities().iter().sum::<usize>() + outbox.scratch.capacity();
    for round in 0..3 {
        hall.publish(b"beside");
        hall.reply(0, &giant);
        hall.reply(0, b"and more");
        if round == 1 {
            let blocked = |_, _: &[u8]| Err(io::ErrorKind::WouldBlock.into());
            while hall.outbox.is_dirty() {
                hall.outbox.flush(blocked, |_, _| {});
            }
            (0..ROOM).for_each(|conn| hall.outbox.close(conn));
        }
        hall.rest_of(0);
        hall.sent.clear();
        assert!(capacity(&hall.outbox) < 3 << 20, "{}", capacity(&hall.outbox));
    }
}

fn take_all(bytes: &[u8], sent: &mut Vec<u8>) -> io::Result<usize> {
    sent.extend_from_slice(bytes);
    Ok(bytes.len())
}

/// What can happen to an outbox.
#[derive(Clone, Debug)]
enum Event {
    Publish { size: usize },
    Gossip { conns: Vec<u32> },
    Reply { conn: u32 },
    Slice { rooms: Vec<usize> },
    Writable { conn: u32, room: usize },
    Reopen { conn: u32 },
}

fn event() -> impl Strategy<Value = Event> {
    let conn = || 0..=OUTSIDER;
    prop_oneof![
        3 => prop_oneof![1..40usize, Just(ARENA_FLUSH_BYTES / 4)].prop_map(|size| Event::Publish { size }),
        2 => prop::collection::vec(conn(), 1..SLICE_SENDS).prop_map(|conns| Event::Gossip { conns }),
        4 => conn().prop_map(|conn| Event::Reply { conn }),
        6 => prop::collection::vec(prop_oneof![Just(0), 0..60usize, Just(usize::MAX)], SLICE_SENDS)
            .prop_map(|rooms| Event::Slice { rooms }),
        4 => (conn(), 1..100usize).prop_map(|(conn, room)| Event::Writable { conn, room }),
        1 => conn().prop_map(|conn| Event::Reopen { conn }),
    ]
}

proptest! {
    #[test]
    fn every_conn_gets_its_bytes_in_order_however_things_interleave(
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut outbox = Outbox::new(usize::MAX);
        (0..=OUTSIDER).for_each(|conn| outbox.open(conn));
        let mut expected: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        let mut sent: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        for (number, event) in events.into_iter().enumerate() {
            let text = format!("<{number}>");
            match event {
                Event::Publish { size } => {
                    let bytes = text.repeat(size.div_ceil(text.len()));
                    let frame = outbox.encode(ROOM as usize, |out| out.extend_from_slice(bytes.as_bytes()));
                    for conn in 0..ROOM {
                        outbox.attach(conn, frame, Tag::KEEP);
                        expected.entry(conn).or_default().extend_from_slice(bytes.as_bytes());
                    }
                }
                Event::Gossip { conns } => {
                    let frame = outbox.encode(conns.len(), |out| out.extend_from_slice(text.as_bytes()));
                    for conn in conns {
                        outbox.attach(conn, frame, Tag::KEEP);
                        expected.entry(conn).or_default().extend_from_slice(text.as_bytes());
                    }
                }
                Event::Reply { conn } => {
                    outbox.write(conn, Tag::KEEP, |out| out.extend_from_slice(text.as_bytes()));
                    expected.entry(conn).or_default().extend_from_slice(text.as_bytes());
                }
                Event::Slice { rooms } => {
                    let mut rooms = rooms.into_iter();
                    outbox.flush(
                        |conn, bytes| take(bytes, &mut rooms.next().unwrap_or(0), sent.entry(conn).or_default()),
                        |_, flushed| assert_eq!(flushed, Flushed::Blocked),
                    );
                }
                Event::Writable { conn, mut room } => {
                    outbox.resume(conn, |bytes| take(bytes, &mut room, sent.entry(conn).or_default()));
                }
                Event::Reopen { conn } => {
                    outbox.close(conn);
                    outbox.open(conn);
                    expected.remove(&conn);
                    sent.remove(&conn);
                }
            }
            while outbox.is_full() {
                outbox.flush(|_, _| Err(io::ErrorKind::WouldBlock.into()), |_, _| {});
            }
            for (conn, sent) in &sent {
                prop_assert!(expected.get(conn).is_none_or(|expected| expected.starts_with(sent)));
            }
        }
        while outbox.is_dirty() {
            outbox.flush(|conn, bytes| take_all(bytes, sent.entry(conn).or_default()), |_, _| {});
        }
        for conn in 0..=OUTSIDER {
            outbox.resume(conn, |bytes| take_all(bytes, sent.entry(conn).or_default()));
            prop_assert_eq!(expected.get(&conn).map_or(&[][..], |all| all), sent.get(&conn).map_or(&[][..], |all| all));
            prop_assert!(!outbox.is_waiting(conn));
        }
        prop_assert_eq!(outbox.backlog_bytes(), 0);
    }
}
