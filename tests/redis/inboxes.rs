//! The ledgers of channels of at least once, step by step, against real servers.

use std::sync::Arc;
use std::time::Duration;

use ringpost::cluster::redis::bucket::Kind;
use ringpost::cluster::redis::functions::Functions;
use ringpost::cluster::redis::leases::Leases;
use ringpost::cluster::redis::listener::Event;
use ringpost::cluster::redis::news;
use ringpost::cluster::redis::streams::{Outcome, Publish};
use ringpost::limits::{CLIENT_MESSAGES_PER_USER_MAX, RECEIPT_MEMBERS_MAX};
use ringpost::model::Life;
use ringpost::model::ledger::{
    Attach, Attached, DeviceName, Enlist, GivenUp, Happened, LedgerNews, LetterBody, MemberPositions, Note, Noted,
    Requeuing, Row,
};
use ringpost::model::refusal::ErrorKind;
use tokio::time::sleep;

use crate::functions::{config, linked, node, one, publish, with_each};
use crate::letters::{every, letters};
use crate::listening::Listening;
use crate::server::{Kind as Of, Server};
use crate::sessions::leases;

pub(crate) const ROOM: &str = "room";
const MEMBERS_MAX: u32 = 10_000;
const META_TTL_MS: u64 = 600_000;
/// For clients' messages.
const DAY_MS: u32 = 86_400_000;

/// Leases of the nodes 1 and 2, which live.
pub(crate) fn both() -> Leases {
    leases(&[true, true])
}

pub(crate) fn name(user: &str, device: &str) -> DeviceName {
    DeviceName { user: user.into(), device: device.into() }
}

pub(crate) fn asks(user: &str, device: &str) -> Attach {
    Attach {
        name: name(user, device),
        enlist: Enlist::No,
        devices_max: 3,
        device_ttl_ms: 86_400_000,
        members_max: MEMBERS_MAX,
        founded_max: 2,
        meta_ttl_ms: META_TTL_MS,
    }
}

async fn try_attach(node: &Functions, channel: &str, asks: &Attach) -> Result<Attached, ErrorKind> {
    let bucket = node.keys().bucket_of(channel);
    let mut attached = node.ledger_attach(bucket, &[(channel, asks)], &both()).await.expect("it is answered");
    attached.remove(0).map_err(|error| error.kind)
}

/// A device's row, of a member.
pub(crate) async fn attach(node: &Functions, user: &str, device: &str) -> Row {
    let attached = try_attach(node, ROOM, &asks(user, device)).await.expect("it is not refused");
    attached.row.expect("the user is a member")
}

pub(crate) async fn detach(node: &Functions, user: &str, device: &str) {
    let bucket = node.keys().bucket_of(ROOM);
    node.ledger_detach(bucket, &[(ROOM, &name(user, device))]).await.unwrap();
}

pub(crate) async fn add(node: &Functions, users: &[&str]) {
    let users = users.iter().map(|user| (*user, false));
    let added = node.ledger_add(node.keys().bucket_of(ROOM), ROOM, users, MEMBERS_MAX, META_TTL_MS);
    assert_eq!(added.await.unwrap(), Ok(()));
}

pub(crate) async fn remove(node: &Functions, users: &[&str]) {
    node.ledger_remove(node.keys().bucket_of(ROOM), ROOM, users.iter().copied()).await.unwrap();
}

/// Publishes until the stream stands there: which life it is.
pub(crate) async fn publish_up_to(node: &Functions, top: u64) -> Life {
    loop {
        let receipt = one(node, publish(ROOM, "x")).await.unwrap();
        if receipt.offset >= top {
            return receipt.generation.life(receipt.created);
        }
    }
}

pub(crate) fn floor(floor: u64) -> Happened {
    Happened::Floor { floor, received: floor, noticed: floor, failed: 0, has_lost: false, is_background: false }
}

/// All up to a floor was received, and so much of it noticed.
fn seen(floor: u64, noticed: u64, is_background: bool) -> Happened {
    Happened::Floor { floor, received: floor, noticed, failed: 0, has_lost: false, is_background }
}

