//! Which of a scenario's clients are there, and who is away until when.

use std::collections::BTreeSet;

/// Whether a client is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// On its way: connected or not, it has not yet all that it comes for.
    Coming,
    /// It does what it is there for.
    Here,
    /// Without a connection for a while.
    Away,
    /// Without one for good: the server has ended it, or never let it in.
    Gone,
}

/// Those who come back, each at its time.
#[derive(Debug, Default)]
pub(crate) struct Away(BTreeSet<(u64, u32)>);

impl Away {
    /// A client is away until then, nanoseconds.
    pub(crate) fn insert(&mut self, until_ns: u64, client: u32) {
        self.0.insert((until_ns, client));
    }

    /// When the next one comes back, if anybody is away.
    pub(crate) fn next_due_ns(&self) -> Option<u64> {
        self.0.first().map(|(until_ns, _)| *until_ns)
    }

    /// Takes the next one whose time has come, with that time.
    pub(crate) fn take(&mut self, now_ns: u64) -> Option<(u64, u32)> {
        self.next_due_ns().filter(|until_ns| *until_ns <= now_ns)?;
        self.0.pop_first()
    }

    /// Nobody stays away for longer than until then.
    pub(crate) fn end(&mut self, end_ns: u64) {
        self.0 = self.0.iter().map(|(until_ns, client)| (end_ns.min(*until_ns), *client)).collect();
    }

    /// How many are away.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
