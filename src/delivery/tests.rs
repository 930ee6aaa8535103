//! The promises, held against a world that keeps its own naive books: every device of every member gets everything, in
//! order, unless it was given up or lost, and was told so.

mod pushes;
mod walks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use super::*;
use crate::hub::{HubOptions, Join, Limit, NewPublication, Placed, RecoveryMode};
use crate::model::{ClientInfo, Condition, Payload, TagsFilter, Test};

pub(super) const OPTIONS: InboxOptions = InboxOptions {
    ack_timeout_ms: 1_000,
    backoff_factor: 2,
    backoff_max_ms: 4_000,
    max_attempts: 3,
    max_unacked: 5,
    device_ttl_ms: 1_000_000_000,
    devices_max: 4,
    is_durable: false,
    is_shared: false,
    skips_own: false,
    members_subscribe: true,
    push_after_ms: 0,
    namespace: 0,
};

const CHANNEL: &str = "room";

/// A session and what it has been given.
#[derive(Debug)]
struct Client {
    user: usize,
    device: usize,
    behind: bool,
    /// The last offset that it was given, or its floor when it began.
    last: u64,
    /// It was told that its subscription has to begin anew.
    is_over: bool,
}

/// What is known of a device apart from its inbox.
#[derive(Debug, Default)]
struct Book {
    /// Where it began: its user had received all up to there on another.
    began: u64,
    /// What any of its sessions was given.
    given: BTreeSet<u64>,
    /// The highest floor that was answered.
    answered: u64,
    /// What it was told to be lost.
    lost: BTreeSet<u64>,
    /// It was told, and has received nothing since.
    has_lost: bool,
    /// What its filter wants, if it has one.
    wants: Option<u8>,
}

/// What is known of a publication.
#[derive(Debug)]
struct Said {
    tag: u8,
    /// When it ends by itself.
    end_ms: Option<u64>,
}

struct World {
    hub: Hub,
    delivery: Delivery,
    random: StdRng,
    now: Now,
    users: Vec<Arc<str>>,
    clients: BTreeMap<Uuid, Client>,
    books: BTreeMap<(usize, usize), Book>,
    said: BTreeMap<u64, Said>,
    /// Whether devices have filters, and publications end by themselves.
    is_choosy: bool,
    next_client: u128,
    options: InboxOptions,
    kept: HubOptions,
    fault: Fault,
}

/// What is broken in the world, to see it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Of what is sent to a device by its name, one publication does not arrive, and those behind it do.
    SkipsOne,
    /// A floor passes a publication that its device was not given.
    PassesOne,
    /// A device that is behind is sent what comes along with everybody as well.
    HearsAll,
}

