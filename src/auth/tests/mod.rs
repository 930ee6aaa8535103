//! Tokens of issuers that are independent of the code under test: the `jsonwebtoken` crate and the RFCs.

mod attacks;
mod claims;
mod issuer;
mod keys;
mod revocations;
mod signatures;

use serde_json::{Value, json};

use super::{ConnectionClaims, SubscriptionClaims, TokenConfig, TokenError, Verifier, mint};
use crate::config::{ClientConfig, Duration};

const NOW_UNIX_S: i64 = 1_800_000_000;
const SECRET: &str = "a-secret-of-the-backend-that-the-node-knows-too";

/// Clocks that agree to the second.
fn hmac() -> TokenConfig {
    TokenConfig { hmac_secret_key: SECRET.into(), leeway: Duration::from_secs(0), ..TokenConfig::default() }
}

/// A node that knows the secret of the backend.
fn verifier() -> Verifier {
    of(hmac())
}

fn of(token: TokenConfig) -> Verifier {
    Verifier::new(&ClientConfig { token, ..ClientConfig::default() }.tokens(), None)
        .expect("the configuration is right")
}

/// A node that reads its keys from an endpoint, which served `keys`.
fn of_key_set(keys: &[Value]) -> Verifier {
    let token = TokenConfig {
        jwks_public_endpoint: "https://id.example.com/keys".into(),
        leeway: Duration::from_secs(0),
        ..TokenConfig::default()
    };
    let client = ClientConfig { token, ..ClientConfig::default() };
    Verifier::new(&client.tokens(), Some(&json!({ "keys": keys }).to_string())).expect("the key set is right")
}

fn connection(verifier: &Verifier, claims: &Value) -> Result<ConnectionClaims, TokenError> {
    verifier.connection(&mint::hs256(SECRET, claims), NOW_UNIX_S)
}

fn subscription(verifier: &Verifier, claims: &Value) -> Result<SubscriptionClaims, TokenError> {
    verifier.subscription(&mint::hs256(SECRET, claims), NOW_UNIX_S)
}
