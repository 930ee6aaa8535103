//! The contract of each Function, step by step, against real servers.

use std::sync::Arc;
use std::time::Duration;

use ringpost::cluster::redis::bucket::Generation;
use ringpost::cluster::redis::fault::Fault;
use ringpost::cluster::redis::functions::{Functions, Incarnation};
use ringpost::cluster::redis::keys::Keys;
use ringpost::cluster::redis::leases;
use ringpost::cluster::redis::library;
use ringpost::cluster::redis::link::Link;
use ringpost::cluster::redis::streams::{Join, Outcome, Part, Publish, Receipt};
use ringpost::config::RedisConfig;
use ringpost::model::Keep;
use tokio::time::{sleep, timeout};

use crate::server::{Kind, Server, wait};

pub(crate) const KEEP: Keep = Keep { size: 100, ttl_ms: 60_000, meta_ttl_ms: 600_000 };
pub(crate) const ALL: Part = Part { from: 1, count: 1000, bytes: 1 << 20, is_reverse: false };

pub(crate) fn config(addresses: &[String]) -> RedisConfig {
    RedisConfig { addresses: addresses.to_vec(), buckets: 8, ..RedisConfig::default() }
}

/// A cluster of its own for a seed, which is told where the test fails.
pub(crate) fn seeded(address: String, seed: u64) -> RedisConfig {
    println!("seed {seed}");
    RedisConfig { prefix: format!("seed{seed}"), ..config(&[address]) }
}

/// An incarnation that calls itself so; nobody has given it a lease.
pub(crate) fn node(link: &Arc<Link>, config: &RedisConfig, slot: u8, number: u64) -> Functions {
    let node = Functions::new(Arc::clone(link), Keys::new(config), Incarnation { slot, number });
    node.set_nodes(3);
    node
}

pub(crate) async fn linked(config: &RedisConfig) -> Arc<Link> {
    let link = Arc::new(Link::new(config, None).expect("it is configured rightly"));
    library::load(&link).await.expect("the Functions are loaded");
    link
}

pub(crate) fn publish<'a>(channel: &'a str, body: &'a str) -> Publish<'a> {
    Publish { channel, body: body.as_bytes(), keep: KEEP, key: None, sender: None, version: None }
}

pub(crate) async fn one(node: &Functions, publish: Publish<'_>) -> Result<Receipt, Fault> {
    Ok(node.append(node.keys().bucket_of(publish.channel), &[publish]).await?[0])
}

pub(crate) async fn bodies(node: &Functions, channel: &str) -> Vec<(u64, String)> {
    let page = node.read(channel, ALL).await.expect("it is read");
    page.kept.iter().map(|kept| (kept.offset, String::from_utf8(kept.body.to_vec()).unwrap())).collect()
}

/// Runs a test against each kind of server.
pub(crate) fn with_each(test: impl AsyncFn(Arc<Link>, RedisConfig, &Server)) {
    for kind in [Kind::Redis, Kind::Valkey] {
        let server = Server::start(kind, &[]);
        let config = config(&[server.address()]);
        crate::runtime().block_on(async { test(linked(&config).await, config, &server).await });
    }
}

#[test]
fn publications_get_offsets_in_order_and_the_oldest_go() {
    with_each(async |link, config, _| {
        let node = node(&link, &config, 1, 1);
        let keep = Keep { size: 16, ..KEEP };
        for at in 1..=40 {
            let body = at.to_string();
            let receipt = one(&node, Publish { keep, ..publish("room", &body) }).await.unwrap();
            assert_eq!((receipt.outcome, receipt.offset), (Outcome::Published, at));
        }
        let kept = bodies(&node, "room").await;
        assert!((16..=18).contains(&kept.len()), "the size, and an eighth more at the most: {}", kept.len());
        assert_eq!(kept.last().unwrap(), &(40, "40".into()));
        assert!(kept.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0), "{kept:?}");
        let back = Part { from: 39, count: 3, is_reverse: true, ..ALL };
        let page = node.read("room", back).await.unwrap();
        assert_eq!(page.kept.iter().map(|kept| kept.offset).collect::<Vec<_>>(), [39, 38, 37]);
        assert_eq!(page.place.top, 40);
        let little = node.read("room", Part { from: 39, bytes: 1, ..ALL }).await.unwrap();
        assert_eq!(little.kept.len(), 1, "one is given whatever it has");
    });
}