/// How far the one member is: received, read, noticed, and whether nobody looks at a device.
async fn member(node: &Functions, leases: &Leases) -> (u64, u64, u64, bool) {
    let page = node.ledger_members(ROOM, "", 10, leases).await.unwrap();
    let [MemberPositions { received, read, noticed, is_background, .. }] = page.users[..] else { panic!("one") };
    (received, read, noticed, is_background)
}

#[test]
fn what_was_received_while_nobody_looked_is_not_noticed_until_somebody_looks_on_any_node() {
    with_each(async |link, config, _| {
        let (ann, bob) = (node(&link, &config, 1, 1), node(&link, &config, 2, 2));
        add(&ann, &["u"]).await;
        let life = publish_up_to(&ann, 9).await;
        attach(&ann, "u", "a").await;
        note(&ann, "u", "a", seen(3, 0, true)).await;
        assert_eq!(member(&bob, &both()).await, (3, 0, 0, true));
        let row = attach(&bob, "u", "b").await;
        assert_eq!((row.floor, row.received, row.noticed), (3, 3, 0));
        note(&bob, "u", "b", seen(5, 5, false)).await;
        assert_eq!(member(&bob, &both()).await, (5, 0, 5, true), "the other device is where it was");
        note(&ann, "u", "a", seen(7, 2, true)).await;
        note(&bob, "u", "", Happened::Read(6)).await;
        assert_eq!(member(&bob, &both()).await, (7, 6, 5, true), "and what was noticed stays so");
        let one = bob.ledger_member(ROOM, "u", &both()).await.unwrap().unwrap();
        assert_eq!((one.life, one.received, one.read, one.devices.len()), (life, 7, 6, 2));
        // The node dies; or the device goes, or comes anew.
        assert!(!member(&bob, &leases(&[false, true])).await.3);
        detach(&ann, "u", "a").await;
        assert!(!member(&bob, &both()).await.3);
        attach(&ann, "u", "a").await;
        assert!(!member(&bob, &both()).await.3);
        note(&ann, "u", "a", seen(7, 7, false)).await;
        assert_eq!(member(&bob, &both()).await, (7, 6, 7, false));
        note(&ann, "u", "a", seen(8, 100, false)).await;
        assert_eq!(member(&bob, &both()).await.2, 8, "no more than was received");
    });
}

#[test]
fn a_row_of_an_earlier_life_was_not_noticed_either_and_nodes_of_earlier_versions_notice_all() {
    with_each(async |link, config, server| {
        let ann = node(&link, &config, 1, 1);
        add(&ann, &["u"]).await;
        publish_up_to(&ann, 9).await;
        attach(&ann, "u", "a").await;
        note(&ann, "u", "a", seen(3, 1, false)).await;
        let head = ann.keys().head(ann.keys().bucket_of(ROOM));
        // As version 10 of the Functions has put a row, which does not say what was noticed.
        let older = "local row = redis.call('HGET', KEYS[1], 'u') local life, received, read, forgotten, noticed, at = \
                     struct.unpack('>I4I6I6I6I6', row) redis.call('HSET', KEYS[1], 'u', \
                     struct.pack('>I4I6I6I6', life - 2147483648, received, read, forgotten) .. string.sub(row, at))";
        server.cli(&["EVAL", older, "1", &format!("{head}:x:{ROOM}")]);
        assert_eq!(member(&ann, &both()).await, (3, 0, 3, false));
        note(&ann, "u", "a", seen(5, 3, true)).await;
        assert_eq!(member(&ann, &both()).await, (5, 0, 3, true));
        server.cli(&["DEL", &format!("{head}:m:{ROOM}")]);
        publish_up_to(&ann, 1).await;
        let row = attach(&ann, "u", "a").await;
        assert_eq!((row.received, row.noticed, row.has_lost), (0, 0, true));
    });
}

pub(crate) fn failed(at: u64, failed: u16) -> Happened {
    Happened::Floor { floor: at, received: 0, noticed: 0, failed, has_lost: false, is_background: false }
}

pub(crate) fn body(offset: u64) -> LetterBody {
    LetterBody { offset, time_unix_ms: 1_000, body: format!("body {offset}").into() }
}

