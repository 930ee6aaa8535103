//! What all inboxes of a home share: when they are looked at, what they have to say, what they could not deliver.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::change::Change;
use super::dead_letters::DeadLetters;
use super::dispatch::Dispatch;
use super::push::Push;
use super::trace::{Trace, TraceEvent, What};
use super::wakes::Wakes;
use crate::limits::{LOOKS_PER_SWEEP, PUSH_LOOKS_PER_SWEEP};
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
    /// So many members are to be told of one by a push.
    Pushed(u64),
}

/// For whom something is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// The namespace of this number.
    Namespace(u32),
    /// The namespace of this channel, whose number is not known since the configuration was read again.
    Channel(Arc<str>),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Desk {
    /// Of the configuration in force.
    pub(super) generation: u32,
    pub(super) wakes: Wakes,
    /// Output: what sessions are told, in order.
    pub(super) out: Vec<Dispatch>,
    /// Output: what is counted.
    pub(super) counts: Vec<(Account, Count)>,
    /// Output: what is to be kept, in order.
    pub(super) changes: Vec<Change>,
    pub(super) dead: DeadLetters,
    pub(super) trace: Trace,
    /// Output: whom pushes are to tell, in order.
    pub(super) pushes: Vec<Push>,
    /// What may still be looked at in this sweep.
    looks_left: usize,
    /// Members that may still be looked at for pushes in this sweep.
    push_looks_left: usize,
    random: StdRng,
    /// When the node began on its steady clock, as the wall clock had it then, Unix milliseconds; `None` before anybody asked.
    began_unix_ms: Option<i64>,
}

impl Desk {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            generation: 0,
            wakes: Wakes::default(),
            out: Vec::new(),
            counts: Vec::new(),
            changes: Vec::new(),
            dead: DeadLetters::default(),
            trace: Trace::default(),
            pushes: Vec::new(),
            looks_left: 0,
            push_looks_left: 0,
            random: StdRng::seed_from_u64(seed),
            began_unix_ms: None,
        }
    }

    /// A sweep begins.
    pub(super) fn begin_sweep(&mut self) {
        self.looks_left = LOOKS_PER_SWEEP;
        self.push_looks_left = PUSH_LOOKS_PER_SWEEP;
    }

    /// Whether something more may be looked at in this sweep.
    pub(super) fn has_looks(&self) -> bool {
        self.looks_left > 0
    }

    /// Whether more members may be looked at for pushes in this sweep.
    pub(super) fn has_push_looks(&self) -> bool {
        self.push_looks_left > 0
    }

    /// So many members were looked at for pushes, or are to be told.
    pub(super) fn looked_for_pushes(&mut self, number: usize) {
        self.push_looks_left = self.push_looks_left.saturating_sub(number);
    }

    /// So much was looked at.
    pub(super) fn looked_at(&mut self, number: usize) {
        self.looks_left = self.looks_left.saturating_sub(number);
    }

    /// So many bytes were sent by name: each KiB counts as a look.
    pub(super) fn sent_bytes(&mut self, bytes: usize) {
        self.looked_at(bytes / 1024);
    }

    /// What time it is, at `unix_s` or later, Unix seconds: asked before [`Desk::seen_s`].
    pub(super) fn begin_at(&mut self, unix_s: u32, now: Now) {
        let unix_ms = now.unix_ms.max(i64::from(unix_s) * 1000);
        self.began_unix_ms = Some(unix_ms - now.mono_ms as i64);
    }

    /// When a device is seen that is seen now, Unix seconds: as the wall clock had it when the node began, and so much later. A
    /// wall clock that is set has been away with nobody.
    pub(super) fn seen_s(&mut self, now: Now) -> u32 {
        let began_unix_ms = *self.began_unix_ms.get_or_insert(now.unix_ms - now.mono_ms as i64);
        let unix_s = began_unix_ms.saturating_add_unsigned(now.mono_ms).div_euclid(1000);
        u32::try_from(unix_s.max(0)).unwrap_or(u32::MAX)
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
