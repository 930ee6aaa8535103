//! The least log that there is: a file of zeros that is written with a sync (`RWF_DSYNC`), and begins anew at its end. Nobody
//! reads it.

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::Path;

use rustix::io::{ReadWriteFlags, pwritev2};

/// How long the file is, bytes: as a segment of the node's store.
const LOG_BYTES: usize = 64 << 20;

/// A file that is written with a sync.
pub(crate) struct Log {
    file: File,
    end: usize,
}

impl Log {
    /// Makes the file. A write changes nothing in it but what it writes.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        std::fs::write(path, vec![0; LOG_BYTES])?;
        let file = File::options().write(true).open(path)?;
        file.sync_all()?;
        Ok(Self { file, end: 0 })
    }

    /// Writes and syncs.
    pub(crate) fn keep(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.end + bytes.len() > LOG_BYTES {
            self.end = 0;
        }
        while !bytes.is_empty() {
            let written = pwritev2(&self.file, &[IoSlice::new(bytes)], self.end as u64, ReadWriteFlags::DSYNC)?;
            (self.end, bytes) = (self.end + written, &bytes[written..]);
        }
        Ok(())
    }
}