#[test]
fn a_repetition_of_a_call_changes_nothing_and_is_answered_as_before() {
    with_each(async |link, config, _| {
        let first = node(&link, &config, 1, 1).append(3, &[publish("a", "x"), publish("b", "y")]).await.unwrap();
        // The same incarnation with the same number, as after an answer that was lost.
        let node = node(&link, &config, 1, 1);
        assert_eq!(node.append(3, &[publish("a", "x"), publish("b", "y")]).await.unwrap(), first);
        assert_eq!(node.append(3, &[publish("a", "z")]).await.unwrap()[0].offset, 2);
    });
}

#[test]
fn a_call_that_nobody_waited_for_to_the_end_is_not_taken_for_the_next() {
    with_each(async |link, config, server| {
        let node = node(&link, &config, 1, 1);
        one(&node, publish("room", "1")).await.unwrap();
        server.cli(&["CLIENT", "PAUSE", "300", "ALL"]);
        let given_up = timeout(Duration::from_millis(50), one(&node, publish("room", "2"))).await;
        assert!(given_up.is_err(), "{given_up:?}");
        // What was given up was sent, and is done once the server goes on.
        assert_eq!(one(&node, publish("room", "3")).await.unwrap().offset, 3);
        assert_eq!(bodies(&node, "room").await, [(1, "1".into()), (2, "2".into()), (3, "3".into())]);
    });
}

#[test]
fn what_has_expired_is_passed_over_at_the_beginning_and_never_shifts_the_offsets_of_what_follows() {
    with_each(async |link, config, _| {
        let node = node(&link, &config, 1, 1);
        let brief = Keep { ttl_ms: 50, ..KEEP };
        // As where a reload has changed for how long things are kept.
        for (body, keep) in [("1", KEEP), ("2", brief), ("3", KEEP)] {
            one(&node, Publish { keep, ..publish("mixed", body) }).await.unwrap();
        }
        let old = vec![Publish { keep: brief, ..publish("old", "x") }; 100];
        node.append(node.keys().bucket_of("old"), &old).await.unwrap();
        sleep(Duration::from_millis(100)).await;
        let mixed = bodies(&node, "mixed").await;
        assert!(mixed.iter().all(|(offset, body)| offset.to_string() == *body), "{mixed:?}");
        assert_eq!(mixed.first(), Some(&(1, "1".into())), "it is kept for longer");
        assert!(bodies(&node, "old").await.is_empty());
        one(&node, publish("old", "new")).await.unwrap();
        // Some of the old ones are left: an append takes no more than 64 away.
        assert_eq!(bodies(&node, "old").await, [(101, "new".into())]);
    });
}

#[test]
fn who_reaps_a_slot_that_was_given_away_since_takes_nothing_from_its_new_owner() {
    with_each(async |link, config, server| {
        let bucket = node(&link, &config, 9, 9).keys().bucket_of("room");
        let join = Join { channel: "room", meta_ttl_ms: Some(600_000), is_read: false, after: None };
        let dead = node(&link, &config, 1, 1);
        dead.join(bucket, &[join]).await.unwrap();
        // One that was stopped in the middle, and one that has done it to the end.
        let (stopped, other) = (node(&link, &config, 2, 2), node(&link, &config, 3, 3));
        other.reap_bucket(bucket, dead.incarnation()).await.unwrap();
        let heir = node(&link, &config, 1, 4);
        heir.join(bucket, &[join]).await.unwrap();
        stopped.reap_bucket(bucket, dead.incarnation()).await.unwrap();
        let listeners = format!("{}:l", heir.keys().head(bucket));
        assert_eq!(server.cli(&["HGET", &listeners, "room"]).trim(), "\u{1}");
        assert_eq!(dead.leave(bucket, &["room"]).await, Err(Fault::Dead), "it is refused all the same");
    });
}

