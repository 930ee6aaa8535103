//! Who has a place among a user's sessions, against a naive model: any sessions of three nodes, from a seed.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use ringpost::cluster::redis::functions::Functions;
use ringpost::cluster::redis::sessions::{Enrolment, Place};
use ringpost::model::refusal::DisconnectKind;

use crate::functions::{linked, node, seeded};
use crate::server::{Kind, Server};
use crate::sessions::{client, enrolment, leases};

const SEEDS: u64 = 20;
const STEPS: usize = 100;
/// Times of birth.
const BIRTHS: u64 = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seat {
    slot: u8,
    birth: u64,
    kind: Option<&'static str>,
    device: &'static str,
}

/// By client.
type Seats = BTreeMap<u128, Seat>;

/// Who stays of those that live when one comes, or why it does not come.
fn decide(
    seats: &Seats,
    of: u128,
    comes: &Seat,
    place: Option<Place<'_>>,
    limit: u32,
) -> Result<Seats, DisconnectKind> {
    let mut stay = seats.clone();
    if let Some(place) = place {
        let same: Vec<_> =
            seats.iter().filter(|(_, seat)| seat.kind.is_some() && seat.device == comes.device).collect();
        if same.iter().any(|(_, seat)| seat.birth > comes.birth) {
            return Err(DisconnectKind::Replaced);
        }
        stay.retain(|number, _| same.iter().all(|(other, _)| *other != number));
        let others: Vec<_> = stay.iter().filter(|(_, seat)| seat.kind == comes.kind).collect();
        let mut births: Vec<_> = others.iter().map(|(_, seat)| seat.birth).chain([comes.birth]).collect();
        births.sort_unstable_by(|one, other| other.cmp(one));
        let is_back = same.iter().any(|(_, seat)| seat.kind == comes.kind);
        if !is_back && births.len() > place.limit as usize {
            if place.oldest_stays {
                return Err(DisconnectKind::DeviceLimit);
            }
            let youngest = births[..place.limit as usize].to_vec();
            if !youngest.contains(&comes.birth) {
                return Err(DisconnectKind::OtherDevice);
            }
            stay.retain(|_, seat| seat.kind != comes.kind || youngest.contains(&seat.birth));
        }
    }
    if limit > 0 && stay.len() >= limit as usize {
        return Err(DisconnectKind::ConnectionLimit);
    }
    stay.insert(of, comes.clone());
    Ok(stay)
}

struct World {
    random: StdRng,
    nodes: [Functions; 3],
    /// Which of them live.
    living: [bool; 3],
    seats: Seats,
    comes: u128,
}

impl World {
    async fn step(&mut self) {
        match self.random.random_range(0..10) {
            0..7 => self.comes().await,
            7 | 8 => self.goes().await,
            _ => {
                let at = self.random.random_range(0..3);
                // Somebody lives.
                self.living[at] = !self.living[at] || self.living.iter().filter(|lives| **lives).count() == 1;
            }
        }
        self.compare().await;
    }

    async fn comes(&mut self) {
        let random = &mut self.random;
        self.comes += 1;
        let slot = random.random_range(0..3);
        let kind = random.random_bool(0.8).then(|| *["phone", "web"].choose(random).unwrap());
        let births: Vec<_> = (0..BIRTHS).filter(|birth| self.seats.values().all(|seat| seat.birth != *birth)).collect();
        let device = *["", "a", "b", "c", "d"].choose(random).unwrap();
        let comes = Seat { slot: slot as u8 + 1, birth: *births.choose(random).unwrap(), kind, device };
        let place =
            kind.map(|kind| Place { kind, oldest_stays: random.random_bool(0.3), limit: random.random_range(1..4) });
        let limit = if random.random_bool(0.3) { random.random_range(1..6) } else { 0 };
        let enrolment = Enrolment { since_unix_ms: comes.birth, limit, place, ..enrolment(self.comes, device) };
        let verdict = self.nodes[slot].session_put(&enrolment, &leases(&self.living)).await.unwrap().map(drop);
        let (counted, dead): (Seats, Seats) =
            self.seats.clone().into_iter().partition(|(_, seat)| self.living[usize::from(seat.slot) - 1]);
        match decide(&counted, self.comes, &comes, place, limit) {
            Ok(stay) => {
                assert_eq!(verdict, Ok(()), "{enrolment:?} among {counted:?}");
                self.seats = stay.into_iter().chain(dead).collect();
            }
            Err(why) => assert_eq!(verdict, Err(why.into()), "{enrolment:?} among {counted:?}"),
        }
    }

    async fn goes(&mut self) {
        let Some(number) = self.seats.keys().copied().collect::<Vec<_>>().choose(&mut self.random).copied() else {
            return;
        };
        let slot = self.random.random_range(1..4);
        self.nodes[slot - 1].session_remove("u", client(number)).await.unwrap();
        self.seats.retain(|other, seat| *other != number || usize::from(seat.slot) != slot);
    }

    async fn compare(&self) {
        let sessions = self.nodes[0].sessions("u").await.unwrap();
        let mut found: Vec<_> = sessions
            .iter()
            .map(|one| (one.client.as_u128(), one.of.slot, one.kind.as_deref(), one.device.as_str()))
            .collect();
        found.sort_unstable();
        let expected: Vec<_> =
            self.seats.iter().map(|(number, seat)| (*number, seat.slot, seat.kind, seat.device)).collect();
        assert_eq!(found, expected);
        let online = self.seats.values().any(|seat| self.living[usize::from(seat.slot) - 1]);
        assert_eq!(self.nodes[0].online(&["u"], &leases(&self.living)).await.unwrap(), [online]);
    }
}

#[test]
fn any_sessions_of_three_nodes_have_the_places_that_a_naive_model_gives_them() {
    let server = Server::start(Kind::Redis, &[]);
    crate::runtime().block_on(async {
        for seed in 0..SEEDS {
            let config = seeded(server.address(), seed);
            let link = linked(&config).await;
            let nodes = [1, 2, 3].map(|slot| node(&link, &config, slot, slot.into()));
            let random = StdRng::seed_from_u64(seed);
            let mut world = World { random, nodes, living: [true; 3], seats: Seats::new(), comes: 0 };
            for _ in 0..STEPS {
                world.step().await;
            }
        }
    });
}
