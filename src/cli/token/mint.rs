//! `ringpost token connection` and `ringpost token subscription`.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Map, Value, json};

use super::keys::{Keys, now_unix_s};
use crate::auth::{TokenConfig, mint};
use crate::cli::print::print;
use crate::config::Duration;

/// Make a token that a client connects with
///
/// It is signed by HS256 with the configured secret. In production your backend makes tokens.
#[derive(Debug, Args)]
#[command(after_help = "Example: ringpost token connection --dev --user alice --channel chat:lobby")]
pub(in crate::cli) struct Connection {
    #[command(flatten)]
    common: Common,
    /// A channel to be subscribed to from the start; can be repeated
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
    /// What the node is to know of the connection, JSON
    #[arg(long, value_name = "JSON", value_parser = parse_json)]
    meta: Option<Value>,
}

/// Make a token that a client subscribes to one channel with
#[derive(Debug, Args)]
#[command(after_help = "Example: ringpost token subscription --dev --user alice --channel '$news'")]
pub(in crate::cli) struct Subscription {
    #[command(flatten)]
    common: Common,
    /// The channel
    #[arg(long, value_name = "CHANNEL")]
    channel: String,
}

/// What both kinds of token have.
#[derive(Debug, Args)]
struct Common {
    /// The user; empty is an anonymous one
    #[arg(long, value_name = "USER")]
    user: String,
    /// When it expires, from now: 30m, 1h, 7d; 0 is never
    #[arg(long, value_name = "TIME", default_value = "1h")]
    expire: Duration,
    /// What other subscribers see of the client, JSON
    #[arg(long, value_name = "JSON", value_parser = parse_json)]
    info: Option<Value>,
    #[command(flatten)]
    keys: Keys,
}

impl Connection {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.common.keys.config()?.client.token;
        let mut claims = self.common.claims(&config, now_unix_s()?)?;
        if !self.channels.is_empty() {
            claims.insert("channels".into(), self.channels.into());
        }
        if let Some(meta) = self.meta {
            claims.insert("meta".into(), meta);
        }
        sign(&config, claims)
    }
}

impl Subscription {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.common.keys.config()?.client;
        let own = client.subscription_token;
        let config = if own.enabled { own.token } else { client.token };
        let mut claims = self.common.claims(&config, now_unix_s()?)?;
        claims.insert("channel".into(), self.channel.into());
        sign(&config, claims)
    }
}

impl Common {
    fn claims(&self, config: &TokenConfig, now_unix_s: i64) -> anyhow::Result<Map<String, Value>> {
        let mut claims = Map::new();
        claims.insert("sub".into(), self.user.as_str().into());
        if !config.user_id_claim.is_empty() {
            claims.insert(config.user_id_claim.clone(), self.user.as_str().into());
        }
        claims.insert("iat".into(), now_unix_s.into());
        let seconds = i64::try_from(self.expire.as_millis().div_ceil(1000))?;
        if seconds > 0 {
            let exp = now_unix_s.checked_add(seconds).context("--expire is too far away")?;
            claims.insert("exp".into(), exp.into());
        }
        // A regular expression says what is expected too, but not what to write.
        for (claim, expected) in [("aud", &config.audience), ("iss", &config.issuer)] {
            if !expected.is_empty() {
                claims.insert(claim.into(), expected.as_str().into());
            }
        }
        if let Some(info) = &self.info {
            claims.insert("info".into(), info.clone());
        }
        Ok(claims)
    }
}

fn sign(config: &TokenConfig, claims: Map<String, Value>) -> anyhow::Result<ExitCode> {
    let secret = config.hmac_secret_key.as_str();
    anyhow::ensure!(
        !secret.is_empty(),
        "no secret to sign with: give --config FILE with `client.token.hmac_secret_key`, --secret SECRET, or --dev"
    );
    print(&format!("{}\n", mint::hs256(secret, &json!(claims))))?;
    Ok(ExitCode::SUCCESS)
}

fn parse_json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(expire: &str, config: &TokenConfig) -> Value {
        let keys = Keys { source: Default::default(), secret: None };
        let expire = Duration::parse(expire).unwrap();
        let common = Common { user: "alice".into(), expire, info: Some(json!({"name": "Alice"})), keys };
        common.claims(config, 1_000_000).unwrap().into()
    }

    #[test]
    fn a_token_says_who_from_when_and_until_when() {
        let expected = json!({"sub": "alice", "iat": 1_000_000, "exp": 1_003_600, "info": {"name": "Alice"}});
        assert_eq!(claims("1h", &TokenConfig::default()), expected);
    }

    #[test]
    fn a_time_of_0_is_never() {
        assert!(claims("0", &TokenConfig::default()).get("exp").is_none());
        assert_eq!(claims("1ms", &TokenConfig::default())["exp"], 1_000_001);
    }

    #[test]
    fn what_the_configuration_expects_is_in_the_token() {
        let config = TokenConfig {
            audience: "chat".into(),
            issuer: "https://id.example.com".into(),
            user_id_claim: "uid".into(),
            ..TokenConfig::default()
        };
        let claims = claims("1h", &config);
        assert_eq!((&claims["aud"], &claims["iss"]), (&json!("chat"), &json!("https://id.example.com")));
        assert_eq!((&claims["uid"], &claims["sub"]), (&json!("alice"), &json!("alice")));
    }
}
