//! Which key a token is checked with, and what becomes of keys that cannot be used.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::issuer::{ED25519, P256, P384, RSA, pem};
use super::{NOW_UNIX_S, SECRET, hmac, of, of_key_set};
use crate::auth::{KeyError, TokenConfig, TokenError, Verifier, mint};
use crate::config::{ClientConfig, SubscriptionTokenConfig};
use crate::limits;
use crate::work::price;

fn claims() -> Value {
    json!({ "sub": "42" })
}

fn endpoint() -> TokenConfig {
    TokenConfig { jwks_public_endpoint: "https://id.example.com/keys".into(), ..TokenConfig::default() }
}

fn refusal(token: TokenConfig, key_set: Option<&str>) -> String {
    Verifier::new(&ClientConfig { token, ..ClientConfig::default() }.tokens(), key_set).unwrap_err().to_string()
}

#[test]
fn the_key_id_chooses_among_keys_of_one_algorithm() {
    let verifier =
        of_key_set(&[P256.jwk_with(json!({ "kid": "old" })), RSA.jwk_with(json!({ "kid": "new", "alg": "RS256" }))]);
    assert!(verifier.connection(&P256.token(Algorithm::ES256, Some("old"), &claims()), NOW_UNIX_S).is_ok());
    assert!(verifier.connection(&RSA.token(Algorithm::RS256, Some("new"), &claims()), NOW_UNIX_S).is_ok());
    // `alg` of a key narrows what it may do.
    let token = RSA.token(Algorithm::RS384, Some("new"), &claims());
    let wrong = TokenError::WrongAlgorithm { kid: "new".into(), algorithm: "RS384".into() };
    assert_eq!(verifier.connection(&token, NOW_UNIX_S), Err(wrong));
}

#[test]
fn a_secret_of_before_is_taken_until_its_time_is_over() {
    let rotated = |valid_until| {
        of(TokenConfig {
            hmac_secret_key: "a-secret-that-takes-the-place-of-another".into(),
            hmac_previous_secret_key: SECRET.into(),
            hmac_previous_secret_key_valid_until: valid_until,
            ..hmac()
        })
    };
    let old = mint::hs256(SECRET, &claims());
    let new = mint::hs256("a-secret-that-takes-the-place-of-another", &claims());
    for (valid_until, is_taken) in [(0, true), (NOW_UNIX_S, true), (NOW_UNIX_S + 1, true), (NOW_UNIX_S - 1, false)] {
        let verifier = rotated(valid_until);
        assert!(verifier.connection(&new, NOW_UNIX_S).is_ok());
        assert_eq!(verifier.connection(&old, NOW_UNIX_S).is_ok(), is_taken, "until {valid_until}");
    }
    assert_eq!(rotated(1).connection(&old, NOW_UNIX_S), Err(TokenError::BadSignature));
}

#[test]
fn a_key_that_the_token_does_not_name_is_not_tried() {
    let secret = |kid: &str, secret: &str| json!({ "kty": "oct", "kid": kid, "k": URL_SAFE_NO_PAD.encode(secret) });
    let verifier = of_key_set(&[secret("one", SECRET), secret("two", "another secret")]);
    let token = |kid: &str| {
        let header = Header { kid: Some(kid.into()), ..Header::default() };
        jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
    };
    assert!(verifier.connection(&token("one"), NOW_UNIX_S).is_ok());
    assert_eq!(verifier.connection(&token("two"), NOW_UNIX_S), Err(TokenError::BadSignature));
}

#[test]
fn a_key_id_that_is_not_in_the_set_asks_for_a_newer_one() {
    let verifier = of_key_set(&[P256.jwk_with(json!({ "kid": "old" }))]);
    let token = RSA.token(Algorithm::RS256, Some("new"), &claims());
    assert_eq!(verifier.connection(&token, NOW_UNIX_S), Err(TokenError::UnknownKey { kid: "new".into() }));
    let newer = of_key_set(&[RSA.jwk_with(json!({ "kid": "new" }))]);
    assert!(newer.connection(&token, NOW_UNIX_S).is_ok());
}

#[test]
fn until_the_set_is_fetched_its_tokens_ask_for_it() {
    let verifier = of(endpoint());
    for kid in [None, Some("one")] {
        let token = P256.token(Algorithm::ES256, kid, &claims());
        let unknown = TokenError::UnknownKey { kid: kid.unwrap_or_default().into() };
        assert_eq!(verifier.connection(&token, NOW_UNIX_S), Err(unknown));
    }
}

