//! Users' sessions on several nodes, step by step.

use std::time::{SystemTime, UNIX_EPOCH};

use ringpost::cluster::redis::bucket::Kind;
use ringpost::cluster::redis::functions::{Functions, Incarnation};
use ringpost::cluster::redis::leases::{Lease, Leases};
use ringpost::cluster::redis::link::Link;
use ringpost::cluster::redis::listener::Event;
use ringpost::cluster::redis::sessions::{Enrolment, Place, Session, dismissed, of_user};
use ringpost::cluster::redis::streams::Join;
use ringpost::model::ClientId;
use ringpost::model::refusal::DisconnectKind;
use tokio::time::Instant;

use crate::functions::{config, linked, node, with_each};
use crate::listening::Listening;
use crate::server::{Kind as Of, Server};

/// Leases of nodes, in the slots 1, 2 and so on; incarnations have the numbers of their slots.
pub(crate) fn leases(living: &[bool]) -> Leases {
    let lease = |(slot, lives): (u8, &bool)| Lease {
        of: Incarnation { slot, number: slot.into() },
        ends_ms: if *lives { 20 } else { 5 },
        name: format!("node{slot}"),
        about: Default::default(),
    };
    Leases { now_ms: 10, said_between: [Instant::now(); 2], all: (1..).zip(living).map(lease).collect() }
}

/// So many milliseconds ago, by the clock of this machine, which is that of Redis.
fn ago(ms: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64 - ms
}

pub(crate) fn client(number: u128) -> ClientId {
    ClientId::from_u128(number)
}

pub(crate) const PHONE: Place<'_> = Place { kind: "phone", oldest_stays: false, limit: 1 };

/// A session without limits, of the user `u`.
pub(crate) fn enrolment(number: u128, device: &str) -> Enrolment<'_> {
    Enrolment {
        user: "u",
        client: client(number),
        since_unix_ms: ago(0),
        issued_unix_s: Some(1000),
        limit: 0,
        device,
        place: None,
    }
}

fn phone(number: u128, device: &str) -> Enrolment<'_> {
    Enrolment { place: Some(PHONE), ..enrolment(number, device) }
}

/// Puts a session that has its place.
pub(crate) async fn admit(node: &Functions, enrolment: &Enrolment<'_>, leases: &Leases) {
    assert!(node.session_put(enrolment, leases).await.unwrap().is_ok(), "{enrolment:?}");
}

async fn clients(node: &Functions, user: &str) -> Vec<u128> {
    let mut found: Vec<_> = node.sessions(user).await.unwrap().iter().map(|one| one.client.as_u128()).collect();
    found.sort_unstable();
    found
}

