//! Whom pushes tell, held against a world that keeps its own naive books: every member who has not noticed a publication in time is
//! told of it once, and told no more when it was noticed.

use super::*;
use crate::limits::{PUSH_USERS_MAX, PUSH_WITHDRAW_DELAY_MS};

const AFTER_MS: u64 = 16_000;

/// What is kept of a user.
#[derive(Debug, Default)]
struct Person {
    /// The first that the user is to receive, less one.
    since: u64,
    received: u64,
    read: u64,
    /// The furthest that was read, or received while somebody looked.
    noticed: u64,
    /// By offset: when the user was told of it.
    told_ms: BTreeMap<u64, u64>,
    /// What needs no push any more.
    withdrawn: u64,
}

/// A session.
#[derive(Debug)]
struct Sitting {
    user: usize,
    device: String,
    is_pushed: bool,
    is_background: bool,
}

/// What is broken in the world, to see it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planted {
    Nothing,
    /// An event is lost.
    Silence,
    /// A device in the background counts as one that somebody looks at.
    Blindness,
}

struct Town {
    hub: Hub,
    delivery: Delivery,
    random: StdRng,
    now: Now,
    users: Vec<Arc<str>>,
    people: Vec<Person>,
    sittings: BTreeMap<Uuid, Sitting>,
    floors: BTreeMap<(usize, String), u64>,
    /// By offset, from 1: who has published it, and when.
    published: Vec<(Option<usize>, u64)>,
    next_client: u128,
    planted: Planted,
}

fn options() -> InboxOptions {
    // Nothing is given up: that would be noticed.
    InboxOptions { push_after_ms: AFTER_MS, max_attempts: 1_000, max_unacked: 1_000, ..OPTIONS }
}

