//! What one load process does of a plan.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use crate::limits::PROCESSES_MAX;
use crate::plan::Plan;

/// Which one of how many load processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which one, from 0.
    pub index: u32,
    /// How many processes share the work.
    pub of: u32,
}

impl Part {
    /// The only one.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// How many of so many are its own.
    pub fn some(self, all: u32) -> u32 {
        all / self.of + u32::from(self.index < all % self.of)
    }

    /// What it does of what all do together in a second.
    pub fn rate(self, per_s: f64) -> f64 {
        per_s / f64::from(self.of)
    }

    /// What the names of its clients and channels begin with. Where each process has a load of its own they must differ.
    pub fn stem(self, plan: &Plan) -> String {
        match plan.load.is_seen_whole() && self != Self::WHOLE {
            true => format!("loadgen-{}", self.index),
            false => "loadgen".into(),
        }
    }
}

/// A part of a plan: some of its clients, and the streams that they publish. Numbers are those of the whole plan, so
/// that a client has the same name, and a stream the same number, wherever it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The part of this process.
    pub part: Part,
    /// The plan, where the clients of other parts hear nothing.
    pub plan: Plan,
    /// The clients of this part, ascending.
    pub clients: Vec<u32>,
    /// The streams that they publish, ascending.
    pub streams: Vec<u32>,
    /// Whether anybody hears a channel of the whole plan, here or in another part.
    pub has_audience: bool,
}

impl Share {
    /// A part of a plan: the clients go round the parts, or whole groups of them where they must stay together. The plan
    /// of a load that is seen whole is that of one part already.
    ///
    /// # Errors
    /// When there are fewer such groups than parts.
    pub fn of(mut plan: Plan, part: Part) -> anyhow::Result<Self> {
        assert!(part.index < part.of && part.of <= PROCESSES_MAX, "{part:?}");
        let parts = if plan.load.is_seen_whole() {
            vec![part.index; plan.clients.len()]
        } else if must_stay_together(&plan) && part.of > 1 {
            by_groups(&plan, part.of)?
        } else {
            (0..plan.clients.len() as u32).map(|client| client % part.of).collect()
        };
        let has_audience = plan.clients.iter().any(|channels| !channels.is_empty());
        let is_own = |client: u32| parts[client as usize] == part.index;
        let clients = (0..plan.clients.len() as u32).filter(|client| is_own(*client)).collect();
        let streams = (0u32..).zip(&plan.streams).filter(|(_, stream)| is_own(stream.publisher));
        let streams = streams.map(|(number, _)| number).collect();
        for (channels, other) in plan.clients.iter_mut().zip(&parts) {
            if *other != part.index {
                *channels = Vec::new();
            }
        }
        Ok(Self { part, plan, clients, streams, has_audience })
    }

    /// What a client's user is called.
    pub fn user(&self, client: u32) -> String {
        format!("{}-{}", self.part.stem(&self.plan), self.plan.who(client).0)
    }

    /// All of a plan.
    pub fn whole(plan: Plan) -> Self {
        Self::of(plan, Part::WHOLE).expect("one part has everything together")
    }
}

/// In a closed loop the next message is due when one has arrived everywhere, which its process must see.
fn must_stay_together(plan: &Plan) -> bool {
    plan.load.is_closed_loop() && plan.clients.iter().any(|channels| !channels.is_empty())
}

/// By client: its part. Clients that a channel connects, whether they hear it or publish there, are in one part.
fn by_groups(plan: &Plan, parts: u32) -> anyhow::Result<Vec<u32>> {
    let mut groups = Groups::new(plan.clients.len());
    let mut first_of_channel = vec![None; plan.channels as usize];
    let heard = (0u32..).zip(&plan.clients).flat_map(|(client, channels)| channels.iter().map(move |on| (client, *on)));
    let published = plan.streams.iter().map(|stream| (stream.publisher, stream.channel));
    for (client, channel) in heard.chain(published) {
        groups.join(*first_of_channel[channel as usize].get_or_insert(client), client);
    }
    let group_of: Vec<_> = (0..plan.clients.len() as u32).map(|client| groups.find(client)).collect();
    let mut sizes = vec![0u32; plan.clients.len()];
    group_of.iter().for_each(|group| sizes[*group as usize] += 1);
    let mut largest_first: Vec<_> = (0..).zip(&sizes).filter(|(_, size)| **size > 0).collect::<Vec<(u32, &u32)>>();
    ensure!(
        largest_first.len() >= parts as usize,
        "{parts} load processes cannot share this work: with `outstanding` set, all publishers and subscribers of a \
         channel are in one process, and here only {} groups of clients have no channel in common. Ask for fewer \
         processes or more channels, or set outstanding=0 and a rate",
        largest_first.len()
    );
    largest_first.sort_by_key(|(_, size)| std::cmp::Reverse(**size));
    let mut part_of_group = vec![0; plan.clients.len()];
    let mut loads = vec![0u32; parts as usize];
    for (group, size) in largest_first {
        let part = (0..parts).min_by_key(|part| loads[*part as usize]).unwrap_or(0);
        loads[part as usize] += size;
        part_of_group[group as usize] = part;
    }
    Ok(group_of.iter().map(|group| part_of_group[*group as usize]).collect())
}

