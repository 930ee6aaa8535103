//! Checks tokens: first who signed, then for whom and until when. What a token says is read only after that.

use regex::Regex;

use super::claims::{ConnectionClaims, SubscriptionClaims};
use super::config::{TokenConfig, VerifierConfig};
use super::error::{KeyError, TokenError};
use super::jws::Jws;
use super::keys::Keys;
use super::payload::{self, Common, NumericDate};

/// What tokens are checked with: keys that are parsed, and what is expected of the claims. Immutable; a new
/// configuration or key set makes a new one.
#[derive(Debug)]
pub struct Verifier {
    connection: Rules,
    /// Where subscription tokens have keys of their own.
    subscription: Option<Rules>,
    skip_signature: bool,
}

impl Verifier {
    /// Prepares what the configuration says. `key_set` is the JSON that `client.token.jwks_public_endpoint`
    /// served; until there is one, tokens that need it are refused with [`TokenError::UnknownKey`].
    ///
    /// # Errors
    /// A key, a regular expression or the key set cannot be used.
    pub fn new(config: &VerifierConfig<'_>, key_set: Option<&str>) -> Result<Self, KeyError> {
        let connection = Rules::new(config.connection, "client.token", key_set)?;
        let subscription = match config.subscription {
            Some(own) => Some(Rules::of_subscriptions(own, config.connection, key_set)?),
            None => None,
        };
        Ok(Self { connection, subscription, skip_signature: config.skip_signature })
    }

    /// Checks a connection token at `now_unix_s`.
    ///
    /// # Errors
    /// Why the token is refused.
    pub fn connection(&self, token: &str, now_unix_s: i64) -> Result<ConnectionClaims, TokenError> {
        self.connection_at(token, now_unix_s, &mut 0)
    }

    /// The same, and adds what the signatures cost that were checked to `price_ns`, whatever comes of it.
    ///
    /// # Errors
    /// Why the token is refused.
    pub fn connection_at(
        &self,
        token: &str,
        now_unix_s: i64,
        price_ns: &mut u64,
    ) -> Result<ConnectionClaims, TokenError> {
        let rules = &self.connection;
        let json = self.signed_json(token, rules, now_unix_s, price_ns)?;
        let mut common = rules.check_claims(&json, now_unix_s)?;
        if common.channel.take().is_some_and(|channel| !channel.is_empty()) {
            return Err(TokenError::ForSubscription);
        }
        let user = rules.user(&json, &mut common)?;
        payload::connection(&json, &common, user)
    }

    /// Checks a subscription token at `now_unix_s`. That its channel and its user are those of the request is
    /// the caller's to check.
    ///
    /// # Errors
    /// Why the token is refused.
    pub fn subscription(&self, token: &str, now_unix_s: i64) -> Result<SubscriptionClaims, TokenError> {
        self.subscription_at(token, now_unix_s, &mut 0)
    }

    /// The same, and adds what the signatures cost that were checked to `price_ns`, whatever comes of it.
    ///
    /// # Errors
    /// Why the token is refused.
    pub fn subscription_at(
        &self,
        token: &str,
        now_unix_s: i64,
        price_ns: &mut u64,
    ) -> Result<SubscriptionClaims, TokenError> {
        let rules = self.subscription.as_ref().unwrap_or(&self.connection);
        let json = self.signed_json(token, rules, now_unix_s, price_ns)?;
        let mut common = rules.check_claims(&json, now_unix_s)?;
        let channel = common.channel.take().filter(|channel| !channel.is_empty()).ok_or(TokenError::MissingChannel)?;
        let user = rules.user(&json, &mut common)?;
        payload::subscription(&json, &common, channel, user)
    }

    /// The claims of a token whose signature fits.
    fn signed_json(
        &self,
        token: &str,
        rules: &Rules,
        now_unix_s: i64,
        price_ns: &mut u64,
    ) -> Result<Vec<u8>, TokenError> {
        let jws = Jws::split(token)?;
        if !self.skip_signature {
            rules.keys.check(&jws, now_unix_s, price_ns)?;
        }
        jws.payload()
    }
}