impl Town {
    fn new(seed: u64, planted: Planted) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let users = (0..random.random_range(1..40)).map(|number| Arc::from(format!("user{number:02}"))).collect();
        let mut town = Self {
            hub: Hub::new(seed, usize::MAX),
            delivery: Delivery::new(seed),
            random,
            now: Now { mono_ms: 10_000, unix_ms: 1_700_000_000_000 },
            users,
            people: Vec::new(),
            sittings: BTreeMap::new(),
            floors: BTreeMap::new(),
            published: Vec::new(),
            next_client: 0,
            planted,
        };
        for _ in 0..town.random.random_range(0..3) {
            town.publish();
        }
        for user in town.users.clone() {
            let top = town.published.len() as u64;
            let shelf = town.hub.shelf(CHANNEL, town.now);
            town.delivery.add_member(&CHANNEL.into(), &user, top, options(), shelf).unwrap();
            let person = Person { since: top, received: top, read: top, noticed: top, ..Person::default() };
            town.people.push(person);
        }
        town
    }

    fn publish(&mut self) {
        let by = self.random.random_bool(0.5).then(|| self.random.random_range(0..self.users.len()));
        let info = by.map(|by| ClientInfo {
            user: self.users[by].clone(),
            client: Uuid::nil(),
            conn_info: None,
            chan_info: None,
        });
        let message = NewPublication { info: info.map(Into::into), ..NewPublication::new(Payload::json("1")) };
        let kept = HubOptions { history_size: 10_000, history_ttl_ms: u64::MAX / 4, ..HubOptions::default() };
        let Ok(Placed::Done(published)) = self.hub.publish(CHANNEL, message, kept, self.now) else { panic!() };
        self.published.push((by, self.now.mono_ms));
        let shelf = self.hub.shelf(CHANNEL, self.now).unwrap();
        self.delivery.published(CHANNEL, published.position.offset, None, shelf, self.now);
        self.take();
    }

    fn arrive(&mut self) {
        let Some(shelf) = self.hub.shelf(CHANNEL, self.now) else { return };
        let user = self.random.random_range(0..self.users.len());
        let is_pushed = self.random.random_bool(0.7);
        let device = String::from(if is_pushed { "phone" } else { "laptop" });
        let name = self.users[user].clone();
        let whose = Whose { user: &name, device: &device };
        self.next_client += 1;
        let client = Uuid::from_u128(self.next_client);
        self.delivery.admit(CHANNEL, whose, self.now).unwrap();
        let seat = Seat { client, shard: 0, session: 0 };
        self.delivery.arrive(CHANNEL, whose, Listener { is_pushed, ..Listener::at(seat) }, shelf, self.now);
        let received = self.people[user].received;
        let floor = *self.floors.entry((user, device.clone())).or_insert(received);
        if is_pushed {
            self.notice(user, floor);
        }
        self.sittings.insert(client, Sitting { user, device, is_pushed, is_background: false });
        self.take();
    }

    fn depart(&mut self, client: Uuid) {
        self.sittings.remove(&client);
        self.delivery.depart(CHANNEL, client, self.now);
        self.take();
    }

    fn notice(&mut self, user: usize, offset: u64) {
        let person = &mut self.people[user];
        person.noticed = person.noticed.max(offset);
    }

    /// Whether somebody looks at one of the sessions of a device.
    fn is_looked_at(&self, user: usize, device: &str) -> bool {
        let is_blind = self.planted == Planted::Blindness;
        let mut sittings = self.sittings.values().filter(|one| one.user == user && one.device == device);
        sittings.any(|one| one.is_pushed && (is_blind || !one.is_background))
    }

    fn receive(&mut self, client: Uuid) {
        let Sitting { user, device, .. } = &self.sittings[&client];
        let (user, device) = (*user, device.clone());
        let top = self.published.len() as u64;
        let floor = self.floors[&(user, device.clone())];
        let offset = self.random.random_range(floor..=top);
        let name = self.users[user].clone();
        let shelf = self.hub.shelf(CHANNEL, self.now).unwrap();
        let whose = Whose { user: &name, device: &device };
        if self.delivery.received(CHANNEL, whose, client, ("", offset), shelf, self.now).is_err() {
            // It was not sent so far.
            return self.take();
        }
        self.floors.insert((user, device.clone()), offset);
        let person = &mut self.people[user];
        person.received = person.received.max(offset);
        if self.is_looked_at(user, &device) {
            self.notice(user, offset);
        }
        self.take();
    }

    fn read(&mut self) {
        let user = self.random.random_range(0..self.users.len());
        let offset = self.random.random_range(0..=self.published.len() as u64);
        let name = self.users[user].clone();
        let done = self.delivery.read(CHANNEL, Whose { user: &name, device: "" }, ("", offset), self.now);
        if done.is_ok() {
            let person = &mut self.people[user];
            person.read = person.read.max(offset);
            self.notice(user, offset);
        }
        self.take();
    }

    fn look(&mut self, client: Uuid) {
        let is_background = self.random.random_bool(0.6);
        self.delivery.look_away(CHANNEL, client, is_background, self.now).unwrap();
        let sitting = self.sittings.get_mut(&client).unwrap();
        sitting.is_background = is_background;
        let (user, device) = (sitting.user, sitting.device.clone());
        if self.is_looked_at(user, &device) {
            self.notice(user, self.floors[&(user, device)]);
        }
        self.take();
    }

    fn wait(&mut self, ms: u64) {
        // As a shard does: ten times a second.
        for _ in 0..ms.div_ceil(100) {
            self.now.mono_ms += 100;
            self.now.unix_ms += 100;
            self.delivery.sweep(&mut self.hub, self.now);
            self.take();
        }
    }

    /// Takes what is told, and holds it against the books.
    fn take(&mut self) {
        self.delivery.out().for_each(drop);
        self.delivery.counts().for_each(drop);
        self.delivery.changes().for_each(drop);
        for push in self.delivery.pushes().collect::<Vec<_>>() {
            assert!((1..=PUSH_USERS_MAX).contains(&push.users.len()));
            if self.planted == Planted::Silence && self.random.random_bool(0.3) {
                continue;
            }
            match &push.what {
                PushWhat::Offline { publication, .. } => {
                    assert_eq!(publication.as_ref().unwrap().offset, push.offset);
                    push.users.iter().for_each(|to| self.told(push.offset, to));
                }
                PushWhat::Withdrawn => push.users.iter().for_each(|to| self.withdrawn(push.offset, to)),
            }
        }
    }

    fn user(&self, to: &PushTo) -> usize {
        self.users.iter().position(|user| *user == to.user).expect("a member")
    }

    fn told(&mut self, offset: u64, to: &PushTo) {
        let user = self.user(to);
        let (by, at_ms) = self.published[offset as usize - 1];
        let (top, person) = (self.published.len() as u64, &mut self.people[user]);
        assert!(by != Some(user), "nobody is told of what is his own");
        assert!(self.now.mono_ms >= at_ms + AFTER_MS, "{offset} after {} ms", self.now.mono_ms - at_ms);
        assert!(person.noticed < offset && person.since < offset, "{user} is told of {offset}: {person:?}");
        assert!(person.told_ms.insert(offset, self.now.mono_ms).is_none(), "{user} is told of {offset} twice");
        assert_eq!(to.unread, top - person.read);
        let mut sittings = self.sittings.values().filter(|one| one.user == user && one.is_pushed);
        assert_eq!(to.is_background, sittings.any(|one| one.is_background));
    }

    fn withdrawn(&mut self, offset: u64, to: &PushTo) {
        let user = self.user(to);
        let (top, person) = (self.published.len() as u64, &mut self.people[user]);
        assert!(person.noticed >= offset, "{user} has not noticed {offset}: {person:?}");
        assert!(to.unread <= top && !to.is_background);
        person.withdrawn = person.withdrawn.max(offset);
    }

    fn step(&mut self) {
        let at = self.random.random_range(0..self.sittings.len().max(1));
        let one = self.sittings.keys().nth(at).copied();
        match (self.random.random_range(0..100), one) {
            (0..25, _) => self.publish(),
            (25..40, _) if self.sittings.len() < 12 => self.arrive(),
            (40..48, Some(client)) => self.depart(client),
            (48..65, Some(client)) => self.receive(client),
            (65..72, _) => self.read(),
            (72..80, Some(client)) => self.look(client),
            _ => {
                let ms = self.random.random_range(1..AFTER_MS / 2);
                self.wait(ms);
            }
        }
    }

    /// Nothing happens any more: who is to be told was told, and of what was noticed meanwhile no more.
    fn check_end(&mut self) {
        self.wait(3 * AFTER_MS + PUSH_WITHDRAW_DELAY_MS);
        for (user, person) in self.people.iter().enumerate() {
            for (offset, (by, _)) in (1..).zip(&self.published) {
                let is_owed = offset > person.noticed.max(person.since) && *by != Some(user);
                assert!(
                    !is_owed || person.told_ms.contains_key(&offset),
                    "{user} was not told of {offset}: {person:?}"
                );
            }
            let noticed = person.told_ms.keys().filter(|offset| **offset <= person.noticed).max();
            let noticed = noticed.copied().unwrap_or_default();
            assert!(person.withdrawn >= noticed, "{user} has noticed {noticed}, nothing was withdrawn: {person:?}");
        }
        assert!(self.delivery.desk.wakes.len() <= self.sittings.len() + 1, "nothing goes on for ever");
    }
}

