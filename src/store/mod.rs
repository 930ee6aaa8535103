//! What channels must keep beyond the process: records on the node's own disk.
//!
//! ```text
//! record → journal (a shard's: batches, one write in flight) → block → segment (a file of the shard)
//!                                                                   ↓ at the next start
//!                                   record ← scan (whole blocks, up to where the last write was torn)
//! ```
//!
//! Knows bytes, files and batches; never a session, a hub or a clock. `docs/decisions/store.md` has the format and its
//! reasons.

pub mod batch;
pub mod block;
pub mod journal;
pub mod record;
pub mod segment;

pub use batch::Batch;
pub use journal::{Journal, Request};
pub use record::Record;
pub use segment::SegmentId;
