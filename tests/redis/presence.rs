//! Who is in channels: counted and listed by node, told once, cleared away with a dead node, and not there after lost writes.

use std::sync::Arc;

use bytes::Bytes;
use ringpost::broker::body::{Told, pack_info, unpack_info};
use ringpost::cluster::redis::bucket::{Generation, Kind};
use ringpost::cluster::redis::fault::Fault;
use ringpost::cluster::redis::functions::Functions;
use ringpost::cluster::redis::listener::Event;
use ringpost::cluster::redis::presence::{Listed, Member};
use ringpost::model::{ClientId, ClientInfo};

use crate::functions::{config, linked, node, with_each};
use crate::listening::Listening;
use crate::server::{Kind as Of, Server};

/// Nobody was told of it.
pub(crate) const NOWHERE: Generation = Generation([0; 8]);

/// How a client of this number is seen.
pub(crate) fn info(client: u128, user: &str) -> Bytes {
    let client = ClientId::from_u128(client);
    pack_info(&ClientInfo { user: user.into(), client, conn_info: None, chan_info: None })
}

/// One that is announced.
pub(crate) fn member<'a>(channel: &'a str, info: &'a [u8]) -> Member<'a> {
    Member { channel, info, is_announced: true, told_in: NOWHERE }
}

/// Who an entry lists: its slot, client and user.
pub(crate) fn seen(listed: &Listed) -> (u8, u128, String) {
    let info = unpack_info(listed.info.clone()).expect("a node has packed it");
    (listed.of.slot, info.client.as_u128(), info.user.to_string())
}

async fn listed(node: &Functions, channel: &str) -> Vec<(u8, u128, String)> {
    let page = node.presence_page(channel, 0, 100).await.unwrap();
    assert_eq!(page.next, 0);
    let mut all: Vec<_> = page.listed.iter().map(seen).collect();
    all.sort();
    all
}

/// Who was told to come (`+`) or to leave (`-`), and whether only those are told who do not have it (`~`).
async fn told(ear: &mut Listening, count: usize) -> Vec<String> {
    let mut told = Vec::new();
    while told.len() < count {
        let Event::Said(_, _, item) = ear.next().await else { continue };
        let mark = match item.kind {
            Kind::Publication => "",
            Kind::Presence => "~",
            other => panic!("{other:?}"),
        };
        let Ok(Told::Announcement { info, joined }) = Told::unpack(item.body) else { panic!("{told:?}") };
        told.push(format!("{mark}{}{}", if joined { "+" } else { "-" }, info.user));
    }
    told
}

#[test]
fn clients_and_users_are_counted_by_node_and_cleared_away_with_it() {
    with_each(async |link, config, _| {
        let (ann, bob) = (node(&link, &config, 1, 1), node(&link, &config, 2, 2));
        let bucket = ann.keys().bucket_of("room");
        let [c1, c2, c3, c4] = [(1, "u"), (2, "u"), (3, "u"), (4, "w")].map(|(client, user)| info(client, user));
        ann.presence_add(bucket, &[member("room", &c1), member("room", &c2)]).await.unwrap();
        ann.presence_add(bucket, &[member("room", &c1)]).await.unwrap();
        bob.presence_add(bucket, &[member("room", &c3), member("room", &c4)]).await.unwrap();
        let numbers = bob.presence_stats("room").await.unwrap();
        let mut clients: Vec<_> = numbers.clients.iter().map(|(of, count)| (of.slot, of.number, *count)).collect();
        clients.sort_unstable();
        assert_eq!((numbers.users, clients), (2, vec![(1, 1, 2), (2, 2, 2)]));
        bob.presence_remove(bucket, &[member("room", &c4)]).await.unwrap();
        ann.presence_remove(bucket, &[member("room", &c3)]).await.unwrap();
        let u = |slot, client| (slot, client, "u".to_owned());
        assert_eq!(listed(&bob, "room").await, [u(1, 1), u(1, 2), u(2, 3)], "a later one's client stays");
        assert_eq!(bob.presence_renew(bucket, &["room", "empty"]).await.unwrap(), [true, false]);
        assert_eq!(bob.reap_bucket(bucket, ann.incarnation()).await.unwrap(), 2);
        assert_eq!(bob.presence_stats("room").await.unwrap().clients, [(bob.incarnation(), 1)]);
        let late = ann.presence_add(bucket, &[member("room", &c1)]).await;
        assert_eq!(late, Err(Fault::Dead), "who is reaped changes nothing more");
        bob.presence_remove(bucket, &[member("room", &c3)]).await.unwrap();
        let nobody = bob.presence_stats("room").await.unwrap();
        assert_eq!((nobody.users, nobody.clients.len(), nobody.generation), (0, 0, numbers.generation));
    });
}