fn run(seed: u64, planted: Planted) {
    let mut town = Town::new(seed, planted);
    (0..150).for_each(|_| town.step());
    town.check_end();
}

#[test]
fn every_member_who_has_not_noticed_in_time_is_told_once() {
    for seed in 0..300 {
        let outcome = std::panic::catch_unwind(|| run(seed, Planted::Nothing));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

#[test]
fn a_silence_and_a_blindness_are_found() {
    for planted in [Planted::Silence, Planted::Blindness] {
        let is_found = |seed| std::panic::catch_unwind(|| run(seed, planted)).is_err();
        assert!((0..50).any(is_found), "{planted:?}");
    }
}

/// A channel whose members are away.
fn away(members: usize, options: InboxOptions) -> (Delivery, Hub, Now) {
    let (mut delivery, now) = (Delivery::new(1), Now { mono_ms: 10_000, unix_ms: 1_700_000_000_000 });
    for number in 0..members {
        let user = Arc::from(format!("user{number:04}"));
        delivery.add_member(&CHANNEL.into(), &user, 0, options, None).unwrap();
    }
    (delivery, Hub::new(1, usize::MAX), now)
}

fn publish(delivery: &mut Delivery, hub: &mut Hub, ttl_ms: Option<u64>, now: Now) {
    let message = NewPublication { ttl_ms, ..NewPublication::new(Payload::json("1")) };
    let kept = HubOptions { history_size: 10_000, history_ttl_ms: u64::MAX / 4, ..HubOptions::default() };
    let Ok(Placed::Done(published)) = hub.publish(CHANNEL, message, kept, now) else { panic!() };
    let shelf = hub.shelf(CHANNEL, now).unwrap();
    delivery.published(CHANNEL, published.position.offset, None, shelf, now);
}

/// Sweeps until nothing is told, some hundred times at the most: how many users each event has, and in which sweep.
fn sweep(delivery: &mut Delivery, hub: &mut Hub, mut now: Now, ms: u64) -> Vec<(u64, usize)> {
    let mut told = Vec::new();
    for sweep in 0..ms / 100 {
        now = Now { mono_ms: now.mono_ms + 100, unix_ms: now.unix_ms + 100 };
        delivery.sweep(hub, now);
        told.extend(delivery.pushes().map(|push| (sweep, push.users.len())));
    }
    told
}

#[test]
fn a_large_room_is_looked_at_in_several_sweeps_and_told_in_several_events() {
    let (mut delivery, mut hub, now) = away(95, options());
    publish(&mut delivery, &mut hub, None, now);
    let told = sweep(&mut delivery, &mut hub, now, AFTER_MS + 5_000);
    assert_eq!(told.iter().map(|(_, users)| *users).collect::<Vec<_>>(), [10, 10, 10, 10, 10, 10, 10, 10, 10, 5]);
    assert!(told.first().unwrap().0 < told.last().unwrap().0, "{told:?}");
    assert_eq!(delivery.desk.wakes.len(), 0);
}

#[test]
fn what_has_ended_by_itself_and_what_nobody_waits_for_is_not_told_of() {
    let (mut delivery, mut hub, now) = away(3, options());
    publish(&mut delivery, &mut hub, Some(AFTER_MS / 2), now);
    assert_eq!(sweep(&mut delivery, &mut hub, now, 2 * AFTER_MS), []);
    let (mut delivery, mut hub, now) = away(3, InboxOptions { push_after_ms: 0, ..options() });
    publish(&mut delivery, &mut hub, None, now);
    assert_eq!(sweep(&mut delivery, &mut hub, now, 2 * AFTER_MS), []);
}

#[test]
fn a_stream_that_has_begun_anew_while_all_were_away_is_told_of() {
    let (mut delivery, mut hub, now) = away(3, options());
    publish(&mut delivery, &mut hub, None, now);
    assert_eq!(sweep(&mut delivery, &mut hub, now, 2 * AFTER_MS).len(), 1);
    // Another life of the stream.
    let mut hub = Hub::new(2, usize::MAX);
    publish(&mut delivery, &mut hub, None, now);
    assert_eq!(sweep(&mut delivery, &mut hub, now, 2 * AFTER_MS), [(AFTER_MS / 100 - 1, 3)]);
}
