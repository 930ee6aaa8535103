//! How many sessions each user has on the whole node, kept on the user's home shard, where it is limited.

use std::sync::Arc;

use hashbrown::HashMap;

/// The users at home on this shard that have enrolled sessions.
#[derive(Debug, Default)]
pub(in crate::broker) struct Roster {
    sessions: HashMap<Arc<str>, u32>,
}

impl Roster {
    /// Takes one more session of the user in, unless there are `limit` of them.
    pub(in crate::broker) fn enrol(&mut self, user: &Arc<str>, limit: u32) -> bool {
        let sessions = self.sessions.entry(user.clone()).or_default();
        let room = *sessions < limit;
        *sessions += u32::from(room);
        room
    }

    #[cfg(test)]
    pub(in crate::broker) fn sessions(&self) -> usize {
        self.sessions.values().map(|sessions| *sessions as usize).sum()
    }

    /// A session has ended.
    pub(in crate::broker) fn discharge(&mut self, user: &str) {
        let sessions = self.sessions.get_mut(user).expect("who leaves was enrolled");
        *sessions -= 1;
        if *sessions == 0 {
            self.sessions.remove(user);
        }
    }
}