/// Disjoint sets of clients.
struct Groups {
    parents: Vec<u32>,
}

impl Groups {
    /// Everybody alone.
    fn new(clients: usize) -> Self {
        Self { parents: (0..clients as u32).collect() }
    }

    /// The client that a group is known by.
    fn find(&mut self, mut client: u32) -> u32 {
        while self.parents[client as usize] != client {
            let grandparent = self.parents[self.parents[client as usize] as usize];
            self.parents[client as usize] = grandparent;
            client = grandparent;
        }
        client
    }

    fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.find(one), self.find(other));
        self.parents[one.max(other) as usize] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{find, read, set};

    fn plan(name: &str, settings: &[&str]) -> Plan {
        let scenario = read(&find(name).unwrap()).unwrap();
        settings.iter().fold(scenario, |scenario, setting| set(&scenario, setting).unwrap()).plan().unwrap()
    }

    fn shares(plan: &Plan, of: u32) -> Vec<Share> {
        (0..of).map(|index| Share::of(plan.clone(), Part { index, of }).unwrap()).collect()
    }

    #[test]
    fn every_client_and_every_stream_is_in_one_share_with_all_that_it_hears() {
        for settings in [&["users=10", "contacts=3"][..], &["users=12", "contacts=2"]] {
            let plan = plan("direct", settings);
            let shares = shares(&plan, 3);
            let sorted = |numbers: Vec<&Vec<u32>>| {
                let mut numbers: Vec<_> = numbers.into_iter().flatten().copied().collect();
                numbers.sort_unstable();
                numbers
            };
            let clients = sorted(shares.iter().map(|share| &share.clients).collect());
            assert_eq!(clients, (0..plan.clients.len() as u32).collect::<Vec<_>>());
            let streams = sorted(shares.iter().map(|share| &share.streams).collect());
            assert_eq!(streams, (0..plan.streams.len() as u32).collect::<Vec<_>>());
            for share in &shares {
                for (client, channels) in plan.clients.iter().enumerate() {
                    let heard = if share.clients.contains(&(client as u32)) { channels.clone() } else { vec![] };
                    assert_eq!(share.plan.clients[client], heard);
                }
                let is_own = |stream: &u32| share.clients.contains(&plan.streams[*stream as usize].publisher);
                assert!(share.streams.iter().all(is_own));
                assert!(share.clients.len().abs_diff(plan.clients.len() / 3) <= 1, "{}", share.clients.len());
            }
        }
    }

    #[test]
    fn a_closed_loop_has_its_channels_whole() {
        let plan = plan("fanout-rooms", &["channels=7", "publishers=2", "subscribers=5", "outstanding=1"]);
        let shares = shares(&plan, 3);
        let mut sizes: Vec<_> = shares.iter().map(|share| share.clients.len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [14, 14, 21]);
        for share in shares {
            let audiences = share.plan.audiences();
            let hears_whole = |stream: &u32| audiences[share.plan.streams[*stream as usize].channel as usize] == 5;
            assert!(share.streams.len() >= 4 && share.streams.iter().all(hears_whole));
        }
    }

    #[test]
    fn a_closed_loop_that_cannot_be_shared_says_what_to_do() {
        let plan = plan("fanout", &["channels=2", "subscribers=5", "outstanding=1"]);
        let error = Share::of(plan, Part { index: 0, of: 3 }).unwrap_err().to_string();
        assert!(error.contains("only 2 groups") && error.contains("outstanding=0"), "{error}");
    }

    #[test]
    fn publishers_without_subscribers_share_a_closed_loop_freely() {
        let plan = plan("publish", &["publishers=9", "channels=1"]);
        assert!(shares(&plan, 3).iter().all(|share| share.streams.len() == 3));
    }
}
