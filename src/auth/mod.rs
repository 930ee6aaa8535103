//! Identity: JWT.

pub mod claims;
pub mod grant;
pub mod keys;
pub mod mint;
mod verifier;

pub use claims::{ConnectionClaims, SubscriptionClaims};
pub use verifier::{TokenError, Verifier};
