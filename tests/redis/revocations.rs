//! Tokens that were called back, as nodes share them.

use std::time::{SystemTime, UNIX_EPOCH};

use ringpost::auth::{Revocation, Subject};
use ringpost::cluster::redis::bucket::Kind;
use ringpost::cluster::redis::listener::Event;
use ringpost::cluster::redis::revocations::told;
use ringpost::cluster::redis::sessions::Enrolment;
use ringpost::model::refusal::DisconnectKind;

use crate::functions::{config, linked, node, with_each};
use crate::listening::Listening;
use crate::server::{Kind as Of, Server};
use crate::sessions::{admit, enrolment, leases};

fn revocation(subject: Subject, until_unix_s: i64, issued_before_unix_s: i64) -> Revocation {
    Revocation { subject, issued_before_unix_s, until_unix_s }
}

fn in_an_hour() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64 + 3_600
}

#[test]
fn a_token_that_was_called_back_finds_no_place_on_a_node_that_did_not_hear_of_it() {
    with_each(async |link, config, _| {
        let (leases, ann, bob) = (leases(&[true, true]), node(&link, &config, 1, 1), node(&link, &config, 2, 2));
        let (user, device) = (Subject::User("u".into()), Subject::Device { user: "w".into(), device: "d".into() });
        ann.revoke(&revocation(user, in_an_hour(), 2000)).await.unwrap();
        ann.revoke(&revocation(device, in_an_hour(), 2000)).await.unwrap();
        ann.revoke(&revocation(Subject::User("over".into()), 1, 2000)).await.unwrap();
        let issued = |user, at| Enrolment { user, issued_unix_s: at, ..enrolment(1, "d") };
        let (refused, admitted) = (Err(DisconnectKind::InvalidToken.into()), Ok(()));
        for (of, expected) in [
            (issued("u", Some(1999)), &refused),
            (issued("u", Some(0)), &refused),
            (issued("u", Some(2000)), &admitted),
            (issued("u", None), &admitted),
            (issued("w", Some(1999)), &refused),
            (Enrolment { device: "e", ..issued("w", Some(1999)) }, &admitted),
            (issued("over", Some(1999)), &admitted),
        ] {
            let verdict = bob.session_put(&of, &leases).await.map(|verdict| verdict.map(drop));
            assert_eq!(verdict.as_ref(), Ok(expected), "{of:?}");
            bob.session_remove(of.user, of.client).await.unwrap();
        }
    });
}

#[test]
fn all_that_is_called_back_can_be_read_and_one_of_the_same_subject_is_widened() {
    with_each(async |link, config, _| {
        let (node, until) = (node(&link, &config, 1, 1), in_an_hour());
        let mut expected = vec![
            revocation(Subject::All, until, 5),
            revocation(Subject::Token("t".into()), until, i64::MAX),
            revocation(Subject::User("u".into()), until, 9),
            revocation(Subject::Device { user: "u".into(), device: "d".into() }, until, 7),
        ];
        for one in &expected {
            node.revoke(one).await.unwrap();
        }
        node.revoke(&revocation(Subject::User("u".into()), until + 5, 4)).await.unwrap();
        node.revoke(&revocation(Subject::User("over".into()), 1, 9)).await.unwrap();
        expected[2].until_unix_s += 5;
        for _ in 0..2 {
            let mut found = Vec::new();
            for bucket in 0..node.keys().buckets() {
                let (next, page) = node.revocations(bucket, 0).await.unwrap();
                assert_eq!(next, 0);
                found.extend(page);
            }
            found.sort_by(|one, other| one.subject.cmp(&other.subject));
            assert_eq!(found, expected);
        }
    });
}

#[test]
fn every_node_hears_of_tokens_that_are_called_back() {
    let server = Server::start(Of::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let mut ann = Listening::start(&config, 1).await;
        let bob = node(&linked(&config).await, &config, 2, 2);
        let called_back = revocation(Subject::Token("t".into()), in_an_hour(), 7);
        bob.revoke(&called_back).await.unwrap();
        match ann.next().await {
            Event::Said(_, _, item) if item.kind == Kind::Revoked => assert_eq!(told(item.body), Ok(called_back)),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn nodes_with_a_users_sessions_are_asked_and_answer_by_name() {
    let server = Server::start(Of::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let (leases, mut ann) = (leases(&[true, true]), Listening::start(&config, 1).await);
        let mut bob = Listening::start(&config, 2).await;
        admit(&ann.node, &enrolment(1, ""), &leases).await;
        admit(&ann.node, &enrolment(2, ""), &leases).await;
        assert_eq!(bob.node.ask_user("u", b"who?").await.unwrap(), [ann.node.incarnation()]);
        assert_eq!(bob.node.ask_user("nobody", b"who?").await.unwrap(), []);
        let Event::Said(bucket, _, asked) = ann.next().await else { panic!("it is asked") };
        assert_eq!((asked.kind, &asked.body[..]), (Kind::Asked, &b"who?"[..]));
        ann.node.tell_nodes(bucket, &[2], Kind::Answered, b"I").await.unwrap();
        let Event::Said(_, _, answered) = bob.next().await else { panic!("it is answered") };
        assert_eq!((answered.kind, &answered.body[..]), (Kind::Answered, &b"I"[..]));
    });
}

#[test]
fn in_which_buckets_tokens_were_called_back_is_told_from_any_count_on() {
    with_each(async |link, config, _| {
        let node = node(&link, &config, 1, 1);
        assert_eq!(node.revoked_since(0).await.unwrap(), (0, vec![]));
        let revoke = async |id: &str| {
            let subject = Subject::Token(id.into());
            let revocation = Revocation { subject, issued_before_unix_s: i64::MAX, until_unix_s: 4_000_000_000 };
            node.revoke(&revocation).await.unwrap();
            node.bucket_of_subject(&revocation.subject)
        };
        let (first, second) = (revoke("a").await, revoke("b").await);
        assert_ne!(first, second, "names of two buckets");
        assert_eq!(node.revoked_since(1).await.unwrap(), (2, vec![second]));
        assert_eq!(node.revoked_since(2).await.unwrap(), (2, vec![]));
        for lost in [0, 9] {
            let (count, mut buckets) = node.revoked_since(lost).await.unwrap();
            buckets.sort_unstable();
            let mut all = [first, second];
            all.sort_unstable();
            assert_eq!((count, &buckets[..]), (2, &all[..]), "since {lost}");
        }
    });
}
