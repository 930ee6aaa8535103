//! What accepted tokens say, and when they are not accepted.

use serde_json::json;

use super::{NOW_UNIX_S, connection, hmac, of, subscription, verifier};
use crate::auth::grant::{Grant, Overrides};
use crate::auth::{ConnectionClaims, KeyError, Stamp, TokenConfig, TokenError, Verifier};
use crate::config::{ClientConfig, SubscriptionTokenConfig};
use crate::limits::DEVICE_NAME_BYTES_MAX;
use crate::model::{Device, Payload};

fn is_malformed<T>(result: Result<T, TokenError>) -> bool {
    matches!(result, Err(TokenError::Malformed { part: "claims", .. }))
}

#[test]
fn a_connection_token_says_who_connects_and_on_which_terms() {
    let claims = json!({
        "sub": "42",
        "exp": NOW_UNIX_S + 60,
        "iat": NOW_UNIX_S,
        "jti": "a1",
        "info": { "name": "Ann" },
        "meta": { "device": "phone", "plan": 3 },
        "channels": ["news", "#42"],
        "subs": {
            "room": {
                "info": { "role": "admin" },
                "b64data": "AAH/",
                "override": { "presence": { "value": true }, "force_recovery": { "value": false } },
            },
            "lobby": {},
        },
    });
    let room = Grant {
        info: Some(Payload::json(&br#"{"role":"admin"}"#[..])),
        data: Some(Payload::binary(&[0, 1, 255][..])),
        expire_at_unix_s: None,
        overrides: Overrides { presence: Some(true), force_recovery: Some(false), ..Overrides::default() },
    };
    let expected = ConnectionClaims {
        user: "42".into(),
        stamp: Stamp { issued_unix_s: Some(NOW_UNIX_S), id: Some("a1".into()) },
        info: Some(Payload::json(&br#"{"name":"Ann"}"#[..])),
        exp_unix_s: Some(NOW_UNIX_S + 60),
        device: Device::named("phone", "", ""),
        subs: vec![("lobby".into(), Grant::default()), ("room".into(), room)],
        channels: vec!["news".into(), "#42".into()],
    };
    assert_eq!(connection(&verifier(), &claims), Ok(expected));
}

#[test]
fn a_subscription_token_says_what_is_granted_in_its_channel() {
    let claims = json!({
        "sub": "42",
        "channel": "$room",
        "client": "one session only",
        "exp": NOW_UNIX_S + 60,
        "b64info": "AP8=",
        "info": "not taken beside b64info",
        "data": [1, 2],
        "override": {
            "join_leave": { "value": true },
            "force_push_join_leave": { "value": true },
            "force_positioning": {},
        },
    });
    let accepted = subscription(&verifier(), &claims).unwrap();
    assert_eq!((&*accepted.user, &*accepted.channel), ("42", "$room"));
    assert_eq!(&*accepted.client, "one session only");
    let overrides = Overrides {
        join_leave: Some(true),
        force_push_join_leave: Some(true),
        force_positioning: Some(false),
        ..Overrides::default()
    };
    let expected = Grant {
        info: Some(Payload::binary(&[0, 255][..])),
        data: Some(Payload::json(&b"[1,2]"[..])),
        expire_at_unix_s: Some(NOW_UNIX_S + 60),
        overrides,
    };
    assert_eq!(accepted.grant, expected);
}

#[test]
fn an_empty_token_is_of_an_anonymous_user_for_ever() {
    assert_eq!(connection(&verifier(), &json!({})), Ok(ConnectionClaims::default()));
    let nulls = json!({ "sub": null, "exp": null, "info": null, "subs": null, "channels": null, "meta": null });
    assert_eq!(connection(&verifier(), &nulls), Ok(ConnectionClaims::default()));
}

#[test]
fn a_date_may_be_a_number_in_a_string() {
    let at = |date: &str| connection(&verifier(), &json!({ "sub": "42", "exp": date })).map(|claims| claims.exp_unix_s);
    assert_eq!(at(&(NOW_UNIX_S + 60).to_string()), Ok(Some(NOW_UNIX_S + 60)));
    assert_eq!(at(&format!("{}.5", NOW_UNIX_S + 60)), Ok(Some(NOW_UNIX_S + 60)));
    assert_eq!(at(&NOW_UNIX_S.to_string()), Err(TokenError::Expired));
}

#[test]
fn expire_at_parts_the_sessions_end_from_the_tokens() {
    let end = |claims| connection(&verifier(), &claims).map(|claims| claims.exp_unix_s);
    let exp = NOW_UNIX_S + 60;
    assert_eq!(end(json!({ "exp": exp })), Ok(Some(exp)));
    assert_eq!(end(json!({ "exp": exp, "expire_at": exp + 60 })), Ok(Some(exp + 60)));
    assert_eq!(end(json!({ "exp": exp, "expire_at": 0 })), Ok(None));
    assert_eq!(end(json!({ "expire_at": exp })), Ok(Some(exp)));
    assert_eq!(end(json!({ "exp": NOW_UNIX_S, "expire_at": 0 })), Err(TokenError::Expired));
    let of_subscription = json!({ "channel": "news", "exp": exp, "expire_at": 0 });
    assert_eq!(subscription(&verifier(), &of_subscription).unwrap().grant.expire_at_unix_s, None);
}

#[test]
fn a_token_holds_from_nbf_until_before_exp() {
    let check = |claims| connection(&verifier(), &claims).map(|_| ());
    assert_eq!(check(json!({ "exp": NOW_UNIX_S + 1 })), Ok(()));
    assert_eq!(check(json!({ "exp": NOW_UNIX_S })), Err(TokenError::Expired));
    assert_eq!(check(json!({ "exp": 0 })), Err(TokenError::Expired));
    assert_eq!(check(json!({ "nbf": NOW_UNIX_S })), Ok(()));
    let early = TokenError::NotYetValid { nbf_unix_s: NOW_UNIX_S + 1 };
    assert_eq!(check(json!({ "nbf": NOW_UNIX_S + 1 })), Err(early));
    let expired = json!({ "channel": "news", "exp": NOW_UNIX_S });
    assert_eq!(subscription(&verifier(), &expired), Err(TokenError::Expired));
}

#[test]
fn clocks_may_be_apart_by_the_leeway() {
    let verifier = of(TokenConfig { leeway: TokenConfig::default().leeway, ..hmac() });
    let check = |claims| connection(&verifier, &claims).map(|_| ());
    assert_eq!(check(json!({ "nbf": NOW_UNIX_S + 5 })), Ok(()));
    let early = TokenError::NotYetValid { nbf_unix_s: NOW_UNIX_S + 6 };
    assert_eq!(check(json!({ "nbf": NOW_UNIX_S + 6 })), Err(early));
    assert_eq!(check(json!({ "exp": NOW_UNIX_S - 4 })), Ok(()));
    assert_eq!(check(json!({ "exp": NOW_UNIX_S - 5 })), Err(TokenError::Expired));
    assert_eq!(check(json!({ "iat": NOW_UNIX_S + 3600 })), Ok(()), "when it was made says nothing about when it holds");
    let own = SubscriptionTokenConfig { enabled: true, token: hmac() };
    let client = ClientConfig { token: hmac(), subscription_token: own, ..ClientConfig::default() };
    let strict = Verifier::new(&client.tokens(), None).unwrap();
    let early = json!({ "channel": "news", "nbf": NOW_UNIX_S + 1 });
    assert!(matches!(subscription(&strict, &early), Err(TokenError::NotYetValid { .. })), "each has its own");
}

#[test]
fn times_at_the_edges_are_past_or_for_ever() {
    let of_connection = |claims| connection(&verifier(), &claims).map(|claims| claims.exp_unix_s);
    assert_eq!(
        of_connection(json!({ "expire_at": i64::MIN })),
        Ok(Some(i64::MIN)),
        "past, which the session finds out"
    );
    assert_eq!(of_connection(json!({ "expire_at": i64::MAX })), Ok(Some(i64::MAX)));
    assert_eq!(of_connection(json!({ "exp": i64::MIN })), Err(TokenError::Expired));
    assert_eq!(of_connection(json!({ "nbf": i64::MIN, "exp": i64::MAX })), Ok(Some(i64::MAX)));
    assert!(matches!(of_connection(json!({ "nbf": i64::MAX })), Err(TokenError::NotYetValid { .. })));
}

#[test]
fn dates_may_have_fractions_and_be_out_of_range() {
    let end = |exp: serde_json::Value| connection(&verifier(), &json!({ "exp": exp })).map(|claims| claims.exp_unix_s);
    assert_eq!(end(json!(NOW_UNIX_S as f64 + 1.75)), Ok(Some(NOW_UNIX_S + 1)));
    assert_eq!(end(json!(u64::MAX)), Ok(Some(i64::MAX)));
    assert_eq!(end(json!(1e300)), Ok(Some(i64::MAX)));
    assert_eq!(end(json!(-1e300)), Err(TokenError::Expired));
}

#[test]
fn a_token_of_another_audience_is_refused() {
    let exact = of(TokenConfig { audience: "chat".into(), ..hmac() });
    let regex = of(TokenConfig { audience_regex: "^chat(-[a-z]+)?$".into(), ..hmac() });
    for verifier in [&exact, &regex] {
        for aud in [json!("chat"), json!(["shop", "chat"])] {
            assert!(connection(verifier, &json!({ "aud": aud })).is_ok());
        }
        for aud in [json!("shop"), json!("chats"), json!([]), json!(null)] {
            assert_eq!(connection(verifier, &json!({ "aud": aud })), Err(TokenError::WrongAudience));
        }
    }
    assert!(connection(&regex, &json!({ "aud": "chat-eu" })).is_ok());
    assert_eq!(connection(&exact, &json!({ "aud": "chat-eu" })), Err(TokenError::WrongAudience));
    assert_eq!(subscription(&exact, &json!({ "channel": "news" })), Err(TokenError::WrongAudience));
}

#[test]
fn a_token_of_another_issuer_is_refused() {
    let exact = of(TokenConfig { issuer: "https://id.example.com".into(), ..hmac() });
    let regex = of(TokenConfig { issuer_regex: r"^https://id\.example\.com$".into(), ..hmac() });
    for verifier in [exact, regex] {
        assert!(connection(&verifier, &json!({ "iss": "https://id.example.com" })).is_ok());
        for claims in [json!({ "iss": "https://id.example.com.evil" }), json!({})] {
            assert_eq!(connection(&verifier, &claims), Err(TokenError::WrongIssuer));
        }
    }
}

#[test]
fn expectations_that_contradict_or_do_not_compile_are_refused() {
    let refusal = |token| Verifier::new(&ClientConfig { token, ..ClientConfig::default() }.tokens(), None).unwrap_err();
    let both = TokenConfig { audience: "chat".into(), audience_regex: "chat".into(), ..hmac() };
    assert!(matches!(refusal(both), KeyError::Config { key: "audience_regex", .. }));
    let broken = TokenConfig { issuer_regex: "(".into(), ..hmac() };
    assert!(refusal(broken).to_string().starts_with("`client.token.issuer_regex`: it does not compile"));
}

#[test]
fn another_claim_can_name_the_user() {
    let verifier = of(TokenConfig { user_id_claim: "uid".into(), ..hmac() });
    let user = |claims| connection(&verifier, &claims).map(|claims| claims.user);
    assert_eq!(user(json!({ "sub": "42", "uid": "ann" })), Ok("ann".into()));
    assert_eq!(user(json!({ "uid": 42 })), Ok("42".into()));
    assert_eq!(user(json!({ "sub": "42" })), Ok("".into()));
    assert!(is_malformed(user(json!({ "uid": ["ann"] }))));
    let of_subscription = subscription(&verifier, &json!({ "uid": "ann", "channel": "news" }));
    assert_eq!(&*of_subscription.unwrap().user, "ann");
}

#[test]
fn the_two_kinds_of_token_cannot_stand_in_for_each_other() {
    let verifier = verifier();
    assert_eq!(connection(&verifier, &json!({ "sub": "42", "channel": "news" })), Err(TokenError::ForSubscription));
    assert_eq!(subscription(&verifier, &json!({ "sub": "42" })), Err(TokenError::MissingChannel));
    assert_eq!(subscription(&verifier, &json!({ "channel": "" })), Err(TokenError::MissingChannel));
}

#[test]
fn claims_of_a_wrong_type_are_told() {
    let wrong = [
        json!({ "sub": 42 }),
        json!({ "exp": "tomorrow" }),
        json!({ "exp": "" }),
        json!({ "exp": true }),
        json!({ "channels": "news" }),
        json!({ "subs": ["news"] }),
        json!({ "subs": { "news": { "override": { "presence": true } } } }),
        json!({ "b64info": "no base64!" }),
        json!("no claims"),
    ];
    for claims in wrong {
        assert!(is_malformed(connection(&verifier(), &claims)), "{claims}");
    }
    let told = connection(&verifier(), &json!({ "sub": 42 })).unwrap_err().to_string();
    assert!(told.contains("claims") && told.contains("expected a string"), "{told}");
}

#[test]
fn information_is_kept_on_one_line() {
    let claims = serde_json::from_str::<Box<serde_json::value::RawValue>>("{\n\"info\": {\r\n \"a\":1}}").unwrap();
    let key = jsonwebtoken::EncodingKey::from_secret(super::SECRET.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let accepted = verifier().connection(&token, NOW_UNIX_S).unwrap();
    assert_eq!(accepted.info, Some(Payload::json(&b"{   \"a\":1}"[..])));
}

#[test]
fn an_applications_own_meta_is_no_obstacle() {
    let device = |meta| connection(&verifier(), &json!({ "meta": meta })).unwrap().device;
    let tablet = json!({ "device": "tablet", "device_kind": "handheld" });
    assert_eq!(device(tablet), Device::named("tablet", "handheld", ""));
    for meta in [json!({ "plan": 3 }), json!({ "device": 7 }), json!({ "device": "" }), json!("text"), json!([])] {
        assert_eq!(device(meta), Device::default());
    }
}

#[test]
fn the_device_of_the_token_itself_goes_before_that_of_its_meta_and_is_bounded() {
    let device = |claims| connection(&verifier(), &claims).map(|claims| claims.device);
    let both = json!({ "device": "phone", "meta": { "device": "tablet", "device_kind": "handheld" } });
    assert_eq!(device(both), Ok(Device::named("phone", "handheld", "")));
    let longest = "x".repeat(DEVICE_NAME_BYTES_MAX);
    assert_eq!(device(json!({ "device_kind": longest })), Ok(Device::named("", &longest, "")));
    for claim in ["device", "device_kind"] {
        assert!(is_malformed(device(json!({ claim: format!("{longest}x") }))));
        assert!(is_malformed(device(json!({ claim: 7 }))));
    }
}
