//! To which node of a server a client comes, and what came of each.

use serde::{Deserialize, Serialize};

use crate::dice::{Dice, Draw};

/// The node of a client that has been connected so many times before. As many clients as there are nodes come to all of them, in
/// an order that is drawn: rooms take turns over clients as well, and in step with them each would have all of its members on one
/// node. Who comes back comes to the next node, as from behind a load balancer: what one node kept for it is to be had from
/// another.
pub(crate) fn node_of(client: u32, before: u32, nodes: u32) -> u32 {
    let first = Dice::new(0).below(Draw::Node, (client / nodes).into(), nodes as usize) as u64;
    ((u64::from(client) + first + u64::from(before)) % u64::from(nodes)) as u32
}

/// A node, with the clients that it had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeUse {
    /// Where it was.
    pub url: String,
    /// The version that it told.
    pub version: String,
    /// Clients that were there when the load began.
    pub clients: u64,
    /// Clients that came in after that.
    pub came: u64,
    /// Connections of clients that were in, which it has ended.
    pub ended: u64,
}

impl NodeUse {
    /// A node that nobody has come to.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
    }

    /// The load begins, with those who have come.
    pub fn begin(&mut self) {
        self.clients = std::mem::take(&mut self.came);
    }

    /// Adds what came of it in another part of the same run.
    pub fn add(&mut self, other: Self) {
        self.clients += other.clients;
        self.came += other.came;
        self.ended += other.ended;
        if self.version.is_empty() {
            self.version = other.version;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{find, read, set};

    #[test]
    fn members_and_talkers_of_each_room_are_on_all_nodes_and_all_nodes_have_as_many_clients() {
        for (nodes, rooms) in [(2, 20), (3, 21), (4, 20), (4, 8), (2, 2)] {
            let scenario = read(&find("fanout-rooms").unwrap()).unwrap();
            let plan = set(&scenario, &format!("channels={rooms}")).unwrap().plan().unwrap();
            let mut clients = vec![0; nodes as usize];
            let [mut members, mut talkers] = [(); 2].map(|()| vec![vec![0; nodes as usize]; rooms as usize]);
            for (client, channels) in (0..).zip(&plan.clients) {
                let node = node_of(client, 0, nodes) as usize;
                clients[node] += 1;
                channels.iter().for_each(|channel| members[*channel as usize][node] += 1);
            }
            for stream in &plan.streams {
                talkers[stream.channel as usize][node_of(stream.publisher, 0, nodes) as usize] += 1;
            }
            assert_eq!(clients, vec![plan.clients.len() / nodes as usize; nodes as usize]);
            let fewest = |of: &[Vec<u32>]| of.iter().flatten().copied().min();
            assert!(fewest(&members) >= Some(50 / nodes / 3), "{nodes} nodes: {members:?}");
            let whole = talkers.iter().filter(|room| room.iter().filter(|count| **count > 0).count() == 1).count();
            assert!(whole * 4 <= rooms as usize, "{nodes} nodes: {talkers:?}");
        }
    }

    #[test]
    fn who_comes_back_comes_to_the_next_node() {
        let node_of = |before| node_of(7, before, 3);
        assert_eq!([node_of(1), node_of(2), node_of(3)], [1, 2, 0].map(|on| (node_of(0) + on) % 3));
    }

    #[test]
    fn who_came_before_the_load_is_told_apart_from_who_came_after() {
        let mut node = NodeUse { came: 3, ..NodeUse::new("tcp://127.0.0.1:1") };
        node.begin();
        node.add(NodeUse { version: "1".into(), clients: 2, came: 1, ended: 1, ..NodeUse::default() });
        assert_eq!((node.clients, node.came, node.ended, node.version.as_str()), (5, 1, 1, "1"));
    }
}