#[test]
fn the_newest_device_on_another_node_takes_the_place_and_the_node_of_the_old_one_is_told() {
    for kind in [Of::Redis, Of::Valkey] {
        let server = Server::start(kind, &[]);
        let config = config(&[server.address()]);
        crate::runtime().block_on(async {
            let (leases, mut ann) = (leases(&[true, true]), Listening::start(&config, 1).await);
            let bob = node(&linked(&config).await, &config, 2, 2);
            admit(&ann.node, &phone(1, "a"), &leases).await;
            admit(&bob, &phone(2, "b"), &leases).await;
            match ann.next().await {
                Event::Said(bucket, _, item) if item.kind == Kind::Dismissed => {
                    assert_eq!((bucket, item.channel), (bob.keys().bucket_of("u"), of_user("u")));
                    assert_eq!(dismissed(item.body), Ok((client(1), DisconnectKind::OtherDevice)));
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(clients(&bob, "u").await, [2]);
            // What it gives back afterwards is nobody's.
            ann.node.session_remove("u", client(1)).await.unwrap();
            ann.node.session_remove("u", client(2)).await.unwrap();
            assert_eq!(clients(&bob, "u").await, [2], "another node's session stays");
        });
    }
}

#[test]
fn several_sessions_of_a_node_that_must_go_at_once_are_told_without_a_break() {
    let server = Server::start(Of::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let (leases, mut ann) = (leases(&[true, true]), Listening::start(&config, 1).await);
        let bob = node(&linked(&config).await, &config, 2, 2);
        let three = Place { limit: 3, ..PHONE };
        for (number, device) in [(1, "a"), (2, "b"), (3, "c")] {
            admit(&ann.node, &Enrolment { place: Some(three), ..enrolment(number, device) }, &leases).await;
        }
        admit(&bob, &phone(4, "d"), &leases).await;
        let mut gone = Vec::new();
        while gone.len() < 3 {
            match ann.next().await {
                Event::Said(_, _, item) if item.kind == Kind::Dismissed => gone.push(dismissed(item.body).unwrap().0),
                other => panic!("{other:?}"),
            }
        }
        gone.sort_unstable();
        assert_eq!(gone, [1, 2, 3].map(client));
        assert_eq!(clients(&bob, "u").await, [4]);
    });
}

#[test]
fn of_two_sessions_of_a_device_that_began_at_once_the_same_one_stays_whatever_order_they_are_put_in() {
    with_each(async |link, config, _| {
        let nodes = [node(&link, &config, 1, 1), node(&link, &config, 2, 2)];
        let (leases, since_unix_ms) = (leases(&[true, true]), ago(1_000));
        for (turn, order) in [[1, 2, 1], [2, 1, 2]].into_iter().enumerate() {
            let user = format!("u{turn}");
            for number in order {
                let one = Enrolment { user: &user, since_unix_ms, ..phone(number, "a") };
                let verdict = nodes[number as usize - 1].session_put(&one, &leases).await.unwrap().map(drop);
                let is_first = number == 1 && verdict == Ok(()) && clients(&nodes[0], &user).await == [1];
                assert!(is_first || (number == 2) == (verdict == Ok(())), "{number}: {verdict:?}");
            }
            assert_eq!(clients(&nodes[0], &user).await, [2]);
        }
    });
}

#[test]
fn who_comes_now_is_later_than_all_that_are_there_although_it_is_the_same_millisecond_or_the_clock_was_set_back() {
    with_each(async |link, config, _| {
        let nodes = [node(&link, &config, 1, 1), node(&link, &config, 2, 2)];
        let leases = leases(&[true, true]);
        let to_come = ago(0) + 60_000;
        let comes = |number| Enrolment { since_unix_ms: to_come, ..phone(number, "") };
        // Devices of their own: of each two the one that came first has to go, whatever their ids.
        let (mut before, ids) = (0, [9, 3, 8, 2, 7, 1, 6, 4, 5]);
        for (turn, number) in ids.into_iter().enumerate() {
            let device = format!("d{number}");
            let one = Enrolment { device: &device, ..comes(number) };
            let since = nodes[turn % 2].session_put(&one, &leases).await.unwrap().expect("it is the newest");
            assert!(since > before && since < to_come, "{before} {since}");
            assert_eq!(clients(&nodes[0], "u").await, [number]);
            before = since;
        }
        // As it is left by a clock that was ahead of the one that is now.
        let ahead = Enrolment { since_unix_ms: to_come, user: "w", ..phone(1, "a") };
        admit(&nodes[0], &ahead, &leases).await;
        let key = format!("{}:s:w", nodes[0].keys().head(nodes[0].keys().bucket_of("w")));
        set_since(&link, &key, client(1), to_come).await;
        let second = Enrolment { user: "w", ..phone(2, "b") };
        let refused = nodes[1].session_put(&Enrolment { since_unix_ms: ago(0), ..second }, &leases).await.unwrap();
        assert!(refused.is_err(), "it began before, as far as anybody knows");
        let since =
            nodes[1].session_put(&Enrolment { since_unix_ms: to_come + 60_000, ..second }, &leases).await.unwrap();
        assert_eq!(since, Ok(to_come + 1));
        assert_eq!(clients(&nodes[0], "w").await, [2]);
    });
}

/// Puts another time into a session's entry.
async fn set_since(link: &Link, key: &str, client: ClientId, since_unix_ms: u64) {
    let mut command = redis::cmd("HGET");
    command.arg(key).arg(&client.as_bytes()[..]);
    let redis::Value::BulkString(mut entry) = link.call(&command).await.unwrap() else { panic!("it is there") };
    entry[7..13].copy_from_slice(&since_unix_ms.to_be_bytes()[2..]);
    let mut command = redis::cmd("HSET");
    command.arg(key).arg(&client.as_bytes()[..]).arg(entry);
    link.call(&command).await.unwrap();
}

#[test]
fn who_has_a_place_keeps_it_when_it_is_put_again_and_since_when() {
    with_each(async |link, config, _| {
        let (leases, node) = (leases(&[true]), node(&link, &config, 1, 1));
        let old = Enrolment { since_unix_ms: ago(60_000), ..phone(1, "a") };
        admit(&node, &old, &leases).await;
        assert!(node.session_note("u", client(1), b"in a meeting").await.unwrap());
        assert!(!node.session_note("u", client(9), b"").await.unwrap(), "nobody has it");
        let before = node.sessions("u").await.unwrap();
        let full = Enrolment { since_unix_ms: ago(0), limit: 1, ..phone(1, "a") };
        admit(&node, &full, &leases).await;
        assert_eq!(node.sessions("u").await.unwrap(), before);
        assert_eq!((&*before[0].note, before[0].kind.as_deref()), (&b"in a meeting"[..], Some("phone")));
    });
}

#[test]
fn sessions_of_nodes_that_are_dead_take_no_place_and_make_nobody_online() {
    with_each(async |link, config, _| {
        let (ann, bob) = (node(&link, &config, 1, 1), node(&link, &config, 2, 2));
        let limited = |number| Enrolment { limit: 1, ..enrolment(number, "") };
        admit(&ann, &limited(1), &leases(&[true, true])).await;
        let refused = Err(DisconnectKind::ConnectionLimit.into());
        assert_eq!(bob.session_put(&limited(2), &leases(&[true, true])).await, Ok(refused.clone()));
        assert_eq!(bob.session_put(&limited(2), &leases(&[])).await, Ok(refused), "who came since lives");
        assert_eq!(bob.online(&["u", "w"], &leases(&[true, true])).await.unwrap(), [true, false]);
        assert_eq!(bob.online(&["u", "w"], &leases(&[false, true])).await.unwrap(), [false, false]);
        admit(&bob, &limited(2), &leases(&[false, true])).await;
        assert_eq!(bob.online(&["w", "u"], &leases(&[false, true])).await.unwrap(), [false, true]);
    });
}

#[test]
fn a_user_who_was_sent_away_is_so_on_nodes_that_put_the_session_later() {
    with_each(async |link, config, _| {
        let (leases, node) = (leases(&[true]), node(&link, &config, 1, 1));
        node.send_away("u", 60_000, (4001, "go"), &[client(2)]).await.unwrap();
        let old = |number| Enrolment { since_unix_ms: ago(5_000), ..enrolment(number, "") };
        let sent_away = Err(DisconnectKind::Backend(4001).because("go"));
        assert_eq!(node.session_put(&old(1), &leases).await, Ok(sent_away));
        assert!(node.session_put(&old(2), &leases).await.unwrap().is_ok(), "it was to stay");
        assert!(node.session_put(&enrolment(3, ""), &leases).await.unwrap().is_ok(), "it came afterwards");
        assert_eq!(clients(&node, "u").await, [2, 3]);
    });
}

#[test]
fn who_listens_to_a_user_hears_of_sessions_that_come_change_and_go() {
    let server = Server::start(Of::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let (leases, mut ann) = (leases(&[true, true]), Listening::start(&config, 1).await);
        let bob = node(&linked(&config).await, &config, 2, 2);
        let bucket = bob.keys().bucket_of("u");
        let join = Join { channel: &of_user("u"), meta_ttl_ms: None, is_read: false, after: None };
        ann.node.join(bucket, &[join]).await.unwrap();
        admit(&bob, &enrolment(1, "a"), &leases).await;
        bob.session_note("u", client(1), b"away").await.unwrap();
        bob.session_remove("u", client(1)).await.unwrap();
        let mut heard = Vec::new();
        while heard.len() < 3 {
            if let Event::Said(_, _, item) = ann.next().await {
                assert_eq!(item.channel, of_user("u"));
                heard.push((item.kind, item.body));
            }
        }
        let put = Session::told(heard[0].1.clone()).unwrap();
        assert_eq!((put.client, put.of, put.device.as_str()), (client(1), bob.incarnation(), "a"));
        assert_eq!(Session::told(heard[1].1.clone()).unwrap(), Session { note: b"away"[..].into(), ..put });
        assert_eq!(heard[2], (Kind::SessionRemoved, client(1).as_bytes()[..].to_vec().into()));
    });
}

