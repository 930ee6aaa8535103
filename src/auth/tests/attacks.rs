//! Tokens made to deceive.

use std::sync::LazyLock;

use aws_lc_rs::hmac as mac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::issuer::{ED25519, P256, RSA, unsigned};
use super::{NOW_UNIX_S, SECRET, hmac, of, of_key_set, verifier};
use crate::auth::{ConnectionClaims, TokenConfig, TokenError, Verifier, mint};
use crate::config::ClientConfig;
use crate::limits;

fn claims() -> Value {
    json!({ "sub": "admin" })
}

fn no_key<T>(algorithm: &str) -> Result<T, TokenError> {
    Err(TokenError::NoKey { algorithm: algorithm.into() })
}

/// A node with a key of every family.
fn versatile() -> Verifier {
    of(TokenConfig {
        rsa_public_key: RSA.public_pem.clone(),
        ecdsa_public_key: P256.public_pem.clone(),
        ed25519_public_key: ED25519.public_pem.clone(),
        ..hmac()
    })
}

/// A token with any header, signed by HMAC with any bytes.
fn forged(header: &Value, secret: &[u8]) -> String {
    let signed = unsigned(header, &claims());
    let tag = mac::sign(&mac::Key::new(mac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn check(verifier: &Verifier, token: &str) -> Result<ConnectionClaims, TokenError> {
    verifier.connection(token, NOW_UNIX_S)
}

#[test]
fn an_unsigned_token_is_refused_however_none_is_spelled() {
    for algorithm in ["none", "None", "NONE", ""] {
        let token = format!("{}.", unsigned(&json!({ "alg": algorithm }), &claims()));
        assert_eq!(check(&versatile(), &token), no_key(algorithm));
    }
    for algorithm in ["HS256", "RS256", "ES256", "EdDSA"] {
        let token = format!("{}.", unsigned(&json!({ "alg": algorithm }), &claims()));
        assert_eq!(check(&versatile(), &token), Err(TokenError::BadSignature));
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    for issuer in [&RSA, &P256, &ED25519] {
        let token = forged(&header, issuer.public_pem.as_bytes());
        assert_eq!(check(&versatile(), &token), Err(TokenError::BadSignature));
    }
    let rsa_only = of(TokenConfig { rsa_public_key: RSA.public_pem.clone(), ..TokenConfig::default() });
    assert_eq!(check(&rsa_only, &forged(&header, RSA.public_pem.as_bytes())), no_key("HS256"));
}

#[test]
fn an_algorithm_without_a_key_is_refused() {
    let node = |token| of(token);
    assert_eq!(check(&node(TokenConfig::default()), &mint::hs256("", &claims())), no_key("HS256"));
    assert_eq!(check(&node(hmac()), &RSA.token(Algorithm::RS256, None, &claims())), no_key("RS256"));
}

#[test]
fn a_swapped_algorithm_is_refused() {
    let signed_by_rsa = RSA.token(Algorithm::RS256, None, &claims());
    let signature = signed_by_rsa.rsplit_once('.').unwrap().1;
    for algorithm in ["RS384", "RS512", "HS256", "ES256", "EdDSA"] {
        let token = format!("{}.{signature}", unsigned(&json!({ "alg": algorithm }), &claims()));
        assert_eq!(check(&versatile(), &token), Err(TokenError::BadSignature), "{algorithm}");
    }
}

#[test]
fn a_key_id_of_another_type_is_refused() {
    let verifier = of_key_set(&[RSA.jwk_with(json!({ "kid": "rsa" })), P256.jwk_with(json!({ "kid": "p256" }))]);
    let refused =
        |kid: &str, algorithm: &str| Err(TokenError::WrongAlgorithm { kid: kid.into(), algorithm: algorithm.into() });
    let token = forged(&json!({ "alg": "HS256", "kid": "rsa" }), RSA.public_pem.as_bytes());
    assert_eq!(check(&verifier, &token), refused("rsa", "HS256"));
    let token = P256.token(Algorithm::ES256, Some("rsa"), &claims());
    assert_eq!(check(&verifier, &token), refused("rsa", "ES256"));
}

#[test]
fn a_key_that_the_token_brings_along_is_not_used() {
    let thief = P256.jwk.clone();
    let header = json!({ "alg": "HS256", "jwk": thief, "jku": "https://evil.example.com", "x5c": ["AA=="] });
    assert_eq!(check(&versatile(), &forged(&header, b"the thief's")), Err(TokenError::BadSignature));
}

#[test]
fn a_truncated_signature_is_refused() {
    let tokens = [
        mint::hs256(SECRET, &claims()),
        RSA.token(Algorithm::RS256, None, &claims()),
        P256.token(Algorithm::ES256, None, &claims()),
        ED25519.token(Algorithm::EdDSA, None, &claims()),
    ];
    for token in tokens {
        assert!(check(&versatile(), &token).is_ok());
        let signed = token.rfind('.').unwrap();
        for end in signed + 1..token.len() {
            assert!(check(&versatile(), &token[..end]).is_err());
        }
    }
}

#[test]
fn a_critical_extension_is_refused() {
    let token = forged(&json!({ "alg": "HS256", "crit": ["b64"], "b64": false }), SECRET.as_bytes());
    assert!(matches!(check(&verifier(), &token), Err(TokenError::Malformed { part: "header", .. })));
}

#[test]
fn what_is_no_token_is_told_by_part() {
    let good = mint::hs256(SECRET, &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let cases = [
        ("form", String::new()),
        ("form", "a.b".into()),
        ("form", format!("{good}.")),
        ("header", format!("!.{}.{}", parts[1], parts[2])),
        ("header", format!("e30.{}.{}", parts[1], parts[2])),
        ("signature", format!("{}.{}.{}=", parts[0], parts[1], parts[2])),
    ];
    for (expected, token) in cases {
        match check(&verifier(), &token) {
            Err(TokenError::Malformed { part, .. }) => assert_eq!(part, expected, "{token}"),
            other => panic!("{token}: {other:?}"),
        }
    }
}

#[test]
fn a_token_that_is_too_long_is_not_looked_at() {
    let token = mint::hs256(SECRET, &json!({ "info": "x".repeat(limits::TOKEN_BYTES_MAX) }));
    assert_eq!(check(&verifier(), &token), Err(TokenError::TooLong));
}

#[test]
fn signatures_are_skipped_only_where_that_is_configured() {
    let unsigned = format!("{}.", unsigned(&json!({ "alg": "none" }), &json!({ "sub": "42", "exp": NOW_UNIX_S })));
    let client = ClientConfig { insecure_skip_token_signature_verify: true, token: hmac(), ..ClientConfig::default() };
    let careless = Verifier::new(&client.tokens(), None).unwrap();
    assert_eq!(&*careless.connection(&unsigned, NOW_UNIX_S - 1).unwrap().user, "42");
    assert_eq!(careless.connection(&unsigned, NOW_UNIX_S), Err(TokenError::Expired));
    assert_eq!(verifier().connection(&unsigned, NOW_UNIX_S - 1), no_key("none"));
}

static VERSATILE: LazyLock<Verifier> = LazyLock::new(versatile);
static VALID: LazyLock<[String; 3]> = LazyLock::new(|| {
    [
        mint::hs256(SECRET, &claims()),
        P256.token(Algorithm::ES256, None, &claims()),
        ED25519.token(Algorithm::EdDSA, Some("any"), &claims()),
    ]
});

fn claim_name() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &[
        "sub",
        "exp",
        "nbf",
        "aud",
        "iss",
        "info",
        "b64info",
        "data",
        "b64data",
        "channel",
        "channels",
        "subs",
        "override",
        "meta",
        "device",
        "device_kind",
        "iat",
        "jti",
        "expire_at",
        "presence",
        "value",
    ];
    prop::sample::select(NAMES).prop_map(String::from)
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from);
        let object = prop::collection::btree_map(claim_name(), inner, 0..4);
        prop_oneof![list, object.prop_map(|members| members.into_iter().collect())]
    })
}

proptest! {
    #[test]
    fn arbitrary_text_is_refused_without_panic(token in "\\PC*") {
        prop_assert!(check(&VERSATILE, &token).is_err());
        prop_assert!(VERSATILE.subscription(&token, NOW_UNIX_S).is_err());
    }

    #[test]
    fn arbitrary_parts_are_refused_without_panic(
        header in prop_oneof![Just(br#"{"alg":"ES256"}"#.to_vec()), Just(br#"{"alg":"RS512"}"#.to_vec()), any::<Vec<u8>>()],
        payload in any::<Vec<u8>>(),
        signature in any::<Vec<u8>>(),
    ) {
        let parts = [header, payload, signature].map(|part| URL_SAFE_NO_PAD.encode(part));
        prop_assert!(check(&VERSATILE, &parts.join(".")).is_err());
    }

    #[test]
    fn arbitrary_claims_of_an_issuer_do_not_panic(members in prop::collection::btree_map(claim_name(), json_value(), 0..6)) {
        let token = mint::hs256(SECRET, &members.into_iter().collect());
        let _ = check(&VERSATILE, &token);
        let _ = VERSATILE.subscription(&token, NOW_UNIX_S);
    }

    #[test]
    fn a_bit_flipped_anywhere_is_refused(which in 0..3_usize, at in any::<prop::sample::Index>(), bit in 0..7_u8) {
        let mut bytes = VALID[which].clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let token = String::from_utf8(bytes).expect("seven bits stay ASCII");
        prop_assert!(check(&VERSATILE, &token).is_err(), "{}", token);
    }

    #[test]
    fn arbitrary_key_sets_do_not_panic(text in "\\PC*", n in "[A-Za-z0-9_-]{0,400}", e in "[A-Za-z0-9_-]{0,8}") {
        let client = ClientConfig::default();
        prop_assert!(Verifier::new(&client.tokens(), Some(&text)).is_err());
        let curve = json!({ "kty": "EC", "crv": "P-256", "x": n, "y": e });
        let _ = Verifier::new(&client.tokens(), Some(&json!({ "keys": [{ "kty": "RSA", "n": n, "e": e }, curve] }).to_string()));
    }
}
