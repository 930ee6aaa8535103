//! `ringpost token check`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde_json::Value;

use super::keys::{Keys, now_unix_s};
use crate::auth::Verifier;
use crate::cli::print::print;
use crate::config::{ClientConfig, Duration};

/// Say what is in a token, whether a node would take it, and if not, why
///
/// Ends with code 1 if it would not.
#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// The token; `-` reads it from standard input
    token: String,
    /// A file with the key set that `client.token.jwks_public_endpoint` serves; it is not fetched
    #[arg(long, value_name = "FILE")]
    key_set: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
}

impl Check {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.keys.config()?;
        let key_set = match &self.key_set {
            Some(path) => Some(std::fs::read_to_string(path).with_context(|| path.display().to_string())?),
            None => None,
        };
        let token = match self.token.as_str() {
            "-" => std::io::read_to_string(std::io::stdin())?,
            token => token.to_owned(),
        };
        let token = token.trim();
        let mut text = String::new();
        for (part, name) in token.split('.').zip(["header", "claims"]) {
            if let Some(json) = decode(part) {
                text += &format!("{name}: {json:#}\n");
            }
        }
        let verdict = judge(&config.client, key_set.as_deref(), token, now_unix_s()?)?;
        let (code, line) = match verdict {
            Ok(meaning) => (ExitCode::SUCCESS, format!("valid: {meaning}")),
            Err(problem) => (ExitCode::FAILURE, format!("refused: {problem}")),
        };
        print(&format!("{text}{line}\n"))?;
        Ok(code)
    }
}

fn decode(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// What a node would make of the token: whom it is for, or why it is refused. A token with a channel is taken
/// for a subscription token, as its maker must have meant it.
fn judge(
    client: &ClientConfig,
    key_set: Option<&str>,
    token: &str,
    now_unix_s: i64,
) -> anyhow::Result<Result<String, String>> {
    let verifier = Verifier::new(&client.tokens(), key_set)?;
    let claims = token.split('.').nth(1).and_then(decode).unwrap_or_default();
    let verdict = if claims["channel"].as_str().is_some_and(|channel| !channel.is_empty()) {
        verifier.subscription(token, now_unix_s).map(|claims| {
            let until = until(claims.grant.expire_at_unix_s, now_unix_s);
            format!("a subscription token for {} in {}, {until}", user(&claims.user), claims.channel)
        })
    } else {
        verifier.connection(token, now_unix_s).map(|claims| {
            format!("a connection token for {}, {}", user(&claims.user), until(claims.exp_unix_s, now_unix_s))
        })
    };
    Ok(verdict.map_err(|error| error.to_string()))
}

fn user(name: &str) -> String {
    if name.is_empty() { "an anonymous user".into() } else { format!("the user \"{name}\"") }
}

fn until(end_unix_s: Option<i64>, now_unix_s: i64) -> String {
    match end_unix_s.map(|end| u64::try_from(end.saturating_sub(now_unix_s)).unwrap_or(0)) {
        None => "for ever".into(),
        Some(seconds) => format!("for another {}", Duration::from_millis(seconds.saturating_mul(1000))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::mint::hs256;
    use crate::config::Config;

    const NOW: i64 = 1_000_000;

    fn judge(secret: &str, claims: Value) -> Result<String, String> {
        let mut client = Config::default().client;
        client.token.hmac_secret_key = "secret".into();
        super::judge(&client, None, &hs256(secret, &claims), NOW).unwrap()
    }

    #[test]
    fn a_token_that_is_taken_is_described() {
        let connection = judge("secret", json!({"sub": "alice", "exp": NOW + 90}));
        assert_eq!(connection.unwrap(), "a connection token for the user \"alice\", for another 1m30s");
        let subscription = judge("secret", json!({"sub": "", "channel": "$news"}));
        assert_eq!(subscription.unwrap(), "a subscription token for an anonymous user in $news, for ever");
    }

    #[test]
    fn a_token_that_is_refused_is_explained() {
        assert!(judge("secret", json!({"sub": "alice", "exp": NOW - 10})).unwrap_err().contains("expired"));
        assert!(judge("another", json!({"sub": "alice"})).unwrap_err().contains("signature"));
    }

    #[test]
    fn a_text_that_is_no_token_is_refused() {
        let client = Config::default().client;
        assert!(super::judge(&client, None, "é.ü", NOW).unwrap().is_err());
        assert_eq!(decode("é"), None);
    }
}
