//! Tokens that are called back.

use super::*;
use crate::auth::{Revocation, Subject};
use crate::limits::{LOOKS_PER_TICK, REVOCATIONS_MAX};
use crate::model::refusal::{Error, ErrorKind};

const FAR: i64 = i64::MAX;

fn user(node: &Node, name: &str) -> Revocation {
    revocation(Subject::User(name.into()), node.now.unix_s())
}

fn revocation(subject: Subject, issued_before_unix_s: i64) -> Revocation {
    Revocation { subject, issued_before_unix_s, until_unix_s: FAR }
}

/// Every shard is told, and answers at once.
fn revoke(node: &mut Node, revocation: Revocation) -> Vec<Result<(), Error>> {
    let revocation = Arc::new(revocation);
    let told = |shard| node.order(shard, |answer| Order::Revoke { revocation: revocation.clone(), answer });
    (0..2).map(told).collect()
}

fn goodbyes(node: &Node, peers: &[Peer]) -> Vec<Option<u16>> {
    peers.iter().map(|peer| node.goodbye(*peer)).collect()
}

#[test]
fn sessions_end_by_user_device_token_and_time_and_others_stay() {
    let now = Node::new().now.unix_s();
    let phone = Subject::Device { user: "7".into(), device: "phone".into() };
    for (subject, expected) in [
        (Subject::User("7".into()), [true, true, false]),
        (phone, [true, false, false]),
        (Subject::Token("a".into()), [true, false, false]),
        (Subject::All, [true, true, true]),
    ] {
        let mut node = Node::new();
        let claims = [
            json!({"sub": "7", "device": "phone", "jti": "a", "iat": now - 1}),
            json!({"sub": "7", "device": "tablet", "jti": "b"}),
            json!({"sub": "8", "device": "phone", "iat": now - 1}),
        ];
        let old: Vec<Peer> =
            claims.iter().enumerate().map(|(at, claims)| node.connect(at % 2, claims.clone())).collect();
        let newer = node.connect(0, json!({"sub": "7", "device": "phone", "iat": now}));
        let before = if matches!(subject, Subject::Token(_)) { FAR } else { now };
        assert_eq!(revoke(&mut node, revocation(subject.clone(), before)), [Ok(()), Ok(())]);
        let expected: Vec<_> = expected.iter().map(|goes| goes.then_some(3500)).collect();
        assert_eq!(goodbyes(&node, &old), expected, "{subject:?}");
        assert_eq!(node.goodbye(newer), None, "{subject:?}: its token was issued after that");
        for (at, claims) in claims.iter().enumerate() {
            let again = node.open(1 - at % 2);
            node.say(again, &connect(claims));
            assert_eq!(node.goodbye(again), expected[at], "{subject:?}: nor is the token taken again");
        }
    }
}

#[test]
fn a_token_that_was_called_back_renews_nothing_and_opens_nothing() {
    let mut node = Node::new();
    let now = node.now.unix_s();
    let channel = node.at(1, "open");
    let subscribed = json!({"sub": "7", "channel": channel, "iat": now});
    let sub = |claims: &Value| json!({"id": 3, "subscribe": {"channel": channel, "token": hs256(SECRET, claims)}});
    let mut old = subscribed.clone();
    old["iat"] = json!(now - 1);
    let peers: Vec<Peer> = (0..3).map(|_| node.connect(0, json!({"sub": "7", "iat": now}))).collect();
    node.say(peers[2], &sub(&subscribed).to_string());
    let revoked = user(&node, "7");
    revoke(&mut node, revoked);
    assert_eq!(kinds(&node.say(peers[0], &sub(&old).to_string())), ["3:error 103"]);
    assert_eq!(kinds(&node.say(peers[0], &sub(&subscribed).to_string()))[0], "3:subscribe");
    let refresh = json!({"id": 4, "refresh": {"token": hs256(SECRET, &json!({"sub": "7", "iat": now - 1}))}});
    node.say(peers[1], &refresh.to_string());
    let sub_refresh = json!({"id": 4, "sub_refresh": {"channel": channel, "token": hs256(SECRET, &old)}});
    node.say(peers[2], &sub_refresh.to_string());
    assert_eq!(goodbyes(&node, &peers), [None, Some(3500), Some(3500)]);
}

