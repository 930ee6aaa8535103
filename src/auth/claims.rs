//! What a token that was accepted says.

use super::grant::Grant;
use crate::model::{Device, Payload};

/// Which token it is, for those that are called back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// `iat`, Unix seconds; `None` where it is missing, or is no date.
    pub issued_unix_s: Option<i64>,
    /// `jti`; `None` where it is missing, empty, or neither a string nor a number.
    pub id: Option<Box<str>>,
}

/// A connection token's claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionClaims {
    /// `sub`: the user, empty when anonymous.
    pub user: Box<str>,
    /// Which token it is.
    pub stamp: Stamp,
    /// `info` or `b64info`: shown to others.
    pub info: Option<Payload>,
    /// When the session expires, Unix seconds: `expire_at` where it is given (0 is never), else `exp`.
    pub exp_unix_s: Option<i64>,
    /// `device` and `device_kind`, or those of `meta`: which device the session belongs to.
    pub device: Device,
    /// `subs`: server-side subscriptions with their terms.
    pub subs: Vec<(Box<str>, Grant)>,
    /// `channels`: server-side subscriptions on the namespaces' terms.
    pub channels: Vec<Box<str>>,
}

/// A subscription token's claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionClaims {
    /// `sub`: the user, empty when anonymous.
    pub user: Box<str>,
    /// Which token it is.
    pub stamp: Stamp,
    /// `channel`
    pub channel: Box<str>,
    /// `client`: the only session that may use the token; empty where every session of the user may.
    pub client: Box<str>,
    /// The terms.
    pub grant: Grant,
}