impl World {
    fn new(seed: u64, fault: Fault) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let history_size = if random.random_bool(0.3) { 8 } else { 10_000 };
        let mut world = Self {
            hub: Hub::new(seed, usize::MAX),
            delivery: Delivery::new(seed),
            now: Now { mono_ms: 10_000, unix_ms: 1_700_000_000_000 },
            users: ["ada", "bob", "cyd"].map(Arc::from).to_vec(),
            clients: BTreeMap::new(),
            books: BTreeMap::new(),
            said: BTreeMap::new(),
            is_choosy: random.random_bool(0.5),
            next_client: 0,
            options: InboxOptions { max_unacked: random.random_range(1..12), ..OPTIONS },
            kept: HubOptions { history_size, history_ttl_ms: 1_000_000_000, ..HubOptions::default() },
            random,
            fault,
        };
        for user in world.users.clone() {
            world.delivery.add_member(&CHANNEL.into(), &user, 0, world.options, None).unwrap();
        }
        world
    }

    fn floor(&self, user: usize, device: usize) -> u64 {
        let inbox = &self.delivery.inboxes[self.delivery.by_channel[CHANNEL] as usize];
        let known = inbox.known(&self.users[user], &device.to_string());
        known.map_or(0, |known| inbox.look_up(known).floor())
    }

    fn top(&mut self) -> u64 {
        self.hub.shelf(CHANNEL, self.now).map_or(0, Shelf::top)
    }

    fn is_dead(&self, user: usize, device: usize, offset: u64) -> bool {
        let dead = self.delivery.desk.dead.find(CHANNEL, offset);
        let is_of = |failure: &Failure| failure.user == self.users[user] && *failure.device == *device.to_string();
        dead.is_some_and(|letter| letter.failures.iter().any(is_of))
    }

    /// Whether a publication is not for a device: its filter keeps it out, or it has ended.
    fn is_not_for(&self, user: usize, device: usize, offset: u64) -> bool {
        let wants = self.books.get(&(user, device)).and_then(|book| book.wants);
        let said = &self.said[&offset];
        wants.is_some_and(|wants| wants != said.tag) || said.end_ms.is_some_and(|end_ms| end_ms <= self.now.mono_ms)
    }

    fn give(&mut self, client: Uuid, offset: u64, by_name: bool) {
        let Client { user, device, last, .. } = self.clients[&client];
        let floor = self.floor(user, device);
        if by_name {
            assert!(offset > floor, "{offset} was received already, the floor is {floor}");
        }
        assert!(!self.is_not_for(user, device, offset), "{offset} is not for {client}");
        for skipped in last + 1..offset {
            let passed =
                skipped <= floor || self.is_dead(user, device, skipped) || self.is_not_for(user, device, skipped);
            assert!(passed, "{client} was given {offset} after {last}, and its floor is {floor}");
        }
        self.clients.get_mut(&client).unwrap().last = offset;
        self.books.get_mut(&(user, device)).unwrap().given.insert(offset);
    }

    /// What the home says to sessions by their names.
    fn take_out(&mut self) {
        let out: Vec<_> = self.delivery.out().collect();
        for dispatch in out {
            let Some(client) = self.clients.get_mut(&dispatch.seat.client).filter(|client| !client.is_over) else {
                continue;
            };
            match dispatch.what {
                Sending::Publications { publications, behind, .. } => {
                    client.behind = behind && self.fault != Fault::HearsAll;
                    let began = publications.first().map(|publication| publication.offset - 1);
                    // What is sent again begins behind the floor, wherever the session was.
                    client.last = began.map_or(client.last, |began| client.last.min(began));
                    let skips = usize::from(self.fault == Fault::SkipsOne && publications.len() > 1);
                    for publication in publications.iter().skip(skips) {
                        self.give(dispatch.seat.client, publication.offset, true);
                    }
                }
                Sending::Gap => client.is_over = true,
                Sending::Positions(_) => {}
            }
        }
    }

    fn publish(&mut self) {
        let tag = self.random.random_range(0..3);
        let ttl_ms = (self.is_choosy && self.random.random_bool(0.1)).then(|| self.random.random_range(1..4_000));
        let tags = Some([("k".into(), tag.to_string().into())].into());
        let message = NewPublication { tags, ttl_ms, ..NewPublication::new(Payload::json("1")) };
        let placed = self.hub.publish(CHANNEL, message, self.kept, self.now);
        if placed.is_err() && ttl_ms.is_some() {
            // There are few of these.
            return;
        }
        let Ok(Placed::Done(published)) = placed else { panic!("{placed:?}") };
        let shelf = self.hub.shelf(CHANNEL, self.now).unwrap();
        let offset = published.position.offset;
        self.delivery.published(CHANNEL, offset, None, shelf, self.now);
        self.said.insert(offset, Said { tag, end_ms: ttl_ms.map(|ttl_ms| self.now.mono_ms + ttl_ms) });
        self.take_out();
        let along = self.clients.iter().filter(|(_, client)| !client.behind && !client.is_over);
        for client in along.map(|(client, _)| *client).collect::<Vec<_>>() {
            let Client { user, device, .. } = self.clients[&client];
            if self.is_not_for(user, device, offset) {
                continue;
            }
            let floor = self.floor(user, device);
            assert!(offset <= floor + u64::from(self.options.max_unacked), "{offset} is too far beyond {floor}");
            self.give(client, offset, false);
        }
    }

    fn arrive(&mut self, user: usize, device: usize) {
        self.next_client += 1;
        let client = Uuid::from_u128(self.next_client);
        let name = device.to_string();
        let user_name = self.users[user].clone();
        let whose = Whose { user: &user_name, device: &name };
        self.delivery.admit(CHANNEL, whose, self.now).unwrap();
        let info = Arc::new(ClientInfo { user: user_name.clone(), client, conn_info: None, chan_info: None });
        let join = Join {
            filter: None,
            channel: &CHANNEL.into(),
            shard: 0,
            info: &info,
            announce: false,
            presence: false,
            recover: None,
            mode: RecoveryMode::Stream,
            recovery_limit: Limit { publications: 0, bytes: 0 },
            whole: false,
            stream: true,
        };
        self.hub.subscribe(join, self.kept, self.now).unwrap();
        let before = self.floor(user, device);
        let shelf = self.hub.shelf(CHANNEL, self.now).unwrap();
        let wants = (self.is_choosy && device == 1).then_some(1);
        let filter = wants.map(|wants: u8| {
            let test = Test::Is(wants.to_string().into());
            Arc::new(TagsFilter::new(Condition::Tag { key: "k".into(), test }).unwrap())
        });
        let book = self.books.entry((user, device)).or_insert(Book { began: before, ..Book::default() });
        book.wants = wants;
        let listener = Listener { filter, ..Listener::at(Seat { client, shard: 0, session: 0 }) };
        let Arrival { floor, whole } = self.delivery.arrive(CHANNEL, whose, listener, shelf, self.now);
        let book = self.books.get_mut(&(user, device)).unwrap();
        book.has_lost |= before != floor;
        assert_eq!(whole, !book.has_lost, "what is lost is told");
        book.lost.extend(before + 1..=floor);
        self.clients.insert(client, Client { user, device, behind: false, last: floor, is_over: false });
        self.take_out();
    }

    fn depart(&mut self, client: Uuid) {
        self.clients.remove(&client);
        self.hub.unsubscribe(CHANNEL, 0, client, self.now);
        self.delivery.depart(CHANNEL, client, self.now);
    }

    fn receive(&mut self, client: Uuid, offset: u64) {
        let Client { user, device, .. } = self.clients[&client];
        let name = device.to_string();
        let user_name = self.users[user].clone();
        let whose = Whose { user: &user_name, device: &name };
        let before = self.floor(user, device);
        let shelf = self.hub.shelf(CHANNEL, self.now).expect("somebody subscribes");
        let answer = self.delivery.received(CHANNEL, whose, client, ("", offset), shelf, self.now);
        answer.expect("what a session was given can be received");
        let book = self.books.get_mut(&(user, device)).unwrap();
        book.answered = book.answered.max(offset);
        book.has_lost &= offset <= before;
        let floor = self.floor(user, device);
        assert!(floor >= before.max(offset), "what follows and is not for it is passed as well");
        assert!(self.is_choosy || floor == before.max(offset));
        self.take_out();
    }

    fn retry(&mut self, client: Uuid) {
        let Client { user, device, last, .. } = self.clients[&client];
        let (name, user_name) = (device.to_string(), self.users[user].clone());
        let whose = Whose { user: &user_name, device: &name };
        let answer = self.delivery.retry(CHANNEL, whose, ("", last), 500, self.now);
        assert_eq!(answer.is_ok(), last > self.floor(user, device), "{answer:?}");
        self.take_out();
    }

    fn wait(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.unix_ms += ms as i64;
        self.delivery.sweep(&mut self.hub, self.now);
        self.take_out();
    }

    fn any_client(&mut self) -> Option<Uuid> {
        let at = self.random.random_range(0..self.clients.len().max(1));
        self.clients.keys().nth(at).copied()
    }

    fn step(&mut self) {
        let one = self.any_client();
        match (self.random.random_range(0..100), one) {
            (0..10, Some(client)) if self.fault == Fault::PassesOne => self.pass_one(client),
            (0..35, _) => self.publish(),
            (35..50, _) if self.clients.len() < 8 => {
                let (user, device) = (self.random.random_range(0..3), self.random.random_range(0..2));
                self.arrive(user, device);
            }
            (50..57, Some(client)) => self.depart(client),
            (57..80, Some(client)) if !self.clients[&client].is_over => {
                let last = self.clients[&client].last;
                let back = self.random.random_range(0..3);
                self.receive(client, last.saturating_sub(back));
            }
            (80..83, Some(client)) if !self.clients[&client].is_over => self.retry(client),
            (83..100, _) => {
                let ms = self.random.random_range(1..1_500);
                self.wait(ms);
            }
            _ => {}
        }
        self.check_floors();
    }

    fn pass_one(&mut self, client: Uuid) {
        let inbox = &mut self.delivery.inboxes[0];
        let device = &mut inbox.live[inbox.seats[&client] as usize].device;
        device.advance(device.floor() + 1);
    }

    /// Runs to the end, and looks whether all was received and nothing is left.
    fn run(&mut self) {
        for _ in 0..300 {
            self.step();
        }
        self.settle();
        self.wait(100_000);
        self.check_floors();
        assert_eq!(self.delivery.inboxes[0].unreceived, 0, "nobody owes anything");
        let all: Vec<_> = self.clients.keys().copied().collect();
        all.into_iter().for_each(|client| self.depart(client));
        self.wait(100_000);
        assert_eq!(self.delivery.desk.wakes.len(), 0, "nothing is due where nobody is");
    }

    fn check_floors(&self) {
        for ((user, device), book) in &self.books {
            let floor = self.floor(*user, *device);
            assert!(floor >= book.answered, "an answered floor went back");
            for offset in book.began + 1..=floor {
                let known = book.given.contains(&offset)
                    || book.lost.contains(&offset)
                    || self.is_not_for(*user, *device, offset);
                assert!(
                    known || self.is_dead(*user, *device, offset) || offset <= book.answered,
                    "{offset} was skipped"
                );
            }
        }
    }

    /// Everybody comes back, reads and says so: everything is received in the end.
    fn settle(&mut self) {
        for client in self.clients.keys().copied().collect::<Vec<_>>() {
            self.depart(client);
        }
        let devices: Vec<_> = self.books.keys().copied().collect();
        devices.into_iter().for_each(|(user, device)| self.arrive(user, device));
        for _ in 0..5_000 {
            let all: Vec<_> = self.clients.iter().map(|(client, entry)| (*client, entry.last, entry.is_over)).collect();
            for (client, last, is_over) in all {
                if is_over {
                    let Client { user, device, .. } = self.clients[&client];
                    self.depart(client);
                    self.arrive(user, device);
                } else {
                    self.receive(client, last);
                }
            }
            let top = self.top();
            let devices: Vec<_> = self.books.keys().copied().collect();
            if devices.iter().all(|(user, device)| self.floor(*user, *device) == top) {
                return;
            }
            self.wait(50);
        }
        panic!("not everything is received in the end");
    }
}

