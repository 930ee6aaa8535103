//! Which tokens are called back.

use serde_json::{Value, json};

use super::{NOW_UNIX_S as NOW, connection, verifier};
use crate::auth::claims::Stamp;
use crate::auth::{Mark, Revocation, Revocations, Subject};
use crate::limits::REVOCATIONS_MAX;

const UNTIL: i64 = NOW + 3600;

fn of(subject: Subject, issued_before_unix_s: i64) -> Revocation {
    Revocation { subject, issued_before_unix_s, until_unix_s: UNTIL }
}

fn token(id: &str) -> Revocation {
    of(Subject::Token(id.into()), i64::MAX)
}

fn user(name: &str) -> Revocation {
    of(Subject::User(name.into()), NOW)
}

fn device(user: &str, device: &str) -> Revocation {
    of(Subject::Device { user: user.into(), device: device.into() }, NOW)
}

fn stamp(claims: &Value) -> Stamp {
    connection(&verifier(), claims).expect("it is valid").stamp
}

/// Whether a revocation is about a token of ann's with these claims, which a phone comes with: by the set, and by what a
/// session remembers.
fn hits(revocation: &Revocation, claims: Value) -> bool {
    let stamp = stamp(&claims);
    let mut all = Revocations::default();
    all.add(revocation, NOW).expect("there is room");
    let by_set = all.revoke("ann", "phone", &stamp, NOW);
    assert_eq!(revocation.is_about("ann", "phone", Mark::from(&stamp)), by_set, "{revocation:?} {claims}");
    by_set
}

#[test]
fn tokens_are_called_back_by_user_device_id_and_time_of_issue() {
    for revocation in [user("ann"), device("ann", "phone"), of(Subject::All, NOW)] {
        assert!(hits(&revocation, json!({ "iat": NOW - 1 })), "{revocation:?}");
        assert!(!hits(&revocation, json!({ "iat": NOW })), "{revocation:?}: it is newer");
    }
    for other in [user("bob"), device("ann", "tablet"), device("bob", "phone"), token("b")] {
        assert!(!hits(&other, json!({ "iat": NOW - 1, "jti": "a" })), "{other:?}");
    }
    assert!(hits(&token("a"), json!({ "jti": "a", "iat": NOW + 1000 })), "whenever it was issued");
}

#[test]
fn a_token_of_an_issuer_whose_clock_is_ahead_is_called_back_by_a_time_of_issue_that_is_later_by_as_much() {
    let ahead = json!({ "iat": NOW + 3 });
    assert!(!hits(&of(Subject::User("ann".into()), NOW + 1), ahead.clone()), "by now: it is yet to be issued");
    assert!(hits(&of(Subject::User("ann".into()), NOW + 4), ahead));
}

#[test]
fn a_token_that_does_not_show_when_it_was_issued_is_as_old_as_can_be() {
    for iat in [json!(null), json!("yesterday"), json!([NOW + 1]), json!(i64::MIN)] {
        assert!(hits(&user("ann"), json!({ "iat": iat })), "{iat}");
    }
    assert!(!hits(&user("ann"), json!({ "iat": format!("{NOW}.5") })));
    assert!(!hits(&user("ann"), json!({ "iat": 1e300 })));
    assert!(hits(&token("7"), json!({ "jti": 7 })), "an id that is a number is taken for its text");
    for jti in [json!(null), json!(["a"]), json!("")] {
        assert!(!hits(&token("a"), json!({ "jti": jti })), "{jti}: that is another token");
    }
}

#[test]
fn who_came_without_a_token_has_none_that_could_be_called_back() {
    for revocation in [of(Subject::All, i64::MAX - 1), token("a"), user("ann")] {
        assert!(!revocation.is_about("ann", "phone", Mark::NO_TOKEN), "{revocation:?}");
    }
}

#[test]
fn a_revocation_is_over_at_its_time_and_leaves_nothing() {
    let mut all = Revocations::default();
    all.add(&token("a"), NOW).unwrap();
    let stamp = stamp(&json!({ "jti": "a" }));
    assert!(all.revoke("ann", "", &stamp, UNTIL - 1));
    assert!(!all.revoke("ann", "", &stamp, UNTIL));
    all.end_old(UNTIL - 1);
    assert_eq!(all.len(), 1);
    all.end_old(UNTIL);
    assert!(all.is_empty());
}

#[test]
fn a_later_one_of_the_same_subject_widens_the_first() {
    let mut all = Revocations::default();
    all.add(&user("ann"), NOW).unwrap();
    let later = Revocation { issued_before_unix_s: NOW + 10, until_unix_s: NOW + 60, ..user("ann") };
    all.add(&later, NOW).unwrap();
    let expected = Revocation { issued_before_unix_s: NOW + 10, ..user("ann") };
    assert_eq!(all.after(None).collect::<Vec<_>>(), [expected]);
}

#[test]
fn they_are_bounded_and_there_is_room_again_when_one_is_over() {
    let mut all = Revocations::default();
    for number in 0..REVOCATIONS_MAX {
        all.add(&token(&number.to_string()), NOW).unwrap();
    }
    assert!(all.add(&token("one more"), NOW).is_err());
    all.add(&token("0"), NOW).expect("it is there already");
    all.add(&token("one more"), UNTIL).expect("the others are over");
    assert_eq!(all.len(), 1);
}

#[test]
fn they_are_listed_page_by_page_each_once() {
    let mut all = Revocations::default();
    let given = [user("b"), device("b", "phone"), token("z"), of(Subject::All, NOW), user("a")];
    given.iter().for_each(|revocation| all.add(revocation, NOW).unwrap());
    let mut seen = Vec::new();
    loop {
        let page: Vec<_> = all.after(seen.last().map(|last: &Revocation| &last.subject)).take(2).collect();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    let expected = [of(Subject::All, NOW), token("z"), user("a"), user("b"), device("b", "phone")];
    assert_eq!(seen, expected);
}
