//! When which device, or which channel, is to be looked at: ordered by time, each registered once.

use std::collections::BTreeSet;

/// What is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wake {
    /// All connected devices of a channel, by the place of its inbox: something was published there a while ago.
    Inbox(u32),
    /// One device, by the places of the inbox and of what it has while it is connected.
    Device(u32, u32),
    /// What devices of a channel are sent once more, by the place of its inbox.
    Requeued(u32),
    /// A channel's positions have changed and are to be told.
    Positions(u32),
    /// Publications of a channel have waited long enough to be noticed.
    Pushes(u32),
    /// Members of a channel have noticed what they were told of by a push.
    Withdrawals(u32),
}

/// What is registered, by time.
#[derive(Debug, Default)]
pub(super) struct Wakes(BTreeSet<(u64, Wake)>);

impl Wakes {
    /// Registers what is registered at `due` for another time; `None` is never.
    pub(super) fn move_to(&mut self, wake: Wake, due: &mut Option<u64>, to_ms: Option<u64>) {
        if let Some(before_ms) = due.take() {
            self.0.remove(&(before_ms, wake));
        }
        if let Some(at_ms) = to_ms {
            self.0.insert((at_ms, wake));
        }
        *due = to_ms;
    }

    /// The first that is due: it is no longer registered.
    pub(super) fn pop(&mut self, now_ms: u64) -> Option<Wake> {
        let (at_ms, _) = self.0.first()?;
        if *at_ms > now_ms {
            return None;
        }
        self.0.pop_first().map(|(_, wake)| wake)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
