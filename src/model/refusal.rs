//! The numbered tables: errors (100–113), unsubscribes (2000–2502), disconnects (3000–3509).
//!
//! The numbers and what clients do about them are those of the Centrifugo client protocol
//! (<https://centrifugal.dev/docs/server/codes>): a client resubscribes after an unsubscribe of 2500 and up,
//! and does not come back after a disconnect of 3500–3999 or 4500–4999.

use std::borrow::Cow;

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Error {
    /// See the constants.
    pub code: u32,
    /// For a person.
    pub message: Cow<'static, str>,
    /// Whether trying again can help.
    pub temporary: bool,
}

impl Error {
    const fn new(code: u32, message: &'static str) -> Self {
        Self { code, message: Cow::Borrowed(message), temporary: false }
    }

    const fn temporary(code: u32, message: &'static str) -> Self {
        Self { code, message: Cow::Borrowed(message), temporary: true }
    }

    /// The same code with a message that says more.
    pub fn because(&self, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: self.code, message: message.into(), temporary: self.temporary }
    }

    /// The node failed.
    pub const INTERNAL: Self = Self::temporary(100, "internal server error");
    /// The session may not ask this as who it is.
    pub const UNAUTHORIZED: Self = Self::new(101, "unauthorized");
    /// The token's `nbf` is to come: come again with the same token.
    pub const NOT_YET_VALID: Self = Self::temporary(101, "unauthorized: the token is not valid yet");
    /// The channel's namespace does not exist, or the name breaks its rule.
    pub const UNKNOWN_CHANNEL: Self = Self::new(102, "unknown channel");
    /// The channel's options or the token forbid it.
    pub const PERMISSION_DENIED: Self = Self::new(103, "permission denied");
    /// The command carries no known request.
    pub const METHOD_NOT_FOUND: Self = Self::new(104, "method not found");
    /// The session is subscribed to the channel, or about to be.
    pub const ALREADY_SUBSCRIBED: Self = Self::new(105, "already subscribed");
    /// A bound was reached.
    pub const LIMIT_EXCEEDED: Self = Self::new(106, "limit exceeded");
    /// The request makes no sense.
    pub const BAD_REQUEST: Self = Self::new(107, "bad request");
    /// The channel's options do not offer it.
    pub const NOT_AVAILABLE: Self = Self::new(108, "not available");
    /// The token has expired; come with a new one.
    pub const TOKEN_EXPIRED: Self = Self::new(109, "token expired");
    /// The connection or subscription has expired.
    pub const EXPIRED: Self = Self::new(110, "expired");
    /// Too fast.
    pub const TOO_MANY_REQUESTS: Self = Self::temporary(111, "too many requests");
    /// The history no longer reaches back to the position asked for.
    pub const UNRECOVERABLE_POSITION: Self = Self::new(112, "unrecoverable position");
    /// Another page of the same stream is being read.
    pub const CONCURRENT_PAGINATION: Self = Self::temporary(113, "concurrent pagination");
}

/// Why the node ended a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// See the constants; 2500 and up make clients resubscribe.
    pub code: u32,
    /// For a person.
    pub reason: Cow<'static, str>,
}

impl Unsubscribe {
    const fn new(code: u32, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// A backend asked for it.
    pub const SERVER: Self = Self::new(2000, "server unsubscribe");
    /// The session missed a publication; resubscribing recovers.
    pub const INSUFFICIENT: Self = Self::new(2500, "insufficient state");
    /// The subscription token expired.
    pub const EXPIRED: Self = Self::new(2501, "subscription expired");
    /// What the client knows of the channel no longer holds.
    pub const STATE_INVALIDATED: Self = Self::new(2502, "state invalidated");
}

/// Why the node closed a connection. The code is the WebSocket close code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct Disconnect {
    /// See the constants.
    pub code: u16,
    /// For a person, at most 123 bytes (RFC 6455, 5.5).
    pub reason: Cow<'static, str>,
}

impl Disconnect {
    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// The same code with a reason that says more.
    pub fn because(&self, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code: self.code, reason: reason.into() }
    }

    /// Whether a client should come back (the code's range decides).
    pub fn reconnect(&self) -> bool {
        self.code < 3500 || (4000..4500).contains(&self.code) || self.code >= 5000
    }

    /// The connection ended without the node's doing.
    pub const CONNECTION_CLOSED: Self = Self::new(3000, "connection closed");
    /// The node leaves; come back, to another.
    pub const SHUTDOWN: Self = Self::new(3001, "shutdown");
    /// The node failed.
    pub const SERVER_ERROR: Self = Self::new(3004, "internal server error");
    /// The connection token expired and no new one came.
    pub const EXPIRED: Self = Self::new(3005, "connection expired");
    /// A subscription token expired and no new one came.
    pub const SUB_EXPIRED: Self = Self::new(3006, "subscription expired");
    /// The client reads more slowly than its channels speak.
    pub const SLOW: Self = Self::new(3008, "slow");
    /// The socket refused a write.
    pub const WRITE_ERROR: Self = Self::new(3009, "write error");
    /// A server-side subscription missed a publication; reconnecting recovers.
    pub const INSUFFICIENT_STATE: Self = Self::new(3010, "insufficient state");
    /// A backend wants the client to reconnect.
    pub const FORCE_RECONNECT: Self = Self::new(3011, "force reconnect");
    /// The client did not answer pings.
    pub const NO_PONG: Self = Self::new(3012, "no pong");
    /// Too many commands.
    pub const TOO_MANY_REQUESTS: Self = Self::new(3013, "too many requests");
    /// What the client knows no longer holds.
    pub const STATE_INVALIDATED: Self = Self::new(3014, "state invalidated");
    /// The token is not one of ours.
    pub const INVALID_TOKEN: Self = Self::new(3500, "invalid token");
    /// The client does not speak the protocol.
    pub const BAD_REQUEST: Self = Self::new(3501, "bad request");
    /// No first command came in time.
    pub const STALE: Self = Self::new(3502, "stale");
    /// A backend wants the client gone.
    pub const FORCE_DISCONNECT: Self = Self::new(3503, "force disconnect");
    /// Too many connections, of the node or of the user.
    pub const CONNECTION_LIMIT: Self = Self::new(3504, "connection limit");
    /// Too many channels in one session.
    pub const CHANNEL_LIMIT: Self = Self::new(3505, "channel limit");
    /// The framing cannot carry what the channel sends.
    pub const INAPPROPRIATE_PROTOCOL: Self = Self::new(3506, "inappropriate protocol");
    /// The client may not connect.
    pub const PERMISSION_DENIED: Self = Self::new(3507, "permission denied");
    /// What the client asked for is not offered.
    pub const NOT_AVAILABLE: Self = Self::new(3508, "not available");
    /// Too many refused commands.
    pub const TOO_MANY_ERRORS: Self = Self::new(3509, "too many errors");
}
