//! Issuers with a key pair of their own.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// Who signs tokens, and publishes a key for it.
pub(super) struct Issuer {
    pub(super) public_pem: String,
    pub(super) jwk: Value,
    key: EncodingKey,
}

pub(super) static RSA: LazyLock<Issuer> = LazyLock::new(|| {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let secret: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let key = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", secret.as_ref()).as_bytes()).unwrap();
    Issuer::new(pair.public_key(), jwk(&key, Algorithm::RS256), key)
});

pub(super) static P256: LazyLock<Issuer> = LazyLock::new(|| curve(&ECDSA_P256_SHA256_FIXED_SIGNING, Algorithm::ES256));

pub(super) static P384: LazyLock<Issuer> = LazyLock::new(|| curve(&ECDSA_P384_SHA384_FIXED_SIGNING, Algorithm::ES384));

pub(super) static ED25519: LazyLock<Issuer> = LazyLock::new(|| {
    let pair = Ed25519KeyPair::generate().unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key());
    let key = EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref());
    Issuer::new(pair.public_key(), json!({ "kty": "OKP", "crv": "Ed25519", "x": x }), key)
});

fn curve(signing: &'static EcdsaSigningAlgorithm, algorithm: Algorithm) -> Issuer {
    let pair = EcdsaKeyPair::generate(signing).unwrap();
    let key = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
    Issuer::new(pair.public_key(), jwk(&key, algorithm), key)
}

fn jwk(key: &EncodingKey, algorithm: Algorithm) -> Value {
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(key, algorithm).unwrap()).unwrap();
    jwk.as_object_mut().unwrap().remove("alg");
    jwk
}

impl Issuer {
    fn new(public: &impl AsDer<PublicKeyX509Der<'static>>, jwk: Value, key: EncodingKey) -> Self {
        Self { public_pem: pem("PUBLIC KEY", public.as_der().unwrap().as_ref()), jwk, key }
    }

    /// Its public key in a set, with members added or replaced.
    pub(super) fn jwk_with(&self, members: Value) -> Value {
        let mut jwk = self.jwk.clone();
        jwk.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        jwk
    }

    pub(super) fn token(&self, algorithm: Algorithm, kid: Option<&str>, claims: &Value) -> String {
        let header = Header { kid: kid.map(Into::into), ..Header::new(algorithm) };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

/// The issuer of ES512 tokens, which `jsonwebtoken` cannot make: its public key in PEM, and one token.
pub(super) fn p521(claims: &Value) -> (String, String) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).unwrap();
    let signed = unsigned(&json!({ "alg": "ES512" }), claims);
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    (pem("PUBLIC KEY", public.as_ref()), format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Header and claims, as a signature covers them.
pub(super) fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}
