//! Rooms with many devices: what is due for all of them takes several sweeps, and costs no copy for each.

use super::*;
use crate::delivery::change::Changed;
use crate::hub::Published;
use crate::limits::{
    DEAD_LETTER_DEVICES_MAX, DEAD_LETTERS_MAX, LOOKS_PER_SWEEP, SNAPSHOT_BYTES_PER_TICK, STOPS_PER_PUBLICATION,
};
use crate::store::Record;

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
            room.delivery.arrive(CHANNEL, whose, Listener::at(seat), shelf, now);
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
        let client = Uuid::from_u128(member as u128);
        self.delivery.received(CHANNEL, whose, client, ("", offset), shelf, self.now).unwrap();
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
    let more = changes.iter().rev().find_map(|change| match change.what {
        Changed::DeadLetterMore { more, .. } => Some(more),
        _ => None,
    });
    assert_eq!(more, Some(5), "and how many there are beyond those");
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
    let listener = Listener::at(seat);
    room.delivery.arrive(CHANNEL, Whose { user: &user, device: "" }, listener, shelf, room.now);
    let sent = |room: &mut Room| match &room.delivery.out().collect::<Vec<_>>()[..] {
        [Dispatch { what: Sending::Publications { publications, .. }, .. }] => publications.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(sent(&mut room), 2, "as many as fit 8 KiB");
    room.receive(0, 2);
    assert_eq!(sent(&mut room), 2, "what it receives brings the rest");
}

#[test]
fn devices_that_have_too_much_unreceived_are_taken_aside_so_many_at_each_publication() {
    let mut room = Room::of(2 * STOPS_PER_PUBLICATION + 10, OPTIONS);
    let is_aside = |dispatch: &Dispatch| matches!(dispatch.what, Sending::Publications { behind: true, .. });
    let mut aside = || {
        room.publish();
        room.delivery.out().filter(is_aside).count()
    };
    let told: Vec<_> = (0..OPTIONS.max_unacked + 4).map(|_| aside()).collect();
    let (before, then) = told.split_at(OPTIONS.max_unacked as usize);
    assert!(before.iter().all(|told| *told == 0), "{before:?}");
    assert_eq!(then, [STOPS_PER_PUBLICATION, STOPS_PER_PUBLICATION, 10, 0]);
}

#[test]
fn a_room_whose_stream_begins_anew_is_told_in_several_sweeps_and_nobody_goes_through_its_members() {
    let mut room = Room::of(3 * LOOKS_PER_SWEEP, OPTIONS);
    room.publish();
    room.receive(0, 2);
    room.hub = Hub::new(2, usize::MAX);
    room.publish_unseen("1");
    let shelf = room.hub.shelf(CHANNEL, room.now).unwrap();
    room.delivery.agree(CHANNEL, shelf);
    assert_eq!(room.delivery.out().count(), 0, "nobody is told at once");
    let told = room.sweeps();
    assert!(told.iter().all(|told| *told <= LOOKS_PER_SWEEP), "{told:?}");
    assert_eq!(told.iter().sum::<usize>(), room.users.len(), "everybody is told once");
    let devices = room.delivery.devices(CHANNEL, &room.users[0]).unwrap();
    assert_eq!((devices.received, devices.devices[0].received), (0, 0), "nothing of the new stream was received");
    assert_eq!(room.delivery.inboxes[0].unreceived, room.users.len() as u64);
}

#[test]
fn a_device_that_comes_before_it_was_told_that_its_stream_has_begun_anew_hears_so_by_its_other_session() {
    let mut room = Room::of(1, OPTIONS);
    room.hub = Hub::new(2, usize::MAX);
    room.publish_unseen("1");
    let seat = Seat { client: Uuid::from_u128(9), shard: 0, session: 9 };
    let shelf = room.hub.shelf(CHANNEL, room.now).unwrap();
    let whose = Whose { user: &room.users[0].clone(), device: "" };
    let arrival = room.delivery.arrive(CHANNEL, whose, Listener::at(seat), shelf, room.now);
    assert_eq!(arrival, Arrival { floor: 0, whole: false });
    let told: Vec<_> = room.delivery.out().map(|dispatch| (dispatch.seat.session, dispatch.what)).collect();
    assert!(matches!(told[0], (0, Sending::Gap)), "{told:?}");
    assert!(told[1..].iter().all(|(_, what)| matches!(what, Sending::Publications { .. })), "{told:?}");
    assert!(room.sweeps().is_empty());
}

#[test]
fn a_snapshot_says_dead_letters_within_its_part_of_a_tick_and_one_letter() {
    let options = InboxOptions { is_durable: true, max_attempts: 1, ..OPTIONS };
    let mut room = Room::of(DEAD_LETTER_DEVICES_MAX, options);
    let data = format!("\"{}\"", "x".repeat(900));
    for _ in 0..DEAD_LETTERS_MAX {
        let Published { position, .. } = room.publish_unseen(&data);
        let shelf = room.hub.shelf(CHANNEL, room.now).unwrap();
        room.delivery.published(CHANNEL, position.offset, None, shelf, room.now);
    }
    while room.sweep(1_100) > 0 {}
    let letters = room.delivery.dead_letters().len();
    assert!(letters > DEAD_LETTERS_MAX / 2, "{letters}");
    let (mut said, mut parts, mut bytes_max, mut is_all) = (0, 0, 0, false);
    while !is_all {
        let mut bytes = Vec::new();
        is_all = room.delivery.say(room.now, |record| {
            said += usize::from(matches!(record, Record::DeadLetter(_)));
            record.encode(&mut bytes);
        });
        parts += 1;
        bytes_max = bytes_max.max(bytes.len());
    }
    assert_eq!(said, letters * DEAD_LETTER_DEVICES_MAX);
    let letter = DEAD_LETTER_DEVICES_MAX * 1_100;
    assert!(parts > 2 && bytes_max <= SNAPSHOT_BYTES_PER_TICK + letter, "{parts} parts, up to {bytes_max} bytes");
}
