//! What channels must keep beyond the process: records on the node's own disk.
//!
//! ```text
//! record → journal (a shard's: batches, one write in flight) → block → segment (a file of the shard)
//!                                                                   ↓ at the next start
//!                                   record ← scan (whole blocks, up to where the last write was torn)
//! ```
//!
//! `journal`, `record`, `block`, `segment`, `catalog`, `discards` and `recovery` know bytes and batches; `directory` and `files` know
//! files. None knows a session, a hub or a clock. `docs/decisions/store.md` has the format and its reasons.

pub mod batch;
pub mod block;
pub mod catalog;
pub mod directory;
pub mod discards;
pub mod error;
pub mod files;
pub mod identity;
pub mod journal;
pub mod record;
pub mod recovery;
pub mod segment;

pub use batch::Batch;
pub use directory::Directory;
pub use error::StoreError;
pub use journal::{Journal, JournalSetup, Request};
pub use record::Record;
pub use segment::{Prepared, SegmentId};

#[cfg(test)]
pub(crate) mod sim;
#[cfg(test)]
mod tests;
