//! What came of each node of a server.

use serde::{Deserialize, Serialize};

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

    #[test]
    fn who_came_before_the_load_is_told_apart_from_who_came_after() {
        let mut node = NodeUse { came: 3, ..NodeUse::new("tcp://127.0.0.1:1") };
        node.begin();
        node.add(NodeUse { version: "1".into(), clients: 2, came: 1, ended: 1, ..NodeUse::default() });
        assert_eq!((node.clients, node.came, node.ended, node.version.as_str()), (5, 1, 1, "1"));
    }
}