#[test]
fn nothing_stays_of_a_channel_that_everybody_has_left() {
    with_each(async |link, config, server| {
        let ann = node(&link, &config, 1, 1);
        let (bucket, c1) = (ann.keys().bucket_of("room"), info(1, "u"));
        ann.presence_add(bucket, &[member("room", &c1)]).await.unwrap();
        let keys = || server.cli(&["KEYS", "*:room"]).lines().filter(|line| !line.is_empty()).count();
        assert_eq!(keys(), 3);
        for key in ["p", "u", "q"] {
            let ttl = server.cli(&["PTTL", &format!("ringpost:1:{{b{bucket}}}:{key}:room")]);
            assert!(ttl.trim().parse::<u64>().is_ok_and(|ttl| (1_790_000..=1_800_000).contains(&ttl)), "{key}: {ttl}");
        }
        ann.presence_remove(bucket, &[member("room", &c1)]).await.unwrap();
        assert_eq!(keys(), 0);
    });
}

#[test]
fn who_comes_and_goes_is_told_once_whatever_is_repeated() {
    for kind in [Of::Redis, Of::Valkey] {
        let server = Server::start(kind, &[]);
        let config = config(&[server.address()]);
        crate::runtime().block_on(async {
            let mut ear = Listening::start(&config, 1).await;
            ear.join("room").await;
            let link = linked(&config).await;
            let bob = node(&link, &config, 2, 2);
            let (bucket, c1, c2) = (bob.keys().bucket_of("room"), info(1, "one"), info(2, "two"));
            let quiet = info(3, "three");
            let quiet = Member { is_announced: false, ..member("room", &quiet) };
            let both = [member("room", &c1), quiet, member("room", &c2)];
            let stand = bob.presence_add(bucket, &both).await.unwrap();
            // The same call again, as after an answer that was lost; the same clients by another; and seen anew.
            let repeated = node(&link, &config, 2, 2);
            repeated.presence_add(bucket, &both).await.unwrap();
            repeated.presence_add(bucket, &both).await.unwrap();
            let known = Member { told_in: stand.generation, ..member("room", &c1) };
            repeated.presence_add(bucket, &[known]).await.unwrap();
            repeated.presence_remove(bucket, &[known, quiet]).await.unwrap();
            repeated.presence_remove(bucket, &[known]).await.unwrap();
            repeated.presence_remove(bucket, &[member("room", &c2)]).await.unwrap();
            assert_eq!(told(&mut ear, 4).await, ["+one", "+two", "-one", "-two"], "{kind:?}");
        });
    }
}

#[test]
fn a_node_that_was_taken_for_dead_takes_its_clients_over_and_tells_of_those_that_were_cleared_away() {
    let server = Server::start(Of::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let mut ear = Listening::start(&config, 1).await;
        ear.join("room").await;
        let link = linked(&config).await;
        let (before, after) = (node(&link, &config, 2, 2), node(&link, &config, 3, 5));
        let (bucket, c1, c2) = (before.keys().bucket_of("room"), info(1, "one"), info(2, "two"));
        let stand = before.presence_add(bucket, &[member("room", &c1), member("room", &c2)]).await.unwrap();
        let [again, late] = [&c1, &c2].map(|info| Member { told_in: stand.generation, ..member("room", info) });
        after.presence_add(bucket, &[again]).await.unwrap();
        assert_eq!(ear.node.reap_bucket(bucket, before.incarnation()).await.unwrap(), 1);
        after.presence_add(bucket, &[late]).await.unwrap();
        assert_eq!(told(&mut ear, 4).await, ["+one", "+two", "~-two", "~+two"]);
        let two = |client, user: &str| (3, client, user.to_owned());
        assert_eq!(listed(&after, "room").await, [two(1, "one"), two(2, "two")]);
        assert_eq!(after.presence_stats("room").await.unwrap().clients, [(after.incarnation(), 2)]);
    });
}

