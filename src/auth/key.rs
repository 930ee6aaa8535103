//! A key: one algorithm and what checks its signatures.

use aws_lc_rs::hmac;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaParameters};

use super::algorithm::{Algorithm, Primitive};

/// A key that is parsed and ready. A secret or an RSA key, which can do several algorithms, becomes several.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    /// `kid` in the key set; configured keys have none.
    pub(super) kid: Option<Box<str>>,
    /// Until when it is used, Unix seconds.
    until_unix_s: i64,
    material: Material,
}

#[derive(Debug)]
enum Material {
    /// Boxed: a prepared HMAC is 1.2 KiB, and looking a key up walks them all.
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Key {
    /// Keys of a shared secret; none if it is empty.
    pub(super) fn of_secret(secret: &[u8]) -> Vec<Self> {
        if secret.is_empty() {
            return Vec::new();
        }
        Self::parse(&[Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512], secret)
    }

    /// The same key, which ends then (Unix seconds).
    pub(super) fn until(self, until_unix_s: i64) -> Self {
        Self { until_unix_s, ..self }
    }

    /// Whether it is still used.
    pub(super) fn is_used_at(&self, now_unix_s: i64) -> bool {
        now_unix_s <= self.until_unix_s
    }

    /// Keys of an RSA public key in DER; none if it is no such key or has fewer than 2048 or more than 8192 bits.
    pub(super) fn of_rsa(der: &[u8]) -> Vec<Self> {
        let bits =
            rsa::PublicKey::from_der(der).ok().and_then(|key| RsaParameters::public_modulus_len(key.as_ref()).ok());
        let range = RSA_PKCS1_2048_8192_SHA256.min_modulus_len()..=RSA_PKCS1_2048_8192_SHA256.max_modulus_len();
        if !bits.is_some_and(|bits| range.contains(&bits)) {
            return Vec::new();
        }
        Self::parse(&[Algorithm::Rs256, Algorithm::Rs384, Algorithm::Rs512], der)
    }

    /// Keys for those of `algorithms` that `bytes` are a key of: a secret, a public key in DER, or a bare point
    /// of a curve.
    pub(super) fn parse(algorithms: &[Algorithm], bytes: &[u8]) -> Vec<Self> {
        let material = |algorithm: Algorithm| match algorithm.primitive() {
            Primitive::Hmac(hash) => Some(Material::Secret(Box::new(hmac::Key::new(hash, bytes)))),
            Primitive::Signature(scheme) => ParsedPublicKey::new(scheme, bytes).ok().map(Material::Public),
        };
        let key =
            |&algorithm| Some(Self { algorithm, kid: None, until_unix_s: i64::MAX, material: material(algorithm)? });
        algorithms.iter().filter_map(key).collect()
    }

    /// Whether `signature` is this key's for `message`. Secrets are compared in constant time.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Material::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}