#[test]
fn a_user_whose_name_is_too_long_to_be_shared_is_refused_and_nothing_breaks() {
    with_each(async |link, config, _| {
        let (leases, node) = (leases(&[true]), node(&link, &config, 1, 1));
        let (longest, longer) = ("u".repeat(254), "u".repeat(255));
        let of = |user| Enrolment { user, ..enrolment(1, "") };
        admit(&node, &of(&longest), &leases).await;
        assert!(node.session_put(&of(&longer), &leases).await.is_err());
        assert_eq!(node.online(&[&longest, &longer], &leases).await.unwrap(), [true, false]);
    });
}

#[test]
fn an_idle_user_who_is_online_takes_at_most_400_bytes_of_redis() {
    const USERS: usize = 10_000;
    for kind in [Of::Redis, Of::Valkey] {
        let server = Server::start(kind, &[]);
        let mut config = config(&[server.address()]);
        // As many users a bucket as 100,000 are in the usual 1,024.
        config.buckets = 102;
        crate::runtime().block_on(async {
            let (leases, node) = (leases(&[true]), node(&linked(&config).await, &config, 1, 1));
            let used = || -> u64 {
                let info = server.cli(&["INFO", "memory"]);
                let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
                line.unwrap().trim().parse().unwrap()
            };
            let before = used();
            for at in 0..USERS {
                let (user, device) = (format!("user-{at:08}"), format!("{:032x}", at * 7919));
                let one = Enrolment { user: &user, ..phone(at as u128, &device) };
                admit(&node, &one, &leases).await;
            }
            let each = (used() - before) / USERS as u64;
            println!("{kind:?}: {each} bytes");
            assert!(each <= 400, "{kind:?}: {each} bytes");
        });
    }
}

