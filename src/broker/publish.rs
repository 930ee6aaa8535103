//! What a backend publishes.

use std::sync::Arc;

use crate::hub::Version;
use crate::model::{ClientId, Payload, Tags};

/// Fields of a publish order.
#[derive(Debug)]
pub struct Publish {
    /// Its namespace must be configured.
    pub channel: Arc<str>,
    /// JSON or bytes; both are given to clients of either encoding.
    pub data: Payload,
    /// Names and values that travel beside the data.
    pub tags: Option<Tags>,
    /// Do not keep it in the channel's history.
    pub skip_history: bool,
    /// Publishing again with the same key within the window gives the first result and no message.
    pub idempotency_key: Option<Box<str>>,
    /// What state of a thing it tells: an older one is dropped.
    pub version: Option<Box<Version>>,
    /// How long it is given to who recovers or reads history, milliseconds; `None` is as long as it is kept.
    pub ttl_ms: Option<u64>,
    /// The session that does not get the message (the sender, on whose behalf a backend publishes).
    pub exclude_client: Option<ClientId>,
}
