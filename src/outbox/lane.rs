//! Conns in line to be sent to, first come, first served. Each is in a lane at most once.

use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Lane {
    conns: VecDeque<u32>,
    /// How many have been served since the beginning.
    served: u64,
}

impl Lane {
    #[inline]
    pub(super) fn push(&mut self, conn: u32) {
        self.conns.push_back(conn);
    }

    pub(super) fn pop(&mut self) -> Option<u32> {
        let conn = self.conns.pop_front()?;
        self.served += 1;
        Some(conn)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.conns.is_empty()
    }

    /// How many will have been served when all that are in line now have been.
    pub(super) fn end(&self) -> u64 {
        self.served + self.conns.len() as u64
    }

    /// Whether all have been served that were in line when [`Lane::end`] said so.
    pub(super) fn has_served(&self, end: u64) -> bool {
        self.served >= end
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.conns.capacity()
    }
}