pub(crate) fn given_up(offset: u64, attempts: u16) -> Happened {
    let at_unix_ms = i64::from(attempts) * 1_000;
    Happened::GivenUp(Box::new(GivenUp { letter: body(offset), attempts, at_unix_ms }))
}

pub(crate) fn noted(life: Option<Life>, user: &str, device: &str, what: Happened) -> Note {
    Note { life, name: name(user, device), what }
}

pub(crate) async fn note_all(node: &Functions, notes: &[Note]) -> Vec<Noted> {
    let notes: Vec<_> = notes.iter().map(|note| (ROOM, note)).collect();
    node.ledger_note(node.keys().bucket_of(ROOM), &notes).await.unwrap()
}

/// Notes something of any life.
pub(crate) async fn note(node: &Functions, user: &str, device: &str, what: Happened) -> Noted {
    note_all(node, &[noted(None, user, device, what)]).await[0]
}

#[test]
fn a_device_goes_on_from_its_floor_on_another_node_and_a_new_one_begins_where_its_user_is() {
    with_each(async |link, config, _| {
        let (ann, bob) = (node(&link, &config, 1, 1), node(&link, &config, 2, 2));
        publish_up_to(&ann, 3).await;
        let stranger = try_attach(&ann, ROOM, &asks("u", "a")).await.unwrap();
        assert_eq!((stranger.members, stranger.row), (0, None));
        add(&ann, &["u", "w"]).await;
        let fresh = Row { received: 3, read: 3, noticed: 3, floor: 3, ..Row::default() };
        assert_eq!(attach(&ann, "u", "a").await, fresh);
        let life = publish_up_to(&ann, 9).await;
        let notes = [
            noted(Some(life), "u", "a", floor(7)),
            noted(Some(life), "u", "a", failed(7, 2)),
            noted(None, "u", "a", Happened::Read(4)),
        ];
        assert_eq!(note_all(&ann, &notes).await, [Noted::Kept; 3]);
        let row = Row { received: 7, read: 4, noticed: 7, floor: 7, failed: 2, ..Row::default() };
        assert_eq!(attach(&bob, "u", "a").await, row);
        assert_eq!(attach(&bob, "u", "b").await, Row { failed: 0, ..row });
        assert_eq!(attach(&bob, "w", "").await, fresh, "everybody has an own one");
        let from_beginning = Attach { enlist: Enlist::FromBeginning, ..asks("v", "a") };
        let begun = try_attach(&bob, ROOM, &from_beginning).await.unwrap();
        assert_eq!((begun.life, begun.members, begun.row), (life, 3, Some(Row::default())));
    });
}

#[test]
fn a_floor_never_goes_back_nor_beyond_what_was_published_and_a_repetition_changes_nothing() {
    with_each(async |link, config, _| {
        let ann = node(&link, &config, 1, 1);
        let from_beginning = [("u", true)].into_iter();
        let bucket = ann.keys().bucket_of(ROOM);
        ann.ledger_add(bucket, ROOM, from_beginning, MEMBERS_MAX, META_TTL_MS).await.unwrap().unwrap();
        let life = publish_up_to(&ann, 9).await;
        attach(&ann, "u", "a").await;
        let other = Life { created: life.created + 1, ..life };
        let notes = [
            noted(Some(life), "u", "a", floor(5)),
            noted(Some(life), "u", "a", floor(4)),
            noted(Some(life), "u", "a", floor(10)),
            noted(None, "u", "a", floor(u64::MAX)),
            noted(Some(other), "u", "a", floor(6)),
            noted(Some(life), "u", "b", floor(6)),
            noted(Some(life), "w", "a", floor(6)),
            noted(Some(life), "", "a", floor(6)),
            noted(Some(life), "u", "a", Happened::Read(10)),
            noted(Some(life), "u", "b", Happened::Read(6)),
            noted(Some(life), "u", "a", Happened::Read(2)),
        ];
        let verdicts = [
            Noted::Kept,
            Noted::Kept,
            Noted::Beyond,
            Noted::Beyond,
            Noted::OtherLife,
            Noted::NoDevice,
            Noted::NoMember,
            Noted::NoMember,
            Noted::Beyond,
            Noted::Kept,
            Noted::Kept,
        ];
        for _ in 0..2 {
            assert_eq!(note_all(&ann, &notes).await, verdicts);
            let row = attach(&ann, "u", "a").await;
            assert_eq!((row.floor, row.received, row.read), (5, 5, 6));
        }
        note(&ann, "u", "a", given_up(7, 1)).await;
        // The same incarnation with the same number, as after an answer that was lost.
        for _ in 0..2 {
            let again = node(&link, &config, 3, 3);
            assert_eq!(note(&again, "u", "a", given_up(8, 1)).await, Noted::Kept);
            let again = node(&link, &config, 4, 4);
            assert_eq!(again.letters_purge(bucket, ROOM, None).await.unwrap(), 2);
        }
        assert_eq!(attach(&ann, "u", "a").await.floor, 8);
    });
}

