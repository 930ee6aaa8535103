//! Waking a shard that sleeps: an eventfd that its ring watches, written only when the shard says that it sleeps.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};

use rustix::event::{EventfdFlags, eventfd};

/// One per shard, shared with all that write to it.
///
/// The writer makes its message visible, then calls [`Waker::wake`]; the shard calls [`Waker::sleeps`] before
/// its last look for messages. Of the two fences one comes first, so either the shard sees the message or the
/// writer sees the sleeper.
#[derive(Debug)]
pub struct Waker {
    eventfd: OwnedFd,
    sleeping: AtomicBool,
}

impl Waker {
    /// A waker of a shard that is awake.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { eventfd: eventfd(0, EventfdFlags::CLOEXEC)?, sleeping: AtomicBool::new(false) })
    }

    /// The eventfd that is written to when the shard is woken.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }

    /// A message was left: wake the shard if it sleeps.
    #[inline]
    pub fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::Relaxed) {
            self.ring();
        }
    }

    /// Ends the shard's wait whether or not it says that it sleeps, for what it does not look for once more.
    #[cold]
    pub fn ring(&self) {
        // A counter that is full wakes as well.
        let _ = rustix::io::write(&self.eventfd, &1u64.to_ne_bytes());
    }

    /// The shard is about to sleep; it must look for messages once more after this.
    pub fn sleeps(&self) {
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Whether the shard sleeps and nobody has woken it.
    #[cfg(test)]
    pub(super) fn is_sleeping(&self) -> bool {
        self.sleeping.load(Ordering::Relaxed)
    }

    /// The shard is awake.
    pub fn awake(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
    }
}
