//! All keys that one kind of token is checked with.

use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;

use super::algorithm::Algorithm;
use super::config::TokenConfig;
use super::error::{KeyError, TokenError};
use super::jws::Jws;
use super::key::Key;
use super::key_set;

/// Configured keys, which have no `kid`, and those of a key set.
#[derive(Debug)]
pub(super) struct Keys {
    keys: Vec<Key>,
    /// Whether a newer key set can be fetched.
    renewable: bool,
}

impl Keys {
    /// Parses the keys of `config` and of `key_set`. `section` is where errors say that the keys stand.
    pub(super) fn new(config: &TokenConfig, section: &'static str, key_set: Option<&str>) -> Result<Self, KeyError> {
        let refuse = |key, problem: &str| KeyError::Config { section, key, problem: problem.into() };
        let mut keys = Key::of_secret(config.hmac_secret_key.as_bytes());
        let until_unix_s = match config.hmac_previous_secret_key_valid_until {
            0 => i64::MAX,
            until_unix_s => until_unix_s,
        };
        let previous = Key::of_secret(config.hmac_previous_secret_key.as_bytes());
        keys.extend(previous.into_iter().map(|key| key.until(until_unix_s)));
        for (key, pem, parse, kind) in public_keys(config) {
            let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
                .map_err(|_| refuse(key, "it must be a public key in PEM, -----BEGIN PUBLIC KEY-----"))?;
            match parse(&der) {
                parsed if parsed.is_empty() => return Err(refuse(key, kind)),
                parsed => keys.extend(parsed),
            }
        }
        if let Some(json) = key_set {
            keys.extend(key_set::read(json)?);
        }
        let endpoint = &*config.jwks_public_endpoint;
        if !(endpoint.is_empty() || endpoint.starts_with("https://") || endpoint.starts_with("http://")) {
            return Err(refuse("jwks_public_endpoint", "it must be an http:// or https:// URL"));
        }
        Ok(Self { keys, renewable: !endpoint.is_empty() })
    }

    /// Finds the key of a token and checks the signature with it. A `kid` that is in the set decides; any other
    /// may belong to a configured key, and a token without one to every key of its algorithm: each that is tried is added
    /// to `price_ns`.
    pub(super) fn check(&self, jws: &Jws<'_>, now_unix_s: i64, price_ns: &mut u64) -> Result<(), TokenError> {
        let header = jws.header()?;
        let Some(algorithm) = Algorithm::named(&header.algorithm) else {
            return Err(TokenError::NoKey { algorithm: header.algorithm });
        };
        let signature = jws.signature()?;
        let kid = header.kid.as_deref();
        let listed = kid.is_some() && self.keys.iter().any(|key| key.kid.as_deref() == kid);
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.algorithm == algorithm && key.is_used_at(now_unix_s))
            .filter(|key| kid.is_none() || key.kid.as_deref() == kid.filter(|_| listed))
            .peekable();
        let tried = fitting.peek().is_some();
        let verifies = |key: &Key| {
            *price_ns += algorithm.price_ns();
            key.verifies(jws.signed, &signature)
        };
        if fitting.any(verifies) {
            return Ok(());
        }
        Err(match header.kid {
            Some(kid) if listed && !tried => TokenError::WrongAlgorithm { kid, algorithm: header.algorithm },
            Some(kid) if !listed && self.renewable => TokenError::UnknownKey { kid },
            None if !tried && self.renewable => TokenError::UnknownKey { kid: Box::default() },
            _ if tried => TokenError::BadSignature,
            _ => TokenError::NoKey { algorithm: header.algorithm },
        })
    }
}

type Parse = fn(&[u8]) -> Vec<Key>;

/// The public keys that are configured: name, PEM, how to parse it and what it must be.
fn public_keys(config: &TokenConfig) -> impl Iterator<Item = (&'static str, &str, Parse, &'static str)> {
    const CURVES: &[Algorithm] = &[Algorithm::Es256, Algorithm::Es384, Algorithm::Es512];
    let all: [(_, _, Parse, _); 3] = [
        ("rsa_public_key", &*config.rsa_public_key, Key::of_rsa, "it must be an RSA key of 2048 to 8192 bits"),
        (
            "ecdsa_public_key",
            &*config.ecdsa_public_key,
            |der| Key::parse(CURVES, der),
            "it must be on P-256, P-384 or P-521",
        ),
        (
            "ed25519_public_key",
            &*config.ed25519_public_key,
            |der| Key::parse(&[Algorithm::EdDsa], der),
            "it must be on Ed25519",
        ),
    ];
    all.into_iter().filter(|(_, pem, _, _)| !pem.is_empty())
}