#[test]
fn attempts_count_for_the_first_after_the_floor_and_what_was_lost_until_something_is_received() {
    with_each(async |link, config, _| {
        let ann = node(&link, &config, 1, 1);
        add(&ann, &["u"]).await;
        publish_up_to(&ann, 9).await;
        attach(&ann, "u", "a").await;
        let lost =
            Happened::Floor { floor: 3, received: 0, noticed: 0, failed: 0, has_lost: true, is_background: false };
        let steps = [
            (failed(0, 2), (0, 2, false)),
            (failed(0, 1), (0, 2, false)),
            (lost, (3, 0, true)),
            (failed(3, 1), (3, 1, true)),
            (failed(2, 9), (3, 1, true)),
            (floor(4), (4, 0, false)),
        ];
        for (what, expected) in steps {
            assert_eq!(note(&ann, "u", "a", what).await, Noted::Kept);
            let row = attach(&ann, "u", "a").await;
            assert_eq!((row.floor, row.failed, row.has_lost), expected);
        }
        assert_eq!(attach(&ann, "u", "a").await.received, 4, "what was lost was not received");
    });
}

#[test]
fn a_user_has_so_many_devices_and_those_that_are_away_longest_or_with_dead_nodes_go() {
    with_each(async |link, config, _| {
        let (ann, bob) = (node(&link, &config, 1, 1), node(&link, &config, 2, 2));
        add(&ann, &["u"]).await;
        publish_up_to(&ann, 9).await;
        let of = |device| Attach { devices_max: 2, ..asks("u", device) };
        for device in ["a", "b"] {
            try_attach(&ann, ROOM, &of(device)).await.unwrap();
        }
        assert_eq!(note(&ann, "u", "a", floor(2)).await, Noted::Kept);
        assert_eq!(note(&ann, "u", "b", floor(6)).await, Noted::Kept);
        assert_eq!(try_attach(&bob, ROOM, &of("c")).await.unwrap_err(), ErrorKind::LimitExceeded);
        // One that is attached to two nodes is here while one of them has it.
        try_attach(&bob, ROOM, &of("a")).await.unwrap();
        detach(&ann, "u", "a").await;
        assert_eq!(try_attach(&bob, ROOM, &of("c")).await.unwrap_err(), ErrorKind::LimitExceeded);
        detach(&bob, "u", "a").await;
        let third = try_attach(&bob, ROOM, &of("c")).await.unwrap().row.unwrap();
        assert_eq!((third.floor, third.has_lost), (6, true), "it may be the one that was forgotten");
        let member = ann.ledger_member(ROOM, "u", &both()).await.unwrap().unwrap();
        assert_eq!(member.devices, [("b".into(), 6, true), ("c".into(), 6, true)]);
        let dead = leases(&[false, true]);
        let member = bob.ledger_member(ROOM, "u", &dead).await.unwrap().unwrap();
        assert_eq!(member.devices, [("b".into(), 6, false), ("c".into(), 6, true)]);
        let (bucket, asks) = (bob.keys().bucket_of(ROOM), of("d"));
        let attached = bob.ledger_attach(bucket, &[(ROOM, &asks)], &dead).await.unwrap().remove(0);
        assert!(attached.is_ok(), "a place at a dead node is free: {attached:?}");
    });
}