#[test]
fn a_key_id_that_nothing_serves_leaves_the_configured_keys() {
    let verifier = of(TokenConfig { rsa_public_key: RSA.public_pem.clone(), ..TokenConfig::default() });
    assert!(verifier.connection(&RSA.token(Algorithm::RS256, Some("any"), &claims()), NOW_UNIX_S).is_ok());
}

#[test]
fn configured_keys_stay_in_force_beside_a_key_set() {
    let token = TokenConfig { hmac_secret_key: SECRET.into(), ..endpoint() };
    let key_set = json!({ "keys": [P256.jwk_with(json!({ "kid": "one" }))] }).to_string();
    let verifier = Verifier::new(&ClientConfig { token, ..ClientConfig::default() }.tokens(), Some(&key_set)).unwrap();
    assert!(verifier.connection(&mint::hs256(SECRET, &claims()), NOW_UNIX_S).is_ok());
    assert!(verifier.connection(&P256.token(Algorithm::ES256, Some("one"), &claims()), NOW_UNIX_S).is_ok());
}

#[test]
fn keys_for_other_purposes_and_of_unknown_kinds_are_passed_over() {
    let foreign = [
        P256.jwk_with(json!({ "use": "enc" })),
        P256.jwk_with(json!({ "crv": "secp256k1" })),
        P256.jwk_with(json!({ "x": "AA" })),
        ED25519.jwk_with(json!({ "crv": "X25519" })),
        RSA.jwk_with(json!({ "n": "AQAB" })),
        json!({ "kty": "oct", "k": "" }),
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA" }),
        json!("no key"),
    ];
    let set = |keys: &[Value]| json!({ "keys": keys }).to_string();
    assert!(refusal(endpoint(), Some(&set(&foreign))).contains("no RSA, EC, OKP or oct key"));
    let with_one: Vec<Value> = foreign.into_iter().chain([P384.jwk.clone()]).collect();
    let verifier = of_key_set(&with_one);
    assert!(verifier.connection(&P384.token(Algorithm::ES384, None, &claims()), NOW_UNIX_S).is_ok());
    let token = P256.token(Algorithm::ES256, None, &claims());
    assert_eq!(verifier.connection(&token, NOW_UNIX_S), Err(TokenError::UnknownKey { kid: "".into() }));
}

/// A node that reads the RSA key with this modulus.
fn of_modulus(modulus: &[u8]) -> Result<Verifier, KeyError> {
    let key = RSA.jwk_with(json!({ "n": URL_SAFE_NO_PAD.encode(modulus) }));
    let client = ClientConfig { token: endpoint(), ..ClientConfig::default() };
    Verifier::new(&client.tokens(), Some(&json!({ "keys": [key] }).to_string()))
}

#[test]
fn a_modulus_with_a_leading_zero_is_understood() {
    let modulus = URL_SAFE_NO_PAD.decode(RSA.jwk["n"].as_str().unwrap()).unwrap();
    let verifier = of_modulus(&[&[0][..], &modulus].concat()).unwrap();
    assert!(verifier.connection(&RSA.token(Algorithm::RS256, None, &claims()), NOW_UNIX_S).is_ok());
}

#[test]
fn an_rsa_key_has_2048_to_8192_bits() {
    for (bytes, usable) in [(128, false), (255, false), (256, true), (1024, true), (1025, false)] {
        assert_eq!(of_modulus(&vec![0xff; bytes]).is_ok(), usable, "{} bits", bytes * 8);
    }
}

#[test]
fn a_key_set_that_is_none_or_too_large_is_refused() {
    assert!(refusal(endpoint(), Some("<html>")).starts_with("the key set cannot be used"));
    assert!(refusal(endpoint(), Some(&" ".repeat(limits::KEY_SET_BYTES_MAX + 1))).contains("longer than"));
    let many = vec![P256.jwk.clone(); limits::KEY_SET_KEYS_MAX + 1];
    assert!(refusal(endpoint(), Some(&json!({ "keys": many }).to_string())).contains("more than 32"));
}

