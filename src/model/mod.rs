//! What everybody talks about, apart from any protocol and its numbers: payloads, publications, places in a stream,
//! identities, refusals.
//!
//! Knows nothing of the rest of the node. What outlives a tick is owned and shared by reference count.

/// What a publication, or a client in presence, takes in a frame beside what applications and users choose, bytes: keys,
/// the client's id twice, offset and time.
const WORD_BYTES: usize = 128;

mod attributes;
mod bucket;
mod decimal;
mod device;
mod identity;
pub mod ledger;
mod life;
mod payload;
mod publication;
pub mod refusal;
mod scheduled;
mod subscribed;
mod tags_filter;

pub use attributes::{Attributes, TooLong};
pub use bucket::{BUCKET_LAYOUT, Keep, bucket_of};
pub use device::Device;
pub use identity::{ClientId, ClientInfo, Expiry, PresenceStats};
pub use life::Life;
pub use payload::{Payload, PayloadKind, PayloadRef, as_json};
pub use publication::{HistoryFilter, HistoryPage, Position, Publication, Recover, Tags, weight};
pub use scheduled::ScheduledId;
pub use subscribed::Subscribed;
pub use tags_filter::{BadFilter, Condition, TagsFilter, Test, Values};
