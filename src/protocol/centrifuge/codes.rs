//! The numbers and texts of the client protocol: errors (100–112), unsubscribes (2000–2501), disconnects (3001–3509), and of
//! those that the protocol leaves to applications the node's own (4501–4503).
//!
//! They, and what clients do about them, are those of <https://centrifugal.dev/docs/server/codes>: a client subscribes
//! anew after an unsubscribe of 2500 and up, and does not come back after a disconnect of 3500–3999 or 4500–4999. The
//! code of a disconnect is the close code of a WebSocket.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde::Deserialize;

use crate::model::refusal::{Disconnect, DisconnectKind, Error, ErrorKind, Unsubscribe};

/// All codes of errors.
pub const ERROR_CODES: RangeInclusive<u32> = 100..=112;

/// Codes of disconnects that a backend may choose among.
pub const BACKENDS_DISCONNECTS: RangeInclusive<u16> = 3000..=4999;

/// All kinds of disconnects that have a code here, by code.
pub const DISCONNECTS: [DisconnectKind; 20] = [
    DisconnectKind::Shutdown,
    DisconnectKind::ServerError,
    DisconnectKind::Expired,
    DisconnectKind::SubExpired,
    DisconnectKind::Slow,
    DisconnectKind::InsufficientState,
    DisconnectKind::ForceReconnect,
    DisconnectKind::NoPong,
    DisconnectKind::TooManyRequests,
    DisconnectKind::InvalidToken,
    DisconnectKind::BadRequest,
    DisconnectKind::Stale,
    DisconnectKind::ForceDisconnect,
    DisconnectKind::ConnectionLimit,
    DisconnectKind::ChannelLimit,
    DisconnectKind::PermissionDenied,
    DisconnectKind::TooManyErrors,
    DisconnectKind::OtherDevice,
    DisconnectKind::Replaced,
    DisconnectKind::DeviceLimit,
];

/// An error as clients read it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CodedError<'a> {
    /// The node's are among [`ERROR_CODES`].
    pub code: u32,
    /// For a person.
    #[serde(default)]
    pub message: Cow<'a, str>,
    /// Whether the same command can succeed later.
    #[serde(default)]
    pub temporary: bool,
}

impl<'a> From<&'a Error> for CodedError<'a> {
    fn from(error: &'a Error) -> Self {
        let (code, message, temporary) = of_error(error.kind);
        Self { code, message: or_default(&error.message, message), temporary }
    }
}

/// The end of a subscription as clients read it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CodedUnsubscribe<'a> {
    /// The node's are 2000, and 2500 and up.
    pub code: u32,
    /// For a person.
    #[serde(default)]
    pub reason: Cow<'a, str>,
}

impl From<Unsubscribe> for CodedUnsubscribe<'static> {
    fn from(kind: Unsubscribe) -> Self {
        let (code, reason) = match kind {
            Unsubscribe::Server => (2000, "server unsubscribe"),
            Unsubscribe::Insufficient => (2500, "insufficient state"),
            Unsubscribe::Expired => (2501, "subscription expired"),
        };
        Self { code, reason: Cow::Borrowed(reason) }
    }
}

/// The end of a session as clients read it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CodedDisconnect<'a> {
    /// 3000 to 4999.
    pub code: u16,
    /// For a person, at most 123 bytes (RFC 6455, 5.5).
    #[serde(default)]
    pub reason: Cow<'a, str>,
}

impl CodedDisconnect<'_> {
    /// Whether a client should come back (the code's range decides).
    pub fn reconnect(&self) -> bool {
        self.code < 3500 || (4000..4500).contains(&self.code) || self.code >= 5000
    }
}

impl<'a> From<&'a Disconnect> for CodedDisconnect<'a> {
    fn from(disconnect: &'a Disconnect) -> Self {
        let (code, reason) = of_disconnect(disconnect.kind);
        Self { code, reason: or_default(&disconnect.reason, reason) }
    }
}

/// Code and text of an error, and whether the same command can succeed later.
pub const fn of_error(kind: ErrorKind) -> (u32, &'static str, bool) {
    match kind {
        ErrorKind::Internal => (100, "internal server error", true),
        ErrorKind::Broken => (100, "internal server error", false),
        ErrorKind::Unauthorized => (101, "unauthorized", false),
        ErrorKind::NotYetValid => (101, "unauthorized: the token is not valid yet", true),
        ErrorKind::UnknownChannel => (102, "unknown channel", false),
        ErrorKind::PermissionDenied => (103, "permission denied", false),
        ErrorKind::MethodNotFound => (104, "method not found", false),
        ErrorKind::AlreadySubscribed => (105, "already subscribed", false),
        ErrorKind::LimitExceeded => (106, "limit exceeded", false),
        ErrorKind::BadRequest => (107, "bad request", false),
        ErrorKind::NotAvailable => (108, "not available", false),
        ErrorKind::TokenExpired => (109, "token expired", false),
        ErrorKind::Expired => (110, "expired", false),
        ErrorKind::TooManyRequests => (111, "too many requests", true),
        ErrorKind::UnrecoverablePosition => (112, "unrecoverable position", false),
    }
}

/// Code and text of a disconnect.
pub const fn of_disconnect(kind: DisconnectKind) -> (u16, &'static str) {
    match kind {
        DisconnectKind::Shutdown => (3001, "shutdown"),
        DisconnectKind::ServerError => (3004, "internal server error"),
        DisconnectKind::Expired => (3005, "connection expired"),
        DisconnectKind::SubExpired => (3006, "subscription expired"),
        DisconnectKind::Slow => (3008, "slow"),
        DisconnectKind::InsufficientState => (3010, "insufficient state"),
        DisconnectKind::ForceReconnect => (3011, "force reconnect"),
        DisconnectKind::NoPong => (3012, "no pong"),
        DisconnectKind::TooManyRequests => (3013, "too many requests"),
        DisconnectKind::InvalidToken => (3500, "invalid token"),
        DisconnectKind::BadRequest => (3501, "bad request"),
        DisconnectKind::Stale => (3502, "stale"),
        DisconnectKind::ForceDisconnect => (3503, "force disconnect"),
        DisconnectKind::ConnectionLimit => (3504, "connection limit"),
        DisconnectKind::ChannelLimit => (3505, "channel limit"),
        DisconnectKind::PermissionDenied => (3507, "permission denied"),
        DisconnectKind::TooManyErrors => (3509, "too many errors"),
        DisconnectKind::OtherDevice => (4501, "another device"),
        DisconnectKind::Replaced => (4502, "replaced"),
        DisconnectKind::DeviceLimit => (4503, "device limit"),
        // Never empty: there are SDKs that cannot read an empty reason.
        DisconnectKind::Backend(code) => (code, "force disconnect"),
    }
}

/// What a backend means by a code.
pub fn disconnect_of(code: u16) -> DisconnectKind {
    let known = DISCONNECTS.into_iter().find(|kind| of_disconnect(*kind).0 == code);
    known.unwrap_or(DisconnectKind::Backend(code))
}

fn or_default<'a>(own: &'a Option<Cow<'static, str>>, default: &'static str) -> Cow<'a, str> {
    Cow::Borrowed(own.as_deref().unwrap_or(default))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_a_disconnect_means_its_kind_and_no_other() {
        let codes = DISCONNECTS.map(|kind| of_disconnect(kind).0);
        assert!(codes.is_sorted_by(|one, next| one < next), "{codes:?}");
        assert_eq!(codes.map(disconnect_of), DISCONNECTS);
        assert_eq!(disconnect_of(4000), DisconnectKind::Backend(4000));
    }
}