#[test]
fn a_device_that_was_away_for_too_long_is_forgotten() {
    with_each(async |link, config, _| {
        let ann = node(&link, &config, 1, 1);
        add(&ann, &["u"]).await;
        attach(&ann, "u", "a").await;
        attach(&ann, "u", "b").await;
        detach(&ann, "u", "a").await;
        let impatient = Attach { device_ttl_ms: 0, ..asks("u", "c") };
        for _ in 0..600 {
            try_attach(&ann, ROOM, &impatient).await.unwrap();
            let member = ann.ledger_member(ROOM, "u", &both()).await.unwrap().unwrap();
            let ids: Vec<_> = member.devices.iter().map(|(id, ..)| &**id).collect();
            if ids == ["b", "c"] {
                return;
            }
            assert_eq!(ids, ["a", "b", "c"]);
            // Until the clock of Redis says another second.
            sleep(Duration::from_millis(50)).await;
        }
        panic!("it is not forgotten");
    });
}

#[test]
fn members_are_listed_by_name_in_pages_up_to_as_many_as_may_be_and_go_for_good() {
    with_each(async |link, config, _| {
        let ann = node(&link, &config, 1, 1);
        let bucket = ann.keys().bucket_of(ROOM);
        let life = publish_up_to(&ann, 5).await;
        let names: Vec<_> = (0..700).map(|at| format!("user{at:03}")).collect();
        let all = || names.iter().map(|name| (name.as_str(), false));
        assert_eq!(ann.ledger_add(bucket, ROOM, all(), 700, META_TTL_MS).await.unwrap(), Ok(()));
        assert_eq!(ann.ledger_add(bucket, ROOM, all(), 700, META_TTL_MS).await.unwrap(), Ok(()), "they are there");
        let more = ann.ledger_add(bucket, ROOM, [("more", true)].into_iter(), 700, META_TTL_MS).await.unwrap();
        assert_eq!(more.unwrap_err().kind, ErrorKind::LimitExceeded);
        let many = Attach { enlist: Enlist::FromTop, members_max: 700, ..asks("more", "") };
        assert_eq!(try_attach(&ann, ROOM, &many).await.unwrap_err(), ErrorKind::LimitExceeded);
        let page = ann.ledger_members(ROOM, "", 1_000, &both()).await.unwrap();
        assert_eq!((page.life, page.top, page.members), (life, 5, 700));
        assert!(page.users.iter().map(|one| &*one.user).eq(names.iter().map(String::as_str)));
        assert!(page.users.iter().all(|one| (one.received, one.read, one.noticed) == (5, 5, 5)));
        let page = ann.ledger_members(ROOM, "user010", 3, &both()).await.unwrap();
        assert_eq!(page.users.iter().map(|one| &*one.user).collect::<Vec<_>>(), ["user011", "user012", "user013"]);
        attach(&ann, "user000", "a").await;
        let left = names.iter().filter(|name| *name != "user000" && *name != "user699").map(String::as_str);
        ann.ledger_remove(bucket, ROOM, left).await.unwrap();
        remove(&ann, &["user000", "nobody"]).await;
        let page = ann.ledger_members(ROOM, "", 1_000, &both()).await.unwrap();
        assert_eq!((page.members, page.users.len(), &*page.users[0].user), (1, 1, "user699"));
        remove(&ann, &["user699"]).await;
        add(&ann, &["user000"]).await;
        let member = ann.ledger_member(ROOM, "user000", &both()).await.unwrap().unwrap();
        assert!(member.devices.is_empty() && member.members == 1, "{member:?}");
        assert_eq!(ann.ledger_member(ROOM, "user699", &both()).await.unwrap(), None);
    });
}

