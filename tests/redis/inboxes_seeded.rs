//! Ledgers against a naive model: any calls of two nodes, from a seed.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use ringpost::cluster::redis::functions::Functions;
use ringpost::model::Life;
use ringpost::model::ledger::{Happened, LedgerMember, LetterFilter, Noted};

use crate::functions::{linked, node, seeded};
use crate::inboxes::{ROOM, add, attach, both, detach, failed, floor, given_up, note, publish_up_to, remove};
use crate::server::{Kind, Server};

const SEEDS: u64 = 20;
const STEPS: usize = 120;
const USERS: [&str; 3] = ["u", "v", "w"];
const DEVICES: [&str; 3] = ["", "a", "b"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Device {
    floor: u64,
    failed: u16,
    has_lost: bool,
    /// The nodes that have it.
    here: BTreeSet<usize>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Member {
    received: u64,
    read: u64,
    devices: BTreeMap<&'static str, Device>,
}

/// Attempts by user and device.
type Letter = BTreeMap<(&'static str, &'static str), u16>;

struct World<'a> {
    server: &'a Server,
    random: StdRng,
    nodes: [Functions; 2],
    top: u64,
    life: Life,
    members: BTreeMap<&'static str, Member>,
    /// Those of the life that is now.
    letters: BTreeMap<u64, Letter>,
}

impl World<'_> {
    async fn step(&mut self) {
        let at = self.random.random_range(0..2);
        let user = *USERS.choose(&mut self.random).unwrap();
        let id = *DEVICES.choose(&mut self.random).unwrap();
        match self.random.random_range(0..20) {
            0..3 => {
                self.top += 1;
                self.life = publish_up_to(&self.nodes[at], self.top).await;
            }
            3 | 4 => {
                add(&self.nodes[at], &[user]).await;
                let top = self.top;
                self.members.entry(user).or_insert_with(|| Member { received: top, read: top, ..Member::default() });
            }
            5 => {
                remove(&self.nodes[at], &[user]).await;
                self.members.remove(user);
            }
            6..10 => self.attach(at, user, id).await,
            10 => {
                detach(&self.nodes[at], user, id).await;
                let device = self.members.get_mut(user).and_then(|member| member.devices.get_mut(id));
                device.into_iter().for_each(|device| _ = device.here.remove(&at));
            }
            11 if self.random.random_bool(0.2) => self.begin_anew(at).await,
            _ => self.note(at, user, id).await,
        }
        self.compare().await;
    }

    async fn attach(&mut self, at: usize, user: &'static str, id: &'static str) {
        let Some(member) = self.members.get_mut(user) else { return };
        let row = attach(&self.nodes[at], user, id).await;
        let begins = Device { floor: member.received, ..Device::default() };
        let device = member.devices.entry(id).or_insert(begins);
        device.here.insert(at);
        assert_eq!((row.received, row.read), (member.received, member.read), "{user} {id}");
        assert_eq!(
            (row.floor, row.failed, row.has_lost),
            (device.floor, device.failed, device.has_lost),
            "{user} {id}"
        );
    }

    /// The stream is gone, and begins anew with the next publication.
    async fn begin_anew(&mut self, at: usize) {
        let node = &self.nodes[at];
        let head = node.keys().head(node.keys().bucket_of(ROOM));
        self.server.cli(&["DEL", &format!("{head}:m:{ROOM}")]);
        (self.life, self.top) = (publish_up_to(node, 1).await, 1);
        self.letters.clear();
        for member in self.members.values_mut() {
            (member.received, member.read) = (0, 0);
            for device in member.devices.values_mut() {
                (device.floor, device.failed, device.has_lost) = (0, 0, true);
            }
        }
    }

    async fn note(&mut self, at: usize, user: &'static str, id: &'static str) {
        let offset = self.random.random_range(0..self.top + 2);
        let attempts = self.random.random_range(1..5);
        let what = match self.random.random_range(0..6) {
            0..2 => floor(offset),
            2 => failed(offset, attempts),
            3 => Happened::Read(offset),
            4 => given_up(offset.max(1), attempts),
            _ => Happened::Resolved(offset),
        };
        let expected = self.expect(user, id, &what);
        assert_eq!(note(&self.nodes[at], user, id, what.clone()).await, expected, "{user} {id} {what:?}");
    }

    fn expect(&mut self, user: &'static str, id: &'static str, what: &Happened) -> Noted {
        let Some(member) = self.members.get_mut(user) else { return Noted::NoMember };
        if let Happened::Read(offset) = what {
            if *offset > self.top {
                return Noted::Beyond;
            }
            member.read = member.read.max(*offset);
            return Noted::Kept;
        }
        let Some(device) = member.devices.get_mut(id) else { return Noted::NoDevice };
        match what {
            Happened::Floor { floor, .. } if *floor > self.top => return Noted::Beyond,
            Happened::Floor { floor, received, failed, .. } => {
                if *floor > device.floor {
                    (device.floor, device.failed, device.has_lost) = (*floor, *failed, false);
                } else if *floor == device.floor {
                    device.failed = device.failed.max(*failed);
                }
                member.received = member.received.max(*received);
            }
            Happened::GivenUp(given_up) if given_up.letter.offset > self.top => return Noted::Beyond,
            Happened::GivenUp(given_up) if given_up.letter.offset > device.floor => {
                (device.floor, device.failed) = (given_up.letter.offset, 0);
                self.letters.entry(device.floor).or_default().insert((user, id), given_up.attempts);
            }
            Happened::Resolved(offset) => {
                if let Some(letter) = self.letters.get_mut(offset) {
                    letter.remove(&(user, id));
                    if letter.is_empty() {
                        self.letters.remove(offset);
                    }
                }
            }
            _ => {}
        }
        Noted::Kept
    }

    async fn compare(&self) {
        for user in USERS {
            let found = self.nodes[0].ledger_member(ROOM, user, &both()).await.unwrap();
            let expected = self.members.get(user);
            assert_eq!(found.is_some(), expected.is_some(), "{user}");
            let (Some(found), Some(expected)) = (found, expected) else { continue };
            let LedgerMember { top, members, received, read, devices, .. } = found;
            assert_eq!((top, members as usize), (self.top, self.members.len()));
            assert_eq!((received, read), (expected.received, expected.read), "{user}");
            let devices: BTreeSet<_> = devices.iter().map(|(id, floor, is_here)| (&**id, *floor, *is_here)).collect();
            let expected = expected.devices.iter().map(|(id, device)| (*id, device.floor, !device.here.is_empty()));
            assert_eq!(devices, expected.collect(), "{user}");
        }
        let filter = LetterFilter { after: 0, user: "".into(), since_unix_ms: 0, limit: 100 };
        let letters = self.nodes[1].letters(ROOM, &filter).await.unwrap();
        // Those of an earlier life stay until others have their places.
        let listed = letters.iter().filter(|letter| letter.life == self.life);
        let listed: BTreeMap<_, BTreeMap<_, _>> = listed
            .map(|letter| {
                let failures = letter.failures.iter();
                let failures = failures.map(|(name, attempts, _)| ((&*name.user, &*name.device), *attempts));
                (letter.body.offset, failures.collect())
            })
            .collect();
        assert_eq!(listed, self.letters);
    }
}

#[test]
fn any_calls_of_two_nodes_leave_the_ledger_that_a_naive_model_has() {
    let server = Server::start(Kind::Redis, &[]);
    crate::runtime().block_on(async {
        for seed in 0..SEEDS {
            let config = seeded(server.address(), seed);
            let link = linked(&config).await;
            let nodes = [node(&link, &config, 1, 1), node(&link, &config, 2, 2)];
            let random = StdRng::seed_from_u64(seed);
            let (members, letters) = (BTreeMap::new(), BTreeMap::new());
            let life = publish_up_to(&nodes[0], 1).await;
            let mut world = World { server: &server, random, nodes, top: 1, life, members, letters };
            for _ in 0..STEPS {
                world.step().await;
            }
        }
    });
}
