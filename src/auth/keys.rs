//! Keys that tokens are checked with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How tokens are checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TokenConfig {
    /// The shared secret of HS256, HS384 and HS512 tokens.
    pub hmac_secret_key: String,
}