#[test]
fn a_user_is_the_first_member_by_itself_in_so_many_channels_of_a_bucket() {
    with_each(async |link, config, _| {
        let ann = node(&link, &config, 1, 1);
        let bucket = ann.keys().bucket_of(ROOM);
        let channels: Vec<_> =
            (0..).map(|at| format!("own{at}")).filter(|name| ann.keys().bucket_of(name) == bucket).take(3).collect();
        let own = Attach { enlist: Enlist::FromTop, ..asks("u", "") };
        let come = async |channel: &str| try_attach(&ann, channel, &own).await.map(|attached| attached.row.is_some());
        assert_eq!(come(&channels[0]).await, Ok(true));
        assert_eq!(come(&channels[0]).await, Ok(true));
        assert_eq!(come(&channels[1]).await, Ok(true));
        assert_eq!(come(&channels[2]).await, Err(ErrorKind::LimitExceeded));
        add(&ann, &["w"]).await;
        assert_eq!(come(ROOM).await, Ok(true), "it is not the first there");
        for user in ["u", "w"] {
            ann.ledger_remove(bucket, &channels[0], [user].into_iter()).await.unwrap();
        }
        assert_eq!(come(&channels[2]).await, Ok(true));
    });
}

#[test]
fn of_another_life_of_the_stream_nothing_was_received_and_that_is_told() {
    with_each(async |link, config, server| {
        let ann = node(&link, &config, 1, 1);
        let bucket = ann.keys().bucket_of(ROOM);
        add(&ann, &["u", "w"]).await;
        let before = publish_up_to(&ann, 9).await;
        attach(&ann, "u", "a").await;
        for what in [floor(5), Happened::Read(3), given_up(6, 1)] {
            assert_eq!(note(&ann, "u", "a", what).await, Noted::Kept);
        }
        server.cli(&["DEL", &format!("{}:m:{ROOM}", ann.keys().head(bucket))]);
        let member = ann.ledger_member(ROOM, "u", &both()).await.unwrap().unwrap();
        assert_eq!((member.life, member.received, member.read), (Life::default(), 0, 0));
        assert_eq!(note(&ann, "u", "a", floor(1)).await, Noted::Beyond);
        let lost = Row { has_lost: true, ..Row::default() };
        assert_eq!(attach(&ann, "u", "a").await, lost);
        let after = publish_up_to(&ann, 2).await;
        assert_ne!(after, before);
        assert_eq!(note_all(&ann, &[noted(Some(before), "u", "a", floor(1))]).await, [Noted::OtherLife]);
        assert_eq!(note(&ann, "u", "a", floor(1)).await, Noted::Kept);
        assert_eq!(attach(&ann, "u", "a").await, Row { received: 1, noticed: 1, floor: 1, ..Row::default() });
        assert_eq!(attach(&ann, "w", "").await, Row::default(), "who had no device has lost nothing");
        let Requeuing::Anew(anew) = ann.letter_requeue(bucket, ROOM, 6).await.unwrap() else { panic!("it is old") };
        assert_eq!(anew, body(6));
        // The same offset once more: the old letter goes for the new one.
        publish_up_to(&ann, 6).await;
        assert_eq!(note(&ann, "u", "a", given_up(6, 2)).await, Noted::Kept);
        let [letter] = &letters(&ann, every()).await[..] else { panic!("one") };
        assert_eq!((letter.life, letter.failures.len(), letter.failures[0].1), (after, 1, 2));
    });
}