#[test]
fn a_session_goes_by_the_token_that_it_was_last_renewed_with() {
    let mut node = Node::new();
    let now = node.now.unix_s();
    let peer = node.connect(0, json!({"sub": "7", "jti": "first", "iat": now - 60}));
    let refresh =
        json!({"id": 2, "refresh": {"token": hs256(SECRET, &json!({"sub": "7", "jti": "next", "iat": now}))}});
    assert_eq!(kinds(&node.say(peer, &refresh.to_string())), ["2:refresh"]);
    let by_time = user(&node, "7");
    for gone in [by_time, revocation(Subject::Token("first".into()), FAR)] {
        revoke(&mut node, gone);
        assert_eq!(node.goodbye(peer), None);
    }
    revoke(&mut node, revocation(Subject::Token("next".into()), FAR));
    assert_eq!(node.goodbye(peer), Some(3500));
}

#[test]
fn a_renewal_that_names_another_device_has_the_client_come_back_on_it() {
    let mut node = Node::new();
    let refresh = |device: &str| {
        let token = hs256(SECRET, &json!({"sub": "7", "device": device}));
        json!({"id": 2, "refresh": {"token": token}}).to_string()
    };
    let peer = node.connect(0, json!({"sub": "7", "device": "phone"}));
    assert_eq!(kinds(&node.say(peer, &refresh("phone"))), ["2:refresh"]);
    node.say(peer, &refresh("tablet"));
    assert_eq!(node.goodbye(peer), Some(3010));
}

#[test]
fn a_device_that_the_client_named_itself_is_called_back_under_that_name() {
    let mut node = Node::new();
    let token = hs256(SECRET, &json!({"sub": "7"}));
    let frame = json!({"id": 1, "connect": {"token": token, "headers": {"x-device": "phone"}}}).to_string();
    let peer = node.open(0);
    node.say(peer, &frame);
    let subject = Subject::Device { user: "7".into(), device: "phone".into() };
    let revoked = revocation(subject, node.now.unix_s());
    revoke(&mut node, revoked);
    let again = node.open(1);
    node.say(again, &frame);
    assert_eq!(goodbyes(&node, &[peer, again]), [Some(3500), Some(3500)]);
}

#[test]
fn all_sessions_are_looked_through_a_part_in_each_tick() {
    let mut node = Node::new();
    let peers: Vec<Peer> = (0..2 * LOOKS_PER_TICK).map(|_| node.connect(0, json!({"sub": "7", "jti": "a"}))).collect();
    let revocation = Arc::new(revocation(Subject::Token("a".into()), FAR));
    let (answer, mut answered) = oneshot::channel();
    node.brokers[0].begin_tick(node.now);
    node.brokers[0].order(Order::Revoke { revocation, answer }, node.now);
    assert!(answered.try_recv().is_err(), "there are more than one tick may look at");
    // Meanwhile nobody begins with it.
    let late = node.open(0);
    node.say(late, &connect(&json!({"sub": "7", "jti": "a"})));
    while node.brokers[0].waits_for_tick() {
        node.brokers[0].begin_tick(node.now);
        node.after(0);
    }
    assert_eq!(answered.try_recv(), Ok(Ok(())));
    assert!(goodbyes(&node, &peers).iter().chain([&node.goodbye(late)]).all(|code| *code == Some(3500)));
}

#[test]
fn past_the_bound_a_revocation_is_refused_and_changes_nothing() {
    let mut node = Node::new();
    for number in 0..REVOCATIONS_MAX {
        revoke(&mut node, revocation(Subject::Token(number.to_string().into()), FAR));
    }
    let peer = node.connect(0, json!({"sub": "7"}));
    let one_more = user(&node, "7");
    let refused = revoke(&mut node, one_more);
    assert!(refused.iter().all(|told| told.as_ref().is_err_and(|error| error.kind == ErrorKind::LimitExceeded)));
    assert_eq!(node.goodbye(peer), None);
}
