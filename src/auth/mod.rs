//! Identity: who a client is and what it was granted, told by a JSON Web Token (RFC 7519) that the
//! application's backend signed.
//!
//! ```text
//! token ─ jws (three parts) ─ keys (whose signature?) ─ payload (JSON) ─ verifier (for us? now?) ─▶ claims
//! ```
//!
//! A key does exactly one algorithm, so a token cannot choose how it is checked: `alg` only selects among the
//! keys there are, and `none` selects nothing. Nothing here does I/O or reads a clock: the control plane
//! fetches key sets, the caller says what time it is. What was called back ([`Revocations`]) is looked at last, by the
//! session: it alone knows the device.

mod algorithm;
pub mod claims;
mod config;
mod error;
pub mod grant;
mod jws;
mod key;
mod key_set;
mod keys;
pub mod mint;
mod payload;
mod revocation;
mod revocations;
mod verifier;

#[cfg(test)]
mod tests;

pub use claims::{ConnectionClaims, Stamp, SubscriptionClaims};
pub use config::{TokenConfig, VerifierConfig};
pub use error::{KeyError, TokenError};
pub use revocation::{Mark, Revocation, Subject};
pub use revocations::{Full, Revocations};
pub use verifier::Verifier;
