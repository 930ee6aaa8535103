//! What a configuration may say but hardly means.

use super::{ChannelOptions, Config, ForceRecoveryMode, Role};
use crate::auth::TokenConfig;

/// RFC 7518, 3.2: a secret is at least as long as the hash, 32 bytes for HS256.
const SECRET_BYTES_ADVISED: usize = 32;

impl Config {
    /// Things to be told at start and by `ringpost config check`, one line each, as halves of a sentence.
    pub fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        let mut say = |when: bool, text: &str| {
            if when {
                advice.push(text.to_owned());
            }
        };
        let (client, api) = (&self.client, &self.http_api);
        let no_key = client.token == TokenConfig::default();
        let secret = client.token.hmac_secret_key.as_str();
        say(
            self.roles.has(Role::Edge) && no_key && !client.insecure && !client.allow_anonymous_connect_without_token,
            "nobody can connect: set a key in `client.token`, such as `hmac_secret_key`",
        );
        say(
            !secret.is_empty() && secret.len() < SECRET_BYTES_ADVISED,
            "`client.token.hmac_secret_key` is shorter than 32 bytes and can be guessed: `openssl rand -hex 32` makes \
             one",
        );
        let most = client.recovery_max_publication_limit;
        let keeps_more = |options: &ChannelOptions| {
            let recovers = options.force_recovery || options.allow_recovery;
            recovers && options.force_recovery_mode == ForceRecoveryMode::Stream && options.history_size as usize > most
        };
        let mut options = self.channel.namespaces.iter().map(|namespace| &namespace.options);
        say(
            keeps_more(&self.channel.without_namespace) || options.any(keeps_more),
            "clients recover at most `client.recovery_max_publication_limit` publications, fewer than a `history_size` keeps: \
             who missed more is told that it did not recover",
        );
        say(api.key.is_empty() && !api.insecure, "the API refuses every call: set `http_api.key`");
        if !self.is_on_loopback() {
            say(client.insecure, "`client.insecure` lets everybody do everything");
            say(
                client.insecure_skip_token_signature_verify,
                "`client.insecure_skip_token_signature_verify` takes every token for true",
            );
            say(api.insecure, "`http_api.insecure` opens the API to everybody");
            say(self.grpc_api.enabled && self.grpc_api.insecure, "`grpc_api.insecure` opens the API to everybody");
            say(secret == super::dev::SECRET, "everybody knows the secret of `--dev`: set your own");
        }
        advice
    }

    fn is_on_loopback(&self) -> bool {
        let is_loopback =
            |address: &str| address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        self.ports().iter().all(|port| is_loopback(port.address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_needs_no_advice_until_others_can_reach_it() {
        let mut config = Config::dev();
        assert_eq!(config.advice(), [""; 0]);
        config.http_server.address = "0.0.0.0".into();
        assert_eq!(config.advice().len(), 1);
        assert!(config.advice()[0].contains("--dev"));
    }

    #[test]
    fn a_node_that_nobody_can_use_is_said() {
        let advice = Config::default().advice();
        assert!(advice[0].starts_with("nobody can connect") && advice[1].starts_with("the API refuses"), "{advice:?}");
    }

    #[test]
    fn a_history_that_cannot_be_recovered_whole_is_said() {
        let mut config = Config::dev();
        config.channel.namespaces[0].options.history_size = 301;
        assert_eq!(config.advice().len(), 1);
        config.client.recovery_max_publication_limit = 301;
        assert_eq!(config.advice(), [""; 0]);
    }

    #[test]
    fn open_doors_are_said_one_by_one() {
        let mut config = Config::default();
        config.client.insecure = true;
        config.client.insecure_skip_token_signature_verify = true;
        config.http_api.insecure = true;
        assert_eq!(config.advice().len(), 3, "{:?}", config.advice());
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_said() {
        let mut config = Config::default();
        config.http_api.key = "key".into();
        config.client.token.hmac_secret_key = "secret".into();
        assert!(config.advice()[0].contains("can be guessed"));
        config.client.token.hmac_secret_key = "x".repeat(32);
        assert_eq!(config.advice(), [""; 0]);
    }
}
