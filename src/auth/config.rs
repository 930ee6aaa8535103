//! How tokens are checked, as configured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Duration;

/// How tokens are checked. Only the algorithms that a key is configured for are accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TokenConfig {
    /// The shared secret of HS256, HS384 and HS512 tokens.
    pub hmac_secret_key: String,
    /// The secret of before, which is taken as well while another one takes its place.
    pub hmac_previous_secret_key: String,
    /// Until when the secret of before is taken, Unix seconds; 0 is for ever.
    pub hmac_previous_secret_key_valid_until: i64,
    /// The public key of RS256, RS384 and RS512 tokens, in PEM (`-----BEGIN PUBLIC KEY-----`), of 2048 to 8192
    /// bits.
    pub rsa_public_key: String,
    /// The public key of ES256, ES384 or ES512 tokens, in PEM; its curve, P-256, P-384 or P-521, decides which.
    pub ecdsa_public_key: String,
    /// The public key of EdDSA tokens, in PEM; its curve is Ed25519.
    pub ed25519_public_key: String,
    /// A URL that serves a JSON Web Key Set (RFC 7517). Tokens choose among its keys by `kid`; it is read again
    /// when a token names a key that is not in it. Keys of the types RSA, EC, OKP and oct are used, others are
    /// passed over. Keys that are configured here stay in force for tokens whose `kid` is not in the set.
    pub jwks_public_endpoint: String,
    /// What `aud` of a token must be, or contain if it is a list; empty does not look at it.
    pub audience: String,
    /// Instead of `audience`, a regular expression that is found in `aud`, or in one of its entries. Anchor it
    /// with `^` and `$`.
    pub audience_regex: String,
    /// What `iss` of a token must be; empty does not look at it.
    pub issuer: String,
    /// Instead of `issuer`, a regular expression that is found in `iss`. Anchor it with `^` and `$`.
    pub issuer_regex: String,
    /// The claim that names the user, a string or a number; empty is `sub`, which must be a string.
    pub user_id_claim: String,
    /// How far the clocks of the issuer and of the node may be apart: a token is taken so long before its `nbf` and
    /// after its `exp` and `expire_at`. At most 5m.
    pub leeway: Duration,
}

impl Default for TokenConfig {
    fn default() -> Self {
        Self {
            hmac_secret_key: String::new(),
            hmac_previous_secret_key: String::new(),
            hmac_previous_secret_key_valid_until: 0,
            rsa_public_key: String::new(),
            ecdsa_public_key: String::new(),
            ed25519_public_key: String::new(),
            jwks_public_endpoint: String::new(),
            audience: String::new(),
            audience_regex: String::new(),
            issuer: String::new(),
            issuer_regex: String::new(),
            user_id_claim: String::new(),
            leeway: Duration::from_secs(5),
        }
    }
}

/// What tokens are checked with, of the whole configuration.
#[derive(Clone, Copy, Debug)]
pub struct VerifierConfig<'a> {
    /// How connection tokens are checked.
    pub connection: &'a TokenConfig,
    /// How subscription tokens are checked, where they have keys of their own.
    pub subscription: Option<&'a TokenConfig>,
    /// Whether signatures are passed over. For development only.
    pub skip_signature: bool,
}
