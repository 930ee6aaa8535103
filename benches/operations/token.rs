//! The check of a connection token.

use std::hint::black_box;

use ringpost::auth::{TokenConfig, Verifier, mint};
use ringpost::config::ClientConfig;

use super::{NOW, Operation};

const SECRET: &str = "a secret of the backend, long enough for HS256";

pub(super) fn operations() -> Vec<Operation> {
    vec![Operation::new("token", "check a connection token, HS256", 1, check)]
}

/// How tokens that [`token`] makes are checked.
pub(super) fn config() -> TokenConfig {
    TokenConfig { hmac_secret_key: SECRET.into(), ..TokenConfig::default() }
}

/// A user's token, good for a day.
pub(crate) fn token() -> String {
    token_of("user-1")
}

/// As [`token`], of this user.
pub(super) fn token_of(user: &str) -> String {
    let expires_unix_s = NOW.unix_s() + 86_400;
    mint::hs256(SECRET, &serde_json::json!({ "sub": user, "exp": expires_unix_s }))
}

fn check() -> impl FnMut() {
    let client = ClientConfig { token: config(), ..ClientConfig::default() };
    let verifier = Verifier::new(&client.tokens(), None).expect("the secret is a key");
    let token = token();
    move || {
        let claims = verifier.connection(black_box(&token), NOW.unix_s());
        black_box(claims).expect("the token is good");
    }
}
