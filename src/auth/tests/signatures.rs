//! Every algorithm, with tokens made elsewhere.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::super::jws::Jws;
use super::super::keys::Keys;
use super::issuer::{ED25519, Issuer, P256, P384, RSA, p521};
use super::{NOW_UNIX_S, SECRET, of, of_key_set, verifier};
use crate::auth::{TokenConfig, TokenError, Verifier};

fn assert_accepts(verifier: &Verifier, token: &str) {
    assert_eq!(verifier.connection(token, NOW_UNIX_S).map(|claims| claims.user), Ok("42".into()), "{token}");
}

fn claims() -> Value {
    json!({ "sub": "42" })
}

#[test]
fn a_shared_secret_checks_hs256_hs384_and_hs512() {
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = jsonwebtoken::encode(&Header::new(algorithm), &claims(), &key).unwrap();
        assert_accepts(&verifier(), &token);
    }
}

#[test]
fn an_rsa_key_checks_rs256_rs384_and_rs512() {
    let verifier = of(TokenConfig { rsa_public_key: RSA.public_pem.clone(), ..TokenConfig::default() });
    for algorithm in [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512] {
        assert_accepts(&verifier, &RSA.token(algorithm, None, &claims()));
    }
    let token = RSA.token(Algorithm::PS256, None, &claims());
    assert_eq!(verifier.connection(&token, NOW_UNIX_S), Err(TokenError::NoKey { algorithm: "PS256".into() }));
}

#[test]
fn the_curve_of_an_ecdsa_key_decides_its_algorithm() {
    let node = |pem: &str| of(TokenConfig { ecdsa_public_key: pem.into(), ..TokenConfig::default() });
    let es256 = P256.token(Algorithm::ES256, None, &claims());
    let es384 = P384.token(Algorithm::ES384, None, &claims());
    let (p521_pem, es512) = p521(&claims());
    let tokens = [("ES256", &P256.public_pem, es256), ("ES384", &P384.public_pem, es384), ("ES512", &p521_pem, es512)];
    for (algorithm, pem, _) in &tokens {
        for (other, _, token) in &tokens {
            if algorithm == other {
                assert_accepts(&node(pem), token);
            } else {
                let refused = Err(TokenError::NoKey { algorithm: (*other).into() });
                assert_eq!(node(pem).connection(token, NOW_UNIX_S), refused);
            }
        }
    }
}

#[test]
fn an_ed25519_key_checks_eddsa() {
    let verifier = of(TokenConfig { ed25519_public_key: ED25519.public_pem.clone(), ..TokenConfig::default() });
    assert_accepts(&verifier, &ED25519.token(Algorithm::EdDSA, None, &claims()));
}

#[test]
fn keys_of_a_set_check_like_configured_ones() {
    let cases: [(&Issuer, Algorithm); 4] =
        [(&RSA, Algorithm::RS512), (&P256, Algorithm::ES256), (&P384, Algorithm::ES384), (&ED25519, Algorithm::EdDSA)];
    for (issuer, algorithm) in cases {
        let verifier = of_key_set(&[issuer.jwk_with(json!({ "kid": "one", "use": "sig" }))]);
        assert_accepts(&verifier, &issuer.token(algorithm, Some("one"), &claims()));
        assert_accepts(&verifier, &issuer.token(algorithm, None, &claims()));
    }
}

/// RFC 7515, A.1 to A.3: tokens and keys as printed. They expired in 2011.
#[test]
fn the_tokens_of_rfc_7515_are_accepted_until_they_expire() {
    const EXP_UNIX_S: i64 = 1_300_819_380;
    const CLAIMS: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let hs256 = json!({
        "kty": "oct",
        "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    });
    let rs256 = json!({
        "kty": "RSA",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL\
              -yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9\
              e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAc\
              o9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        "e": "AQAB",
    });
    let es256 = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let cases = [
        (hs256, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        (
            rs256,
            "eyJhbGciOiJSUzI1NiJ9",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9\
             uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB\
             _eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq\
             Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            es256,
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
    ];
    for (jwk, header, signature) in cases {
        let token = format!("{header}.{CLAIMS}.{signature}");
        let verifier = of_key_set(&[jwk]);
        let claims = verifier.connection(&token, EXP_UNIX_S - 1).unwrap();
        assert_eq!(claims.exp_unix_s, Some(EXP_UNIX_S));
        assert_eq!(verifier.connection(&token, EXP_UNIX_S), Err(TokenError::Expired));
    }
}

/// RFC 7515, A.4 and RFC 8037, A.4: as printed; they sign no claims, so only their signatures are looked at.
#[test]
fn the_es512_and_eddsa_signatures_of_the_rfcs_fit() {
    let es512 = json!({
        "kty": "EC", "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
    });
    let eddsa = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let cases = [
        (
            es512,
            "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-K\
             GDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
        ),
        (
            eddsa,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWb\
             hijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ];
    for (jwk, token) in cases {
        let key_set = json!({ "keys": [jwk] }).to_string();
        let keys = Keys::new(&TokenConfig::default(), "client.token", Some(&key_set)).unwrap();
        assert_eq!(keys.check(&Jws::split(token).unwrap(), 0, &mut 0), Ok(()), "{token}");
        let changed = token.replacen('.', ".QUJD", 1);
        assert_eq!(keys.check(&Jws::split(&changed).unwrap(), 0, &mut 0), Err(TokenError::BadSignature), "{changed}");
    }
}
