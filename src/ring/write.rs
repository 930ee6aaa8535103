//! A write of a file that is in flight: its bytes are the ring's until the kernel has done with them.

use std::os::fd::RawFd;

use io_uring::{opcode, squeue, types};
use rustix::io::{Errno, ReadWriteFlags};

use super::event::{Kind, token};

/// See the module.
#[derive(Debug)]
pub(super) struct Write {
    file: RawFd,
    at: u64,
    bytes: Vec<u8>,
    /// Bytes that the kernel has taken and synced.
    done: usize,
}

/// What a completion means for a write.
#[derive(Debug)]
pub(super) enum Progress {
    /// All is on disk.
    Synced,
    /// A part of it: the rest is to be asked for.
    Part,
    /// Unknown what is on disk.
    Failed(Errno),
}

impl Write {
    pub(super) fn new(file: RawFd, at: u64, bytes: Vec<u8>) -> Self {
        assert!(!bytes.is_empty(), "there is something to write");
        Self { file, at, bytes, done: 0 }
    }

    /// What is left, as an operation that ends when it is synced. The bytes stay where they are until then.
    pub(super) fn entry(&self) -> squeue::Entry {
        const DSYNC: i32 = ReadWriteFlags::DSYNC.bits() as i32;
        let left = &self.bytes[self.done..];
        // Longer ones are written in parts.
        let length = u32::try_from(left.len()).unwrap_or(1 << 30);
        opcode::Write::new(types::Fd(self.file), left.as_ptr(), length)
            .offset(self.at + self.done as u64)
            .rw_flags(DSYNC)
            .build()
            .user_data(token(Kind::Written, 0))
    }

    pub(super) fn completed(&mut self, result: i32) -> Progress {
        match usize::try_from(result) {
            Err(_) => return Progress::Failed(Errno::from_raw_os_error(-result)),
            // The kernel would take nothing the next time either.
            Ok(0) => return Progress::Failed(Errno::IO),
            Ok(taken) => self.done += taken,
        }
        assert!(self.done <= self.bytes.len(), "the kernel takes what it is given");
        if self.done == self.bytes.len() { Progress::Synced } else { Progress::Part }
    }

    /// The memory comes back.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
