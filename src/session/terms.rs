//! On which terms a subscription is asked for.

use std::sync::Arc;

use super::subscription::Flags;
use crate::hub::RecoveryMode;
use crate::model::{ClientInfo, Device, Payload, Position, TagsFilter};

/// Where recovery begins, if the client asks for it and may.
pub(super) type RecoverFrom = Option<Position>;

/// On which terms a subscription is asked for.
#[derive(Clone, Debug)]
pub struct Terms {
    /// As others see the session in this channel.
    pub info: Arc<ClientInfo>,
    /// What holds for it.
    pub flags: Flags,
    /// Whether others hear of coming and going.
    pub announce: bool,
    /// Whether it is counted in presence.
    pub presence: bool,
    /// Where to recover from.
    pub recover: RecoverFrom,
    /// Whether the client has asked for recovery, also where there is none.
    pub was_recovering: bool,
    /// The user's device, where the channel is one of at least once.
    pub device: Option<Arc<Device>>,
    /// As the channel's options have it.
    pub mode: RecoveryMode,
    /// Recover no more than this many.
    pub recovery_max: usize,
    /// Refuse the subscription unless all can be recovered.
    pub whole: bool,
    /// Which publications the subscriber wants; `None` is all.
    pub filter: Option<Arc<TagsFilter>>,
    /// Application data for the client.
    pub data: Option<Payload>,
    /// When the subscription expires, Unix seconds.
    pub expire_at_unix_s: Option<i64>,
}

/// What a client asks for beyond the options.
#[derive(Clone, Debug, Default)]
pub(super) struct Wishes {
    pub(super) positioned: bool,
    pub(super) recoverable: bool,
    pub(super) join_leave: bool,
    pub(super) whole: bool,
    pub(super) server_side: bool,
    pub(super) filter: Option<Arc<TagsFilter>>,
}
