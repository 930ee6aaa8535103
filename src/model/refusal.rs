//! Why the node refuses a command, ends a subscription, or ends a session: the kinds of each.
//!
//! Never a protocol's number, nor its text: each protocol numbers and words these kinds in its own way
//! (`protocol/centrifuge/codes.rs`).

use std::borrow::Cow;

/// Why a command is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The node failed.
    Internal,
    /// Something that the node needs is broken, until a person mends it.
    Broken,
    /// Whoever asks is not known to be allowed to.
    Unauthorized,
    /// The token's `nbf` is to come: the same token will do later.
    NotYetValid,
    /// The channel's namespace does not exist.
    UnknownChannel,
    /// The channel's options or the token forbid it.
    PermissionDenied,
    /// The command carries no known request.
    MethodNotFound,
    /// The session is subscribed to the channel, or about to be.
    AlreadySubscribed,
    /// A bound was reached.
    LimitExceeded,
    /// The request makes no sense.
    BadRequest,
    /// The channel's options do not offer it.
    NotAvailable,
    /// The token has expired: a new one will do.
    TokenExpired,
    /// The connection or subscription would have expired before it began.
    Expired,
    /// The session or its user has caused too much: later it will do.
    TooManyRequests,
    /// The history no longer reaches back to the position asked for.
    UnrecoverablePosition,
}

impl ErrorKind {
    /// With words of its own, for a person, in place of the kind's.
    pub fn because(self, message: impl Into<Cow<'static, str>>) -> Error {
        Error { kind: self, message: Some(message.into()) }
    }
}

/// A refusal of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What clients decide by.
    pub kind: ErrorKind,
    /// For a person; `None` where the kind says all.
    pub message: Option<Cow<'static, str>>,
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, message: None }
    }
}

/// Why the node ends a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsubscribe {
    /// A backend asked for it.
    Server,
    /// The session missed a publication: it is to subscribe again, and recovers.
    Insufficient,
    /// The subscription token expired.
    Expired,
}

/// Why the node ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisconnectKind {
    /// The node leaves; come back, to another.
    Shutdown,
    /// The node failed.
    ServerError,
    /// The connection token expired and no new one came.
    Expired,
    /// A subscription token expired and no new one came.
    SubExpired,
    /// The client reads more slowly than its channels speak.
    Slow,
    /// A server-side subscription missed a publication: reconnecting recovers.
    InsufficientState,
    /// A backend wants the client to reconnect.
    ForceReconnect,
    /// The client did not answer pings.
    NoPong,
    /// Too many commands.
    TooManyRequests,
    /// The token is not one of ours.
    InvalidToken,
    /// The client does not speak the protocol.
    BadRequest,
    /// No first command came in time.
    Stale,
    /// A backend wants the client gone.
    ForceDisconnect,
    /// Too many connections, of the node or of the user.
    ConnectionLimit,
    /// Too many channels in one session.
    ChannelLimit,
    /// The client may not connect.
    PermissionDenied,
    /// Too many refused commands.
    TooManyErrors,
    /// Another device of the user has come, and takes the place of this one.
    OtherDevice,
    /// The same device has connected anew.
    Replaced,
    /// The user has as many devices connected as may stay.
    DeviceLimit,
    /// A backend's own reason, by the number that it gave: what clients make of it is between the two.
    Backend(u16),
}

impl DisconnectKind {
    /// With words of its own, for a person, in place of the kind's.
    pub fn because(self, reason: impl Into<Cow<'static, str>>) -> Disconnect {
        Disconnect { kind: self, reason: Some(reason.into()) }
    }
}

/// The end of a session by the node's will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// What clients decide by.
    pub kind: DisconnectKind,
    /// For a person, at most 123 bytes (RFC 6455, 5.5); `None` where the kind says all.
    pub reason: Option<Cow<'static, str>>,
}

impl From<DisconnectKind> for Disconnect {
    fn from(kind: DisconnectKind) -> Self {
        Self { kind, reason: None }
    }
}
