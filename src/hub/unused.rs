//! Channels that only their stream keeps, in the order of their last use: who goes first when memory is short.
//!
//! A list through the channels themselves, so that a use costs no search and no allocation.

use slab::Slab;

use super::channel::Channel;
use super::link::{Link, NONE};

/// The ends of the list.
#[derive(Debug)]
pub(super) struct Unused {
    oldest: u32,
    newest: u32,
}

impl Unused {
    pub(super) fn new() -> Self {
        Self { oldest: NONE, newest: NONE }
    }

    /// The channel that was used the longest ago.
    pub(super) fn oldest(&self) -> Option<usize> {
        (self.oldest != NONE).then_some(self.oldest as usize)
    }

    /// The channel was used: it is the newest now.
    pub(super) fn touch(&mut self, channels: &mut Slab<Channel>, key: usize) {
        let number = u32::try_from(key).expect("channels are bounded by memory");
        if self.newest == number {
            return;
        }
        self.remove(channels, key);
        channels[key].link = Link { older: self.newest, newer: NONE, listed: true };
        match self.newest {
            NONE => self.oldest = number,
            newest => channels[newest as usize].link.newer = number,
        }
        self.newest = number;
    }

    /// The channel is used by somebody, or gone.
    pub(super) fn remove(&mut self, channels: &mut Slab<Channel>, key: usize) {
        let link = std::mem::replace(&mut channels[key].link, Link::OUT);
        if !link.listed {
            return;
        }
        match link.older {
            NONE => self.oldest = link.newer,
            older => channels[older as usize].link.newer = link.newer,
        }
        match link.newer {
            NONE => self.newest = link.older,
            newer => channels[newer as usize].link.older = link.older,
        }
    }
}