#[test]
fn a_key_publishes_once_and_a_version_only_when_it_is_newer() {
    with_each(async |link, config, _| {
        let node = node(&link, &config, 1, 1);
        let keyed = Publish { key: Some(("key", 60_000)), ..publish("room", "x") };
        let bucket = node.keys().bucket_of("room");
        let both = node.append(bucket, &[keyed, keyed]).await.unwrap();
        assert_eq!((both[0].outcome, both[1].outcome), (Outcome::Published, Outcome::Repeated));
        let again = one(&node, keyed).await.unwrap();
        assert_eq!((again.outcome, again.offset, again.created), (Outcome::Repeated, 1, both[0].created));
        let other = one(&node, Publish { key: Some(("other", 60_000)), ..publish("room", "y") }).await.unwrap();
        assert_eq!((other.outcome, other.offset), (Outcome::Published, 2));
        let versioned = |number, epoch| Publish { version: Some((number, epoch)), ..publish("room", "v") };
        let huge = (1 << 53) + 1;
        for (number, epoch, outcome) in [
            (7, "", Outcome::Published),
            (7, "", Outcome::Passed),
            (6, "", Outcome::Passed),
            (huge, "", Outcome::Published),
            (huge - 1, "", Outcome::Passed),
            (1, "e", Outcome::Published),
            (1, "e", Outcome::Passed),
        ] {
            assert_eq!(one(&node, versioned(number, epoch)).await.unwrap().outcome, outcome, "{number} {epoch:?}");
        }
    });
}

#[test]
fn a_stream_expires_and_its_offsets_go_on() {
    with_each(async |link, config, _| {
        let node = node(&link, &config, 1, 1);
        let short = Keep { ttl_ms: 40, ..KEEP };
        let first = one(&node, Publish { keep: short, ..publish("room", "x") }).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(80)).await;
        assert_eq!(bodies(&node, "room").await, []);
        let second = one(&node, Publish { keep: short, ..publish("room", "y") }).await.unwrap();
        assert_eq!((second.offset, second.created), (2, first.created));
        node.remove(node.keys().bucket_of("room"), "room").await.unwrap();
        assert_eq!(bodies(&node, "room").await, []);
        assert_eq!(one(&node, publish("room", "z")).await.unwrap().offset, 3);
    });
}

#[test]
fn who_joins_reads_what_it_missed_in_the_same_step() {
    with_each(async |link, config, _| {
        let node = node(&link, &config, 1, 1);
        let bucket = node.keys().bucket_of("room");
        let join = Join { channel: "room", meta_ttl_ms: Some(60_000), is_read: false, after: None };
        let (stand, pages) = node.join(bucket, &[join]).await.unwrap();
        let empty = pages[0].place;
        assert_eq!((empty.top, pages[0].kept.len()), (0, 0));
        for body in ["1", "2", "3"] {
            let receipt = one(&node, publish("room", body)).await.unwrap();
            assert_eq!(receipt.created, empty.created, "the epoch that the first listener was told");
        }
        let after = Some((stand.generation, empty.created, 1, 1000));
        let (_, pages) = node.join(bucket, &[Join { after, ..join }]).await.unwrap();
        assert_eq!(pages[0].kept.iter().map(|kept| kept.offset).collect::<Vec<_>>(), [2, 3]);
        let foreign = Some((Generation([9; 8]), empty.created, 1, 1000));
        let (_, pages) = node.join(bucket, &[Join { after: foreign, ..join }]).await.unwrap();
        assert_eq!((pages[0].place.top, pages[0].kept.len()), (3, 0), "another epoch recovers nothing");
        let places = node.position(bucket, 60_000, &["room", "nowhere"]).await.unwrap();
        assert_eq!((places[0].top, places[1].created), (3, 0));
        node.leave(bucket, &["room"]).await.unwrap();
    });
}

#[test]
fn a_lease_that_ran_out_stays_lost_and_its_node_is_reaped_by_one() {
    with_each(async |link, config, _| {
        let keys = Keys::new(&config);
        let (ann, _) = leases::take(&link, &keys, "ann", b"here").await.unwrap();
        let taken = leases::take(&link, &keys, "ann", b"there").await;
        assert_eq!(taken.unwrap_err(), Fault::Taken);
        let few = RedisConfig { buckets: 4, ..config.clone() };
        let other = leases::take(&link, &Keys::new(&few), "bob", b"").await;
        assert!(matches!(other, Err(Fault::Refused(_))), "{other:?}");
        let (bob, all) = leases::take(&link, &keys, "bob", b"").await.unwrap();
        assert!(all.lives(ann) && all.lives(bob) && bob.number > ann.number, "{all:?}");
        let all = leases::renew(&link, &keys, ann, b"gone soon").await.unwrap();
        assert_eq!((all.all[0].name.as_str(), &all.all[0].about[..]), ("ann", &b"gone soon"[..]));
        let node = Functions::new(Arc::clone(&link), keys.clone(), bob);
        assert_eq!(node.reap(ann).await.unwrap(), None, "it lives");
        leases::end(&link, &keys, ann).await.unwrap();
        assert_eq!(leases::renew(&link, &keys, ann, b"").await, Err(Fault::Dead));
        assert!(leases::claim(&link, &keys, ann, 9).await.unwrap());
        assert_eq!(node.reap(ann).await.unwrap(), None, "another reaps");
        assert!(leases::claim(&link, &keys, ann, 9).await.unwrap(), "who has the claim goes on");
        assert!(leases::free(&link, &keys, ann).await.unwrap());
        let (again, all) = leases::take(&link, &keys, "ann", b"").await.unwrap();
        assert!(again.slot == ann.slot && again.number > bob.number && all.lives(again));
    });
}

