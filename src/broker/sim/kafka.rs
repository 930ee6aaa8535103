//! A model of the Kafka between nodes and their buckets: a topic of what is to be published, and of each node a mover, which takes
//! what lies in its partitions to the buckets and then tells the nodes.
//!
//! A mover is given others' partitions and loses its own; it dies between any two steps, and what it was about to tell is lost, which
//! the nodes hear as a hole, sooner or later. One that has lost a partition may still tell what it has moved.

use std::collections::{BTreeMap, VecDeque};

use super::buckets::{Buckets, Fault, MovedUp, Sent};
use crate::broker::bridge::Publish;

const PARTITIONS: usize = 2;

/// A record that its bucket has, and of which the nodes are not told yet.
#[derive(Debug)]
struct Moving {
    partition: usize,
    offset: u64,
    bucket: u16,
    generation: u64,
    told: Vec<Sent>,
}

#[derive(Debug, Default)]
struct Mover {
    /// The next record of each of its partitions.
    next: BTreeMap<usize, u64>,
    moving: VecDeque<Moving>,
    /// By bucket: into which generation it moves.
    generations: Vec<u64>,
}

/// Up to where a partition was moved, and into which generation of each bucket.
#[derive(Clone, Debug)]
struct Committed {
    offset: u64,
    generations: Vec<u64>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Kafka {
    topic: [Vec<Publish>; PARTITIONS],
    committed: [Committed; PARTITIONS],
    /// Whose a partition is.
    owners: [usize; PARTITIONS],
    /// By node.
    movers: Vec<Mover>,
    /// What nodes have not heard, and have yet to be told that.
    holes: Vec<(usize, u16)>,
}

impl Kafka {
    /// An empty topic, of as many nodes; all is moved into these generations of the buckets.
    pub(super) fn new(nodes: usize, generations: &[u64]) -> Self {
        let mover = |_| Mover { generations: generations.to_vec(), ..Mover::default() };
        let committed = Committed { offset: 0, generations: generations.to_vec() };
        let mut kafka = Self {
            topic: Default::default(),
            committed: [(); PARTITIONS].map(|()| committed.clone()),
            owners: [0; PARTITIONS],
            movers: (0..nodes).map(mover).collect(),
            holes: Vec::new(),
        };
        (0..PARTITIONS).for_each(|partition| kafka.begin(partition % nodes, partition, generations));
        kafka
    }

    /// Keeps a record. It is acknowledged.
    pub(super) fn write(&mut self, publish: Publish) {
        let partition = publish.channel.len() + usize::from(publish.channel.ends_with('2'));
        self.topic[partition % PARTITIONS].push(publish);
    }

    /// A node's mover takes a partition over, from where the group stands; from the beginning where a bucket has lost what was moved.
    fn begin(&mut self, node: usize, partition: usize, now: &[u64]) {
        let Committed { offset, generations } = &self.committed[partition];
        let start = if generations == now { *offset } else { 0 };
        self.owners[partition] = node;
        self.movers[node].next.insert(partition, start);
        if generations != now {
            self.rewind(node, now);
        }
    }

    /// A mover learns into which generations it moves from now on. All of its partitions are moved from the beginning.
    fn rewind(&mut self, node: usize, now: &[u64]) {
        let mover = &mut self.movers[node];
        mover.generations = now.to_vec();
        mover.next.values_mut().for_each(|next| *next = 0);
    }

    /// The records that buckets must have.
    fn records(&self) -> impl Iterator<Item = &Publish> {
        self.topic.iter().flatten()
    }
}

impl Buckets {
    /// A partition becomes another node's.
    pub(crate) fn rebalance(&mut self, partition: usize, node: usize) {
        let (now, partition) = (self.generations(), partition % PARTITIONS);
        let owner = self.kafka.owners[partition];
        self.kafka.movers[owner].next.remove(&partition);
        self.kafka.begin(node, partition, &now);
    }

