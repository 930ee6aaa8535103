//! Where a shard sleeps: a read of its eventfd through glommio, so that glommio's own work goes on meanwhile.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd};

use glommio::io::BufferedFile;

/// An eventfd that can be waited for inside a glommio executor.
#[derive(Debug)]
pub struct Parking {
    file: BufferedFile,
}

impl Parking {
    /// Must be called inside a glommio executor.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn new(eventfd: BorrowedFd<'_>) -> io::Result<Self> {
        let fd = eventfd.try_clone_to_owned()?.into_raw_fd();
        // SAFETY: the descriptor is ours alone: it was just made and let go.
        // JUSTIFICATION: glommio has no other way to wait for a descriptor of ours.
        let file = unsafe { BufferedFile::from_raw_fd(fd) };
        Ok(Self { file })
    }

    /// Waits until the eventfd is signalled, and resets it.
    pub async fn wait(&self) {
        // A failed read is a spurious wake: the caller looks around anyway.
        let _ = self.file.read_at(0, 8).await;
    }

    /// Gives the descriptor back. Without it glommio complains in the log.
    pub async fn close(self) {
        let _ = self.file.close().await;
    }
}
