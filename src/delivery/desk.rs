//! What all inboxes of a home share: when they are looked at, what they have to say, what they could not deliver.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::change::Change;
use super::dead_letters::DeadLetters;
use super::dispatch::Dispatch;
use super::trace::{Trace, TraceEvent, What};
use super::wakes::Wakes;
use crate::time::Now;

/// Something that is counted for a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many more publications are to be received by devices, or fewer.
    Unreceived(i64),
    /// One was sent again.
    Redelivery,
    /// A device was given up on one.
    GivenUp,
    /// A device has missed something that was no longer kept.
    Lost,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) wakes: Wakes,
    /// Output: what sessions are told, in order.
    pub(super) out: Vec<Dispatch>,
    /// Output: what is counted, by the number of the namespace.
    pub(super) counts: Vec<(u32, Count)>,
    /// Output: what is to be kept on disk, in order.
    pub(super) changes: Vec<Change>,
    pub(super) dead: DeadLetters,
    pub(super) trace: Trace,
    random: StdRng,
}

impl Desk {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            wakes: Wakes::default(),
            out: Vec::new(),
            counts: Vec::new(),
            changes: Vec::new(),
            dead: DeadLetters::default(),
            trace: Trace::default(),
            random: StdRng::seed_from_u64(seed),
        }
    }

    pub(super) fn jitter(&mut self) -> u8 {
        self.random.random()
    }

    /// Something has happened to a message, or to several: `of` is the user, their device, and the attempt.
    pub(super) fn note(
        &mut self,
        channel: &Arc<str>,
        (first, last): (u64, u64),
        what: What,
        of: Option<(&Arc<str>, &str, u16)>,
        now: Now,
    ) {
        let (user, device, attempt) = of.map_or((None, "", 0), |(user, device, attempt)| (Some(user), device, attempt));
        self.trace.note(TraceEvent {
            channel: channel.clone(),
            first,
            last,
            at_unix_ms: now.unix_ms,
            what,
            user: user.cloned(),
            device: device.into(),
            attempt,
        });
    }
}