    /// A mover dies with its node, which stays among the movers as another.
    pub(crate) fn kill_mover(&mut self, node: usize) {
        let now = self.generations();
        let dead =
            std::mem::replace(&mut self.kafka.movers[node], Mover { generations: now.clone(), ..Mover::default() });
        for Moving { bucket, told, .. } in dead.moving {
            self.kafka.holes.extend(told.into_iter().map(|(node, ..)| (node, bucket)));
        }
        let heir = (node + 1) % self.kafka.movers.len();
        dead.next.keys().for_each(|partition| self.kafka.begin(heir, *partition, &now));
    }

    /// A mover takes its next record to its bucket; one at a time is on its way to each. False where there is none.
    pub(crate) fn move_next(&mut self, node: usize, partition: usize) -> bool {
        let partition = partition % PARTITIONS;
        let mover = &self.kafka.movers[node];
        let Some(offset) = mover.next.get(&partition).copied() else { return false };
        let Some(record) = self.kafka.topic[partition].get(offset as usize).cloned() else { return false };
        let bucket = self.bucket_of(&record.channel);
        if self.is_away || mover.moving.iter().any(|moving| moving.bucket == bucket) {
            return false;
        }
        let generation = mover.generations[usize::from(bucket)];
        let told = match self.move_up((partition, offset), generation, record) {
            MovedUp::Done(told) => told,
            MovedUp::Already => Vec::new(),
            MovedUp::Another => {
                let now = self.generations();
                self.kafka.rewind(node, &now);
                return true;
            }
        };
        let mover = &mut self.kafka.movers[node];
        mover.next.insert(partition, offset + 1);
        mover.moving.push_back(Moving { partition, offset, bucket, generation, told });
        true
    }

    /// A mover tells the nodes of what it has moved first, as far as that arrives. False where there is nothing.
    pub(crate) fn tell_next(&mut self, node: usize, arrives: bool) -> bool {
        let now = self.generations();
        let Some(Moving { partition, bucket, generation, told, .. }) = self.kafka.movers[node].moving.pop_front()
        else {
            return false;
        };
        for (of, shard, delivery) in told {
            // What was told in a generation that is over comes to nothing.
            match arrives && now[usize::from(bucket)] == generation {
                true => self.deliver(of, shard, delivery),
                false => self.kafka.holes.push((of, bucket)),
            }
        }
        let is_early = self.fault == Some(Fault::EarlyCommit);
        let mover = &self.kafka.movers[node];
        if let Some(next) = mover.next.get(&partition).copied() {
            let in_flight = mover.moving.iter().filter(|moving| moving.partition == partition);
            let first = in_flight.map(|moving| moving.offset).min().unwrap_or(next);
            let offset = if is_early { next + 1 } else { first.min(next) };
            self.kafka.committed[partition] = Committed { offset, generations: mover.generations.clone() };
        }
        true
    }

    /// A mover looks whether buckets have lost what it has moved.
    pub(crate) fn look_at_generations(&mut self, node: usize) {
        let now = self.generations();
        if self.kafka.movers[node].generations != now && self.fault != Some(Fault::IntoAnyGeneration) {
            self.kafka.rewind(node, &now);
        }
    }

    /// Nodes are told that they have not heard something.
    pub(crate) fn tell_holes(&mut self) {
        for (node, bucket) in std::mem::take(&mut self.kafka.holes) {
            self.tell_hole(node, bucket);
        }
    }

    /// All that lies in the topic is moved, and told.
    pub(crate) fn move_all(&mut self) {
        let nodes = self.kafka.movers.len();
        for node in 0..nodes {
            self.look_at_generations(node);
        }
        let mut goes_on = true;
        while goes_on {
            goes_on = false;
            for node in 0..nodes {
                goes_on |= (0..PARTITIONS).any(|partition| self.move_next(node, partition));
                goes_on |= self.tell_next(node, true);
            }
        }
        self.tell_holes();
    }

    /// Every record that was acknowledged has come to its bucket, once.
    pub(crate) fn check_moved(&self) {
        let mut records: Vec<_> =
            self.kafka.records().map(|publish| (publish.channel.clone(), publish.body.clone())).collect();
        records.sort();
        assert_eq!(self.came(), records, "what was acknowledged is where it belongs, once");
    }
}