/// What a node that listens is told of the room's ledger next.
async fn told(node: &mut Listening) -> LedgerNews {
    loop {
        match node.next().await {
            Event::Said(_, _, item) if item.kind == Kind::Ledger => {
                assert_eq!(item.channel, ROOM);
                return news::told(item.body).unwrap();
            }
            Event::Said(_, _, item) if item.kind == Kind::Publication => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn nodes_are_told_what_others_have_noted() {
    for kind in [Of::Redis, Of::Valkey] {
        let server = Server::start(kind, &[]);
        let config = config(&[server.address()]);
        crate::runtime().block_on(async {
            let mut ann = Listening::start(&config, 1).await;
            let bob = node(&linked(&config).await, &config, 2, 2);
            let bucket = bob.keys().bucket_of(ROOM);
            ann.join(ROOM).await;
            add(&bob, &["u", "w"]).await;
            publish_up_to(&bob, 9).await;
            for node in [&ann.node, &bob] {
                attach(node, "u", "a").await;
            }
            note(&bob, "u", "a", floor(5)).await;
            let (user, a): (Arc<str>, _) = ("u".into(), name("u", "a"));
            assert_eq!(told(&mut ann).await, LedgerNews::Floor { name: a.clone(), floor: 5 });
            assert_eq!(told(&mut ann).await, LedgerNews::Moved { user: user.clone(), received: 5, read: 0 });
            note(&bob, "u", "a", Happened::Read(3)).await;
            assert_eq!(told(&mut ann).await, LedgerNews::Moved { user: user.clone(), received: 5, read: 3 });
            note(&bob, "u", "a", given_up(6, 1)).await;
            assert_eq!(told(&mut ann).await, LedgerNews::Floor { name: a.clone(), floor: 6 });
            bob.letter_requeue(bucket, ROOM, 6).await.unwrap();
            let requeued = LedgerNews::Requeued { letter: body(6), names: vec![a] };
            assert_eq!(told(&mut ann).await, requeued);
            bob.letters_purge(bucket, ROOM, Some(6)).await.unwrap();
            assert_eq!(told(&mut ann).await, LedgerNews::Purged(Some(6)));
            // In a large room what was received is told to nobody.
            let many: Vec<_> = (0..RECEIPT_MEMBERS_MAX - 1).map(|at| format!("m{at}")).collect();
            add(&bob, &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
            assert_eq!(told(&mut ann).await, LedgerNews::Members(RECEIPT_MEMBERS_MAX as u32 + 1));
            note(&bob, "u", "a", floor(7)).await;
            assert!(matches!(told(&mut ann).await, LedgerNews::Floor { floor: 7, .. }));
            note(&bob, "w", "", Happened::Read(4)).await;
            note(&bob, "u", "", Happened::Read(4)).await;
            assert_eq!(told(&mut ann).await, LedgerNews::Moved { user: user.clone(), received: 7, read: 4 });
            // But to nodes that watch, from where to where.
            let counted = |is_read, from, to| LedgerNews::Counted { user: user.clone(), is_read, from, to };
            let watched = ann.node.ledger_watch(bucket, ROOM, 60_000).await.unwrap();
            assert_eq!(watched, RECEIPT_MEMBERS_MAX as u32 + 1);
            note(&bob, "u", "a", floor(9)).await;
            assert!(matches!(told(&mut ann).await, LedgerNews::Floor { floor: 9, .. }));
            assert_eq!(told(&mut ann).await, counted(false, 7, 9));
            note(&bob, "u", "a", floor(8)).await;
            note(&bob, "u", "", Happened::Read(6)).await;
            assert_eq!(told(&mut ann).await, LedgerNews::Moved { user: user.clone(), received: 9, read: 6 });
            assert_eq!(told(&mut ann).await, counted(true, 4, 6));
            ann.node.ledger_watch(bucket, ROOM, 1).await.unwrap();
            sleep(Duration::from_millis(5)).await;
            note(&bob, "w", "", Happened::Read(6)).await;
            remove(&bob, &["u"]).await;
            assert_eq!(told(&mut ann).await, LedgerNews::Gone { user });
            assert_eq!(told(&mut ann).await, LedgerNews::Members(RECEIPT_MEMBERS_MAX as u32));
        });
    }
}

#[test]
fn a_message_with_an_id_is_published_once_by_a_user_whichever_node_takes_it() {
    with_each(async |link, config, _| {
        let (ann, bob) = (node(&link, &config, 1, 1), node(&link, &config, 2, 2));
        let (long, key) = ("u".repeat(1_000), "k".repeat(1_000));
        let of = |sender| Publish { key: Some((key.as_str(), DAY_MS)), sender: Some(sender), ..publish(ROOM, "x") };
        let first = one(&ann, of(&long)).await.unwrap();
        assert_eq!((first.outcome, first.offset), (Outcome::Published, 1));
        let again = one(&bob, of(&long)).await.unwrap();
        assert_eq!((again.outcome, again.offset), (Outcome::Repeated, 1));
        let other = one(&bob, of("w")).await.unwrap();
        assert_eq!((other.outcome, other.offset), (Outcome::Published, 2), "ids are each user's own");
        let backend = Publish { key: Some(("id", DAY_MS)), ..publish(ROOM, "x") };
        assert_eq!(one(&ann, backend).await.unwrap().outcome, Outcome::Published);
    });
}

#[test]
fn a_user_has_so_many_ids_remembered_and_takes_nobody_elses() {
    let server = Server::start(Of::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let ann = node(&linked(&config).await, &config, 1, 1);
        let bucket = ann.keys().bucket_of(ROOM);
        let ids: Vec<_> = (0..=CLIENT_MESSAGES_PER_USER_MAX).map(|at| at.to_string()).collect();
        let of = |sender, id| Publish { key: Some((id, DAY_MS)), sender: Some(sender), ..publish(ROOM, "x") };
        let mut outcomes = Vec::new();
        for ids in ids.chunks(100) {
            let batch: Vec<_> = ids.iter().map(|id| of("u", id.as_str())).collect();
            outcomes.extend(ann.append(bucket, &batch).await.unwrap().iter().map(|receipt| receipt.outcome));
        }
        let last = outcomes.pop();
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Published));
        assert_eq!(last, Some(Outcome::TooMany));
        assert_eq!(one(&ann, of("u", "0")).await.unwrap().outcome, Outcome::Repeated, "what is remembered stays so");
        let other = one(&ann, of("w", "0")).await.unwrap();
        assert_eq!((other.outcome, other.offset), (Outcome::Published, CLIENT_MESSAGES_PER_USER_MAX as u64 + 1));
    });
}

#[test]
fn while_memory_is_full_devices_go_on_and_nobody_is_added() {
    with_each(async |link, config, server| {
        let ann = node(&link, &config, 1, 1);
        add(&ann, &["u"]).await;
        publish_up_to(&ann, 3).await;
        server.set("maxmemory", "1mb");
        attach(&ann, "u", "a").await;
        assert_eq!(note(&ann, "u", "a", floor(2)).await, Noted::Kept);
        detach(&ann, "u", "a").await;
        let users = [("w", false)].into_iter();
        let refused = ann.ledger_add(ann.keys().bucket_of(ROOM), ROOM, users, MEMBERS_MAX, META_TTL_MS).await;
        assert_eq!(refused.unwrap_err().kind(), "full");
        remove(&ann, &["u"]).await;
    });
}

#[test]
fn a_member_takes_so_many_bytes_of_redis_and_so_many_a_device() {
    const MEMBERS: usize = 10_000;
    for kind in [Of::Redis, Of::Valkey] {
        let server = Server::start(kind, &[]);
        let config = config(&[server.address()]);
        crate::runtime().block_on(async {
            let ann = node(&linked(&config).await, &config, 1, 1);
            let bucket = ann.keys().bucket_of(ROOM);
            let head = ann.keys().head(bucket);
            let used = || -> usize {
                let of = |key: &str| server.cli(&["MEMORY", "USAGE", &format!("{head}:{key}:{ROOM}"), "SAMPLES", "0"]);
                ["x", "y"].map(|key| of(key).trim().parse::<usize>().unwrap()).iter().sum()
            };
            let users: Vec<_> = (0..MEMBERS).map(|at| format!("user-{at:08}")).collect();
            let all = users.iter().map(|user| (user.as_str(), false));
            ann.ledger_add(bucket, ROOM, all, u32::MAX, META_TTL_MS).await.unwrap().unwrap();
            let mut sizes = vec![used()];
            for device in ["", "0123456789abcdef0123456789abcdef"] {
                let asks: Vec<_> = users.iter().map(|user| asks(user, device)).collect();
                for asks in asks.chunks(64) {
                    let asks: Vec<_> = asks.iter().map(|asks| (ROOM, asks)).collect();
                    ann.ledger_attach(bucket, &asks, &both()).await.unwrap();
                }
                sizes.push(used());
            }
            let [bare, one, two] = [0, 1, 2].map(|at: usize| sizes[at] / MEMBERS);
            println!("{kind:?}: a member {bare} bytes, with a device {one}, with a named one as well {two}");
            assert!(bare <= 250 && one <= 300 && two <= 400, "{kind:?}: {bare}, {one}, {two} bytes");
        });
    }
}
