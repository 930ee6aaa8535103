//! Where durable channels are kept: the shard's end of the store, if the node has one.
//!
//! A channel whose namespace is kept in memory never comes here.

use crate::model::refusal::{Error, ErrorKind};
use crate::store::{Batch, Journal, Record};

/// See the module.
#[derive(Debug, Default)]
pub struct Log {
    journal: Option<Journal>,
    /// The batch of the last record.
    newest: Batch,
}

impl Log {
    /// The store has been read: from now on it takes more.
    pub(super) fn open(&mut self, journal: Journal) {
        self.newest = journal.committed();
        self.journal = Some(journal);
    }

    /// The journal, if there is one.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// As [`Log::journal`], for who serves it.
    pub fn journal_mut(&mut self) -> Option<&mut Journal> {
        self.journal.as_mut()
    }

    /// The batch of the last record. All that was ever appended is committed with it.
    pub fn newest(&self) -> Batch {
        self.newest
    }

    /// All batches up to this one are on disk.
    pub fn committed(&self) -> Batch {
        self.journal.as_ref().map_or(Batch::NONE, Journal::committed)
    }

    /// Whether what is not committed never will be.
    pub fn has_failed(&self) -> bool {
        self.journal.as_ref().is_some_and(Journal::is_shut)
    }

    /// Whether something new may be kept.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where the disk has failed, is full, or is too slow for what it is asked.
    pub fn check_room(&self) -> Result<(), Error> {
        match &self.journal {
            Some(journal) if journal.has_room() => Ok(()),
            Some(journal) if journal.is_shut() => Err(failed()),
            _ => Err(full()),
        }
    }

    /// Whether something small may be kept that is taken where there is no room for publications.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where so much of it waits already that the disk must be full.
    pub fn check_reserve(&self) -> Result<(), Error> {
        match &self.journal {
            Some(journal) if journal.is_swamped() => Err(full()),
            _ => Ok(()),
        }
    }

    /// Keeps a record; it is on disk with the batch that is returned. Where the disk has failed nothing is kept: who was
    /// promised something has asked [`Log::check_room`] before.
    pub fn append(&mut self, record: &Record<'_>) -> Batch {
        if let Some(journal) = &mut self.journal
            && let Ok(batch) = journal.append(record)
        {
            self.newest = batch;
        }
        self.newest
    }
}

/// What is told where the disk takes no more.
pub fn full() -> Error {
    ErrorKind::Internal.because("internal server error: the node's disk is full, or too slow")
}

/// What is told of something that waited for a disk that has failed.
pub fn failed() -> Error {
    ErrorKind::Internal.because("internal server error: the node's disk has failed")
}