/// How often a command was called since the count began, in Functions as well.
fn calls(server: &Server, command: &str) -> u64 {
    let (stats, name) = (server.cli(&["INFO", "commandstats"]), format!("cmdstat_{command}:calls="));
    let line = stats.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().expect("it is a number"))
}

#[test]
fn of_a_user_with_very_many_sessions_one_ends_without_a_look_at_all_and_those_of_a_dead_node_go_in_pages() {
    const EACH: u128 = 600;
    with_each(async |link, config, server| {
        let leases = leases(&[true, true]);
        let (ann, bob) = (node(&link, &config, 1, 1), node(&link, &config, 2, 2));
        for at in 0..EACH {
            admit(&ann, &enrolment(2 * at, ""), &leases).await;
            admit(&bob, &enrolment(2 * at + 1, ""), &leases).await;
        }
        let bucket = ann.keys().bucket_of("u");
        let lists_of = |slot| format!("{}:i{slot}", ann.keys().head(bucket));
        let users_of = |slot| server.cli(&["SMEMBERS", &lists_of(slot)]).trim().to_owned();
        server.cli(&["CONFIG", "RESETSTAT"]);
        bob.session_remove("u", client(1)).await.unwrap();
        assert_eq!((calls(server, "hvals"), calls(server, "hgetall")), (0, 0), "nobody looks at a thousand for one");
        assert_eq!(u128::from(bob.reap_bucket(bucket, ann.incarnation()).await.unwrap()), EACH);
        assert_eq!((calls(server, "hvals"), calls(server, "hgetall")), (0, 0));
        assert!(calls(server, "fcall") > 2 * EACH as u64 / 256, "a page of 256 a call");
        assert_eq!(clients(&bob, "u").await, (1..EACH).map(|at| 2 * at + 1).collect::<Vec<_>>());
        assert_eq!([users_of(1), users_of(2)], ["", "su"]);
        for at in 1..EACH {
            bob.session_remove("u", client(2 * at + 1)).await.unwrap();
        }
        assert_eq!([users_of(1), users_of(2)], ["", ""], "nothing is left for the day on which it is reaped");
    });
}
