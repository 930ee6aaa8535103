//! Identity: JWT.

pub mod grant;

/// placeholder
#[derive(Debug)]
pub struct ConnectionClaims;
/// placeholder
#[derive(Debug)]
pub struct SubscriptionClaims;
/// placeholder
#[derive(Debug)]
pub struct TokenError;
/// placeholder
#[derive(Debug)]
pub struct Verifier;
