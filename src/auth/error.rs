//! What can be wrong with tokens and with keys. Both are told to developers: in the log and by
//! `ringpost token check`; a client only learns that its token is invalid or expired.

use crate::limits;

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`limits::TOKEN_BYTES_MAX`].
    #[error("the token is longer than {} bytes", limits::TOKEN_BYTES_MAX)]
    TooLong,
    /// The issuer, or who handed the token on, wrote something that is no JWT, or claims of a wrong type.
    #[error("the token's {part} cannot be read: {problem}")]
    Malformed {
        /// Which part: `form`, `header`, `claims` or `signature`.
        part: &'static str,
        /// What was found there.
        problem: Box<str>,
    },
    /// The issuer signs by an algorithm that the node has no key for.
    #[error("no key is configured for the algorithm {algorithm:?}")]
    NoKey {
        /// The token's `alg`.
        algorithm: Box<str>,
    },
    /// The key that the token names is for another algorithm than the token says.
    #[error("the key {kid:?} is not for the algorithm {algorithm:?}")]
    WrongAlgorithm {
        /// The token's `kid`.
        kid: Box<str>,
        /// The token's `alg`.
        algorithm: Box<str>,
    },
    /// No key that is known has the token's key id; a newer key set may have it.
    #[error("the key {kid:?} is not in the key set")]
    UnknownKey {
        /// The token's `kid`; empty where it names none and no key is for its algorithm.
        kid: Box<str>,
    },
    /// Forged, changed on its way, or signed with another key than the one configured.
    #[error("the signature does not fit the token and the key")]
    BadSignature,
    /// `nbf` is to come, beyond the leeway. The same token will do later.
    #[error("the token is not valid before {nbf_unix_s} (Unix seconds)")]
    NotYetValid {
        /// The token's `nbf`, Unix seconds.
        nbf_unix_s: i64,
    },
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `aud` names others than this node.
    #[error("the token's `aud` is not the configured audience")]
    WrongAudience,
    /// `iss` is another than the configured one.
    #[error("the token's `iss` is not the configured issuer")]
    WrongIssuer,
    /// A backend has called it back.
    #[error("the token was revoked")]
    Revoked,
    /// A connection token where a subscription token is needed.
    #[error("the token has no `channel`: it is no subscription token")]
    MissingChannel,
    /// A subscription token where a connection token is needed. It is no proof of identity for a whole
    /// connection.
    #[error("the token has a `channel`: it is a subscription token, no connection token")]
    ForSubscription,
}

/// Why tokens cannot be checked as configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A key of the configuration has a value that cannot be used.
    #[error("`{section}.{key}`: {problem}")]
    Config {
        /// The section, with its path.
        section: &'static str,
        /// The key in it.
        key: &'static str,
        /// What is wrong, and what to write instead.
        problem: Box<str>,
    },
    /// What the key set's endpoint served.
    #[error("the key set cannot be used: {0}")]
    KeySet(Box<str>),
}
