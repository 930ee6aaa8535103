//! Rooms with many devices: what is due for all of them takes several sweeps, and costs no copy for each.

use super::*;
use crate::delivery::change::Changed;
use crate::hub::Published;
use crate::limits::{DEAD_LETTER_DEVICES_MAX, LOOKS_PER_SWEEP};

/// A channel whose members are all connected, by one device each.
struct Room {
    hub: Hub,
    delivery: Delivery,
    now: Now,
    users: Vec<Arc<str>>,
}

impl Room {
    fn of(members: usize, options: InboxOptions) -> Self {
        let users = (0..members).map(|number| Arc::from(format!("user{number:04}"))).collect();
        let now = Now { mono_ms: 10_000, unix_ms: 1_700_000_000_000 };
        let mut room = Self { hub: Hub::new(1, usize::MAX), delivery: Delivery::new(1), now, users };
        room.publish();
        for (number, user) in room.users.clone().iter().enumerate() {
            let shelf = room.hub.shelf(CHANNEL, now);
            room.delivery.add_member(&CHANNEL.into(), user, 1, options, shelf).unwrap();
            let whose = Whose { user, device: "" };
            room.delivery.admit(CHANNEL, whose, now).unwrap();
            let seat = Seat { client: Uuid::from_u128(number as u128), shard: 0, session: number as u32 };
            let shelf = room.hub.shelf(CHANNEL, now).unwrap();
            room.delivery.arrive(CHANNEL, whose, Listener { seat, filter: None }, shelf, now);
        }
        room.delivery.out().for_each(drop);
        room.delivery.changes().for_each(drop);
        room
    }

    /// Publishes, and says so to the inbox, if there is one.
    fn publish(&mut self) {
        let Published { position, .. } = self.publish_unseen("1");
        let shelf = self.hub.shelf(CHANNEL, self.now).unwrap();
        self.delivery.published(CHANNEL, position.offset, None, shelf, self.now);
    }

    fn publish_unseen(&mut self, data: &str) -> Published {
        let message = NewPublication::new(Payload::json(data.to_string()));
        let kept = HubOptions { history_size: 1_000, history_ttl_ms: u64::MAX / 4, ..HubOptions::default() };
        match self.hub.publish(CHANNEL, message, kept, self.now) {
            Ok(Placed::Done(published)) => published,
            other => panic!("{other:?}"),
        }
    }

    fn receive(&mut self, member: usize, offset: u64) {
        let user = self.users[member].clone();
        let shelf = self.hub.shelf(CHANNEL, self.now).unwrap();
        let whose = Whose { user: &user, device: "" };
        self.delivery.received(CHANNEL, whose, ("", offset), shelf, self.now).unwrap();
    }

    /// One sweep; what sessions are told by it.
    fn sweep(&mut self, ms: u64) -> usize {
        self.now.mono_ms += ms;
        self.now.unix_ms += ms as i64;
        self.delivery.sweep(&mut self.hub, self.now);
        self.delivery.out().count()
    }

    /// Sweeps at the same time, until nothing is left to tell; what each has told.
    fn sweeps(&mut self) -> Vec<usize> {
        std::iter::from_fn(|| Some(self.sweep(0)).filter(|told| *told > 0)).collect()
    }
}

#[test]
fn devices_that_are_late_together_are_sent_to_in_several_sweeps() {
    let mut room = Room::of(3 * LOOKS_PER_SWEEP, OPTIONS);
    room.publish();
    room.sweep(900);
    let first = room.sweep(200);
    let rest = room.sweeps();
    assert!(first <= LOOKS_PER_SWEEP && rest.iter().all(|told| *told <= LOOKS_PER_SWEEP), "{first}, then {rest:?}");
    assert_eq!(first + rest.iter().sum::<usize>(), room.users.len(), "everybody has its turn");
}

#[test]
fn who_has_read_in_a_large_room_is_told_in_several_sweeps() {
    let mut room = Room::of(3 * LOOKS_PER_SWEEP, OPTIONS);
    room.publish();
    for user in room.users.clone() {
        room.delivery.read(CHANNEL, Whose { user: &user, device: "" }, ("", 2), room.now).unwrap();
    }
    let first = room.sweep(600);
    assert!(first <= LOOKS_PER_SWEEP, "{first} at once");
    let rest: usize = room.sweeps().into_iter().sum();
    assert_eq!(first + rest, 3 * LOOKS_PER_SWEEP, "each hears of its own position");
}

#[test]
fn a_publication_that_nobody_has_received_is_written_once_for_each_device_that_is_listed() {
    let options = InboxOptions { is_durable: true, max_attempts: 1, ..OPTIONS };
    let mut room = Room::of(DEAD_LETTER_DEVICES_MAX + 5, options);
    room.publish();
    room.sweep(1_100);
    room.sweeps();
    let changes: Vec<_> = room.delivery.changes().collect();
    let number = |is: fn(&Changed) -> bool| changes.iter().filter(|change| is(&change.what)).count();
    assert_eq!(number(|what| matches!(what, Changed::Device { .. })), room.users.len(), "each floor is kept");
    assert_eq!(number(|what| matches!(what, Changed::DeadLetter { .. })), DEAD_LETTER_DEVICES_MAX);
}

#[test]
fn what_was_published_while_a_reload_had_nothing_promised_is_received_as_well() {
    let mut room = Room::of(1, OPTIONS);
    (0..3).for_each(|_| drop(room.publish_unseen("1")));
    room.publish();
    assert_eq!(room.delivery.inboxes[0].unreceived, 4);
    room.receive(0, 5);
    assert_eq!(room.delivery.inboxes[0].unreceived, 0);
    (0..3).for_each(|_| drop(room.publish_unseen("1")));
    room.receive(0, 7);
    assert_eq!(room.delivery.inboxes[0].unreceived, 1);
}

#[test]
fn who_comes_back_to_many_channels_is_sent_little_of_each_at_first() {
    let mut room = Room::of(1, OPTIONS);
    room.delivery.depart(CHANNEL, Uuid::from_u128(0), room.now);
    let data = format!("\"{}\"", "x".repeat(3_000));
    for _ in 0..4 {
        let Published { position, .. } = room.publish_unseen(&data);
        let shelf = room.hub.shelf(CHANNEL, room.now).unwrap();
        room.delivery.published(CHANNEL, position.offset, None, shelf, room.now);
    }
    let user = room.users[0].clone();
    let seat = Seat { client: Uuid::from_u128(1), shard: 0, session: 1 };
    let shelf = room.hub.shelf(CHANNEL, room.now).unwrap();
    let listener = Listener { seat, filter: None };
    room.delivery.arrive(CHANNEL, Whose { user: &user, device: "" }, listener, shelf, room.now);
    let sent = |room: &mut Room| match &room.delivery.out().collect::<Vec<_>>()[..] {
        [Dispatch { what: Sending::Publications { publications, .. }, .. }] => publications.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(sent(&mut room), 2, "as many as fit 8 KiB");
    room.receive(0, 2);
    assert_eq!(sent(&mut room), 2, "what it receives brings the rest");
}