#[test]
fn full_memory_refuses_what_takes_room_and_lets_go_what_gives_it() {
    with_each(async |link, config, server| {
        let node = node(&link, &config, 1, 1);
        let bucket = node.keys().bucket_of("room");
        one(&node, publish("room", "x")).await.unwrap();
        server.set("maxmemory", "1mb");
        assert_eq!(one(&node, publish("room", "y")).await, Err(Fault::Full));
        node.fleeting(bucket, &[("room", b"z")]).await.unwrap();
        node.remove(bucket, "room").await.unwrap();
        // A node that has lost its lease comes back, and another may come: some bytes each.
        leases::take(&link, &Keys::new(&config), "ann", b"").await.unwrap();
        server.set("maxmemory", "0");
        assert_eq!(one(&node, publish("room", "y")).await.unwrap().offset, 2);
    });
}

#[test]
fn a_server_that_cannot_persist_or_lacks_replicas_refuses_by_these_names() {
    let server = Server::start(Kind::Redis, &["--enable-protected-configs", "yes"]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let node = node(&linked(&config).await, &config, 1, 1);
        one(&node, publish("room", "x")).await.unwrap();
        server.set("min-replicas-to-write", "1");
        assert_eq!(one(&node, publish("room", "y")).await, Err(Fault::FewReplicas));
        server.set("min-replicas-to-write", "0");
        // Nothing can be written there.
        server.set("dir", "/proc");
        server.set("save", "900 1");
        server.cli(&["BGSAVE"]);
        wait("it has failed", || server.cli(&["INFO", "persistence"]).contains("rdb_last_bgsave_status:err"));
        let refused = one(&node, publish("room", "y")).await;
        assert!(matches!(refused, Err(Fault::Unpersisted(_))), "{refused:?}");
        server.set("stop-writes-on-bgsave-error", "no");
        assert_eq!(one(&node, publish("room", "y")).await.unwrap().offset, 2);
    });
}

#[test]
fn functions_that_are_gone_are_loaded_and_the_call_goes_on() {
    with_each(async |link, config, server| {
        let node = node(&link, &config, 1, 1);
        one(&node, publish("room", "x")).await.unwrap();
        server.cli(&["FUNCTION", "FLUSH"]);
        assert_eq!(one(&node, publish("room", "y")).await.unwrap().offset, 2);
    });
}

#[test]
fn a_stream_of_which_somebody_has_read_only_lives_for_minutes_until_somebody_listens() {
    with_each(async |link, config, server| {
        let node = node(&link, &config, 1, 1);
        let bucket = node.keys().bucket_of("room");
        let key = format!("{}:m:room", node.keys().head(bucket));
        let lives_ms = || server.cli(&["PTTL", &key]).trim().parse::<i64>().unwrap();
        let join = async |is_read| {
            let join = Join { channel: "room", meta_ttl_ms: Some(3_600_000), is_read, after: None };
            node.join(bucket, &[join]).await.unwrap().1[0].place
        };
        let read = join(true).await;
        assert_eq!(join(true).await, read, "it is the same stream");
        assert!((1..=600_000).contains(&lives_ms()), "{}", lives_ms());
        for is_read in [false, true] {
            assert_eq!(join(is_read).await.created, read.created);
            assert!(lives_ms() > 3_500_000, "{}", lives_ms());
        }
        node.append(bucket, &[publish("room", "1")]).await.unwrap();
        join(true).await;
        assert!(lives_ms() > 3_500_000, "{}", lives_ms());
    });
}