#[test]
fn a_configured_key_that_cannot_be_used_is_told_by_name() {
    let rsa = |rsa_public_key: String| TokenConfig { rsa_public_key, ..TokenConfig::default() };
    assert!(
        refusal(rsa("MIIB".into()), None).starts_with("`client.token.rsa_public_key`: it must be a public key in PEM")
    );
    assert!(refusal(rsa(P256.public_pem.clone()), None).contains("an RSA key of 2048 to 8192 bits"));
    let ecdsa_public_key = ED25519.public_pem.clone();
    assert!(
        refusal(TokenConfig { ecdsa_public_key, ..TokenConfig::default() }, None).contains("P-256, P-384 or P-521")
    );
    let ed25519_public_key = pem("PUBLIC KEY", b"no DER");
    assert!(refusal(TokenConfig { ed25519_public_key, ..TokenConfig::default() }, None).contains("Ed25519"));
    let jwks_public_endpoint = "id.example.com".into();
    assert!(refusal(TokenConfig { jwks_public_endpoint, ..TokenConfig::default() }, None).contains("https://"));
}

#[test]
fn subscription_tokens_have_keys_of_their_own_when_enabled() {
    const OWN: &str = "another-secret-for-subscriptions";
    let claims = json!({ "sub": "42", "channel": "news" });
    let own = TokenConfig { hmac_secret_key: OWN.into(), ..TokenConfig::default() };
    let mut client = ClientConfig {
        token: hmac(),
        subscription_token: SubscriptionTokenConfig { enabled: false, token: own },
        ..ClientConfig::default()
    };
    let accepts = |client: &ClientConfig, secret| {
        Verifier::new(&client.tokens(), None).unwrap().subscription(&mint::hs256(secret, &claims), NOW_UNIX_S).is_ok()
    };
    assert!(accepts(&client, SECRET) && !accepts(&client, OWN));
    client.subscription_token.enabled = true;
    assert!(accepts(&client, OWN) && !accepts(&client, SECRET));
}

#[test]
fn subscription_tokens_share_the_key_set_only_if_they_name_it() {
    let claims = json!({ "sub": "42", "channel": "news" });
    let key_set = json!({ "keys": [P256.jwk] }).to_string();
    let node = |endpoint_of_subscriptions: &str| {
        let own = TokenConfig { jwks_public_endpoint: endpoint_of_subscriptions.into(), ..hmac() };
        let subscription_token = SubscriptionTokenConfig { enabled: true, token: own };
        let client = ClientConfig { token: endpoint(), subscription_token, ..ClientConfig::default() };
        Verifier::new(&client.tokens(), Some(&key_set))
    };
    let token = P256.token(Algorithm::ES256, None, &claims);
    assert!(node("https://id.example.com/keys").unwrap().subscription(&token, NOW_UNIX_S).is_ok());
    let refused = Err(TokenError::NoKey { algorithm: "ES256".into() });
    assert_eq!(node("").unwrap().subscription(&token, NOW_UNIX_S), refused);
    let elsewhere = node("https://other.example.com/keys").unwrap_err().to_string();
    assert!(elsewhere.contains("the same as `client.token.jwks_public_endpoint`"), "{elsewhere}");
}

#[test]
fn each_signature_that_is_checked_has_its_price() {
    let verifier =
        of_key_set(&[P256.jwk_with(json!({ "kid": "a" })), P256.jwk_with(json!({ "kid": "b" })), P384.jwk.clone()]);
    let price = |token: &str| {
        let mut price_ns = 0;
        let _ = verifier.connection_at(token, NOW_UNIX_S, &mut price_ns);
        let mut again_ns = 0;
        let _ = verifier.subscription_at(token, NOW_UNIX_S, &mut again_ns);
        assert_eq!(price_ns, again_ns);
        price_ns
    };
    let wrong = |token: String| token[..token.len() - 8].to_owned() + "AAAAAAAA";
    assert_eq!(price("no token"), 0);
    assert_eq!(price(&mint::hs256(SECRET, &claims())), 0, "no key is tried");
    assert_eq!(price(&P256.token(Algorithm::ES256, Some("a"), &claims())), price::P256_NS);
    assert_eq!(price(&wrong(P256.token(Algorithm::ES256, None, &claims()))), 2 * price::P256_NS, "every key is tried");
    assert_eq!(price(&P384.token(Algorithm::ES384, None, &claims())), price::LONG_CURVE_NS);
}