#[test]
fn lost_writes_leave_nobody_listed_and_who_is_put_again_is_nobodys_news() {
    let server = Server::start(Of::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let mut ear = Listening::start(&config, 1).await;
        ear.join("room").await;
        let bob = node(&linked(&config).await, &config, 2, 2);
        let (bucket, c1, c2, c3) = (bob.keys().bucket_of("room"), info(1, "one"), info(2, "two"), info(3, "three"));
        let before = bob.presence_add(bucket, &[member("room", &c1), member("room", &c2)]).await.unwrap().generation;
        assert_eq!(told(&mut ear, 2).await, ["+one", "+two"]);
        // As a node does that has seen more than the bucket knows of.
        let after = bob.compare(bucket, Some(before)).await.unwrap().stand.generation;
        assert_ne!(after, before);
        assert!(listed(&bob, "room").await.is_empty());
        let nobody = bob.presence_stats("room").await.unwrap();
        assert_eq!((nobody.users, nobody.clients.len(), nobody.generation), (0, 0, after));
        assert_eq!(bob.presence_renew(bucket, &["room"]).await.unwrap(), [false]);
        let [again, gone] = [&c1, &c2].map(|info| Member { told_in: before, ..member("room", info) });
        bob.presence_add(bucket, &[again]).await.unwrap();
        bob.presence_remove(bucket, &[gone]).await.unwrap();
        bob.presence_add(bucket, &[member("room", &c3)]).await.unwrap();
        assert_eq!(told(&mut ear, 2).await, ["-two", "+three"]);
        assert_eq!(listed(&bob, "room").await.len(), 2);
    });
}

#[test]
fn a_user_of_any_name_is_listed_and_a_long_list_is_read_page_by_page() {
    with_each(async |link, config, _| {
        const CLIENTS: u128 = 1_000;
        let ann = node(&link, &config, 1, 1);
        let bucket = ann.keys().bucket_of("room");
        let users = ["".to_owned(), "ü".repeat(300)];
        let infos: Vec<_> = (0..CLIENTS).map(|client| info(client, &users[client as usize % 2])).collect();
        for infos in infos.chunks(100) {
            let members: Vec<_> = infos.iter().map(|info| member("room", info)).collect();
            ann.presence_add(bucket, &members).await.unwrap();
        }
        assert_eq!(ann.presence_stats("room").await.unwrap().users, 2);
        let (mut found, mut cursor, mut pages) = (std::collections::BTreeMap::new(), 0, 0);
        loop {
            let page = ann.presence_page("room", cursor, 100).await.unwrap();
            found.extend(page.listed.iter().map(seen).map(|(_, client, user)| (client, user)));
            (cursor, pages) = (page.next, pages + 1);
            if cursor == 0 {
                break;
            }
        }
        assert!(pages > 5, "{pages}");
        assert!(found.into_iter().eq((0..CLIENTS).map(|client| (client, users[client as usize % 2].clone()))));
    });
}

#[test]
fn a_client_that_is_listed_takes_at_most_200_bytes_of_redis() {
    const CLIENTS: u128 = 10_000;
    for kind in [Of::Redis, Of::Valkey] {
        for room in [10, 1_000] {
            let server = Server::start(kind, &[]);
            let config = config(&[server.address()]);
            crate::runtime().block_on(async {
                let node = Arc::new(node(&linked(&config).await, &config, 1, 1));
                let used = || -> u64 {
                    let info = server.cli(&["INFO", "memory"]);
                    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
                    line.unwrap().trim().parse().unwrap()
                };
                let before = used();
                for at in 0..CLIENTS {
                    let (channel, info) = (format!("room:{:08}", at / room), info(at * 7919, &format!("user-{at:08}")));
                    let bucket = node.keys().bucket_of(&channel);
                    node.presence_add(bucket, &[member(&channel, &info)]).await.unwrap();
                }
                let each = (used() - before) / CLIENTS as u64;
                println!("{kind:?}, {room} a channel: {each} bytes");
                assert!(each <= 200, "{kind:?}, {room} a channel: {each} bytes");
            });
        }
    }
}