/// What one kind of token must fulfil.
#[derive(Debug)]
struct Rules {
    keys: Keys,
    audience: Expected,
    issuer: Expected,
    user_id_claim: Box<str>,
    leeway_s: u64,
}

impl Rules {
    fn new(config: &TokenConfig, section: &'static str, key_set: Option<&str>) -> Result<Self, KeyError> {
        let expected = |key, text: &str, regex: &str| {
            Expected::new(text, regex).map_err(|problem| KeyError::Config { section, key, problem })
        };
        Ok(Self {
            keys: Keys::new(config, section, key_set)?,
            audience: expected("audience_regex", &config.audience, &config.audience_regex)?,
            issuer: expected("issuer_regex", &config.issuer, &config.issuer_regex)?,
            user_id_claim: config.user_id_claim.as_str().into(),
            leeway_s: config.leeway.as_millis() / 1000,
        })
    }

    /// Subscription tokens with keys of their own. A node keeps one key set: they share that of connection
    /// tokens, or use none.
    fn of_subscriptions(
        config: &TokenConfig,
        of_connections: &TokenConfig,
        key_set: Option<&str>,
    ) -> Result<Self, KeyError> {
        let section = "client.subscription_token";
        let shares = !config.jwks_public_endpoint.is_empty();
        if shares && config.jwks_public_endpoint != of_connections.jwks_public_endpoint {
            let problem = "it must be empty or the same as `client.token.jwks_public_endpoint`".into();
            return Err(KeyError::Config { section, key: "jwks_public_endpoint", problem });
        }
        Self::new(config, section, key_set.filter(|_| shares))
    }

    /// Whether the token is meant for this node, and for now.
    fn check_claims(&self, json: &[u8], now_unix_s: i64) -> Result<Common, TokenError> {
        let common = payload::common(json)?;
        let audiences = common.aud.as_ref().map_or(&[][..], |audience| audience.names());
        if !self.audience.is_met(audiences.iter().map(|name| &**name)) {
            return Err(TokenError::WrongAudience);
        }
        if !self.issuer.is_met(common.iss.as_deref().into_iter()) {
            return Err(TokenError::WrongIssuer);
        }
        match (common.nbf, common.exp) {
            (Some(NumericDate(nbf_unix_s)), _) if now_unix_s.saturating_add_unsigned(self.leeway_s) < nbf_unix_s => {
                Err(TokenError::NotYetValid { nbf_unix_s })
            }
            (_, Some(NumericDate(exp_unix_s))) if now_unix_s.saturating_sub_unsigned(self.leeway_s) >= exp_unix_s => {
                Err(TokenError::Expired)
            }
            _ => Ok(common),
        }
    }

    fn user(&self, json: &[u8], common: &mut Common) -> Result<Box<str>, TokenError> {
        match &*self.user_id_claim {
            "" => Ok(common.sub.take().unwrap_or_default()),
            claim => payload::user(json, claim),
        }
    }
}

/// What a claim must be.
#[derive(Debug)]
enum Expected {
    Anything,
    Exactly(Box<str>),
    Matching(Regex),
}

impl Expected {
    fn new(text: &str, regex: &str) -> Result<Self, Box<str>> {
        match (text, regex) {
            ("", "") => Ok(Self::Anything),
            (text, "") => Ok(Self::Exactly(text.into())),
            ("", regex) => match Regex::new(regex) {
                Ok(regex) => Ok(Self::Matching(regex)),
                Err(error) => Err(format!("it does not compile: {error}").into()),
            },
            _ => Err("it cannot be combined with the exact form: set one of the two".into()),
        }
    }

    /// Whether one of the claim's values is as expected; a missing claim has none.
    fn is_met<'a>(&self, mut values: impl Iterator<Item = &'a str>) -> bool {
        match self {
            Self::Anything => true,
            Self::Exactly(expected) => values.any(|value| value == &**expected),
            Self::Matching(regex) => values.any(|value| regex.is_match(value)),
        }
    }
}