#[test]
fn every_device_of_every_member_gets_everything_in_order_or_is_told() {
    let seeds = std::env::var("DELIVERY_SEEDS").map_or(300, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        if let Err(panic) = std::panic::catch_unwind(|| World::new(seed, Fault::None).run()) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn planted_faults_are_found() {
    for fault in [Fault::SkipsOne, Fault::PassesOne, Fault::HearsAll] {
        let is_found = |seed| std::panic::catch_unwind(|| World::new(seed, fault).run()).is_err();
        assert!((0..20).any(is_found), "{fault:?} is not found");
    }
}

#[test]
fn who_says_again_and_again_that_it_does_not_want_it_yet_moves_the_time_and_has_nothing_else_written() {
    let mut world = World::new(0, Fault::None);
    world.is_choosy = false;
    world.publish();
    world.arrive(0, 0);
    let retries = |world: &World| {
        let events = world.delivery.trace().of(CHANNEL, 1);
        events.iter().filter(|event| event.what == What::Retry).count()
    };
    for attempt in 1..OPTIONS.max_attempts {
        for _ in 0..100 {
            let (ada, phone) = (world.users[0].clone(), "0");
            let whose = Whose { user: &ada, device: phone };
            world.delivery.retry(CHANNEL, whose, ("", 1), 2_000, world.now).unwrap();
            let told = world.delivery.out().count();
            assert!(told <= 1, "it is told once that it is behind");
            world.wait(500);
        }
        assert_eq!(retries(&world), usize::from(attempt), "once for each attempt");
        world.wait(2_000);
    }
    let sent = world.delivery.trace().of(CHANNEL, 1).iter().filter(|event| event.what == What::Sent).count();
    assert_eq!(sent, usize::from(OPTIONS.max_attempts), "each was sent again when the time had come");
}

/// A device that keeps up, and of a publication that it was sent with everybody says nothing.
fn silent() -> World {
    let mut world = World::new(0, Fault::None);
    world.is_choosy = false;
    world.arrive(0, 0);
    world.publish();
    world
}

#[test]
fn a_clock_that_is_set_back_holds_up_no_attempt() {
    let mut world = silent();
    world.now.unix_ms -= 3_600_000;
    (0..4).for_each(|_| world.wait(OPTIONS.ack_timeout_ms));
    let sent = world.delivery.trace().of(CHANNEL, 1).iter().filter(|event| event.what == What::Sent).count();
    assert!(sent > 0, "it was never sent again");
}

#[test]
fn a_clock_that_is_set_forward_forgets_no_device_and_time_that_passes_does() {
    for (mono_ms, is_known) in [(0, true), (2 * OPTIONS.device_ttl_ms, false)] {
        let mut world = silent();
        let client = world.clients.keys().copied().next().unwrap();
        world.depart(client);
        world.now.unix_ms += 2 * OPTIONS.device_ttl_ms as i64;
        world.now.mono_ms += mono_ms;
        (0..4).for_each(|_| world.wait(100));
        let inbox = &world.delivery.inboxes[0];
        assert_eq!(inbox.known(&world.users[0], "0").is_some(), is_known);
    }
}
