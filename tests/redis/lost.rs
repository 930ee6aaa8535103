//! Writes that a server has lost: they show as another generation, and no offset is another's in the same epoch.

use ringpost::cluster::redis::fault::Fault;
use ringpost::cluster::redis::functions::{Functions, Incarnation};
use ringpost::cluster::redis::streams::{Outcome, Publish, Receipt};
use ringpost::config::RedisConfig;

use crate::functions::{bodies, config, linked, node, one, publish};
use crate::server::{Kind, Server};

/// Two nodes that have published once each; then the first of them has again, which a crash of the server has lost. With the
/// receipts of the first and the last publication.
async fn with_a_lost_tail(server: &mut Server, config: &RedisConfig) -> ([Functions; 2], [Receipt; 2]) {
    let link = linked(config).await;
    let (ann, bob) = (node(&link, config, 1, 1), node(&link, config, 2, 2));
    let first = one(&ann, publish("room", "1")).await.unwrap();
    one(&bob, publish("room", "2")).await.unwrap();
    server.cli(&["SAVE"]);
    let lost = one(&ann, publish("room", "3")).await.unwrap();
    server.kill();
    server.restart();
    ([ann, bob], [first, lost])
}

#[test]
fn whoever_calls_first_after_a_lost_tail_no_offset_is_used_twice_in_an_epoch() {
    for other_first in [false, true] {
        let mut server = Server::start(Kind::Redis, &[]);
        let config = config(&[server.address()]);
        crate::runtime().block_on(async {
            let ([ann, bob], [first, lost]) = with_a_lost_tail(&mut server, &config).await;
            let bucket = ann.keys().bucket_of("room");
            if other_first {
                // Bob knows of nothing that was lost: its publication stays in the old generation, until Ann is heard of.
                let taken = one(&bob, publish("room", "3'")).await.unwrap();
                assert_eq!((taken.generation, taken.offset), (lost.generation, lost.offset));
            }
            let next = one(&ann, publish("room", "4")).await.unwrap();
            assert_eq!((next.outcome, next.offset), (Outcome::Published, 1));
            assert_ne!(next.generation, first.generation);
            assert_eq!(bodies(&ann, "room").await, [(1, "4".into())]);
            assert_eq!(one(&bob, publish("room", "5")).await.unwrap().generation, next.generation);
            let compared = bob.compare(bucket, None).await.unwrap();
            assert_eq!(compared.stand.generation, next.generation);
        });
    }
}

#[test]
fn what_a_key_says_of_a_generation_that_is_lost_keeps_nothing_out_of_the_next() {
    let mut server = Server::start(Kind::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let link = linked(&config).await;
        let ann = node(&link, &config, 1, 1);
        let keyed = Publish { key: Some(("key", 60_000)), ..publish("room", "1") };
        let first = one(&ann, keyed).await.unwrap();
        assert_eq!(one(&ann, keyed).await.unwrap(), Receipt { outcome: Outcome::Repeated, ..first });
        server.cli(&["SAVE"]);
        one(&ann, publish("room", "2")).await.unwrap();
        server.kill();
        server.restart();
        // The server still has the key, and nothing of the streams that it speaks of counts any more.
        let again = one(&ann, keyed).await.unwrap();
        assert_eq!((again.outcome, again.offset), (Outcome::Published, 1));
        assert_ne!(again.generation, first.generation);
        assert_eq!(one(&ann, keyed).await.unwrap(), Receipt { outcome: Outcome::Repeated, ..again });
        assert_eq!(bodies(&ann, "room").await, [(1, "1".into())]);
    });
}

#[test]
fn an_emptied_server_begins_anew_and_a_call_that_was_given_up_is_settled() {
    let mut server = Server::start(Kind::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let link = linked(&config).await;
        let node = node(&link, &config, 1, 1);
        let first = one(&node, publish("room", "1")).await.unwrap();
        server.kill();
        let given_up = one(&node, publish("room", "2")).await.unwrap_err();
        assert!(given_up.is_open(), "{given_up}");
        server.restart();
        let next = one(&node, publish("room", "3")).await.unwrap();
        assert_eq!(next.offset, 1);
        assert_ne!(next.generation, first.generation);
    });
}

#[test]
fn what_an_incarnation_was_answered_is_not_forgotten_with_its_lease() {
    for calls in [false, true] {
        let mut server = Server::start(Kind::Redis, &[]);
        let config = config(&[server.address()]);
        crate::runtime().block_on(async {
            let ([ann, bob], [_, lost]) = with_a_lost_tail(&mut server, &config).await;
            let bucket = ann.keys().bucket_of("room");
            // Ann is away for longer than her lease. Bob catches up with what was lost, and clears away what she has left.
            for at in 3..=5 {
                let taken = one(&bob, publish("room", "other")).await.unwrap();
                assert_eq!((taken.generation, taken.offset), (lost.generation, at));
            }
            bob.reap_bucket(bucket, ann.incarnation()).await.unwrap();
            if calls {
                // Dead as she is, she is heard.
                assert_eq!(one(&ann, publish("room", "x")).await, Err(Fault::Dead));
            }
            let back = ann.successor(Incarnation { slot: 1, number: 3 });
            let next = one(&back, publish("room", "4")).await.unwrap();
            assert_eq!(next.offset, 1);
            assert_ne!(next.generation, lost.generation);
            assert_eq!(bodies(&bob, "room").await, [(1, "4".into())]);
            // It is said once.
            let again = back.successor(Incarnation { slot: 1, number: 4 });
            assert_eq!(one(&again, publish("room", "5")).await.unwrap().offset, 2);
        });
    }
}

#[test]
fn a_call_that_was_given_up_and_arrives_late_is_not_taken_for_the_one_that_came_after_it() {
    let mut server = Server::start(Kind::Redis, &["--appendonly", "yes", "--appendfsync", "always"]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let link = linked(&config).await;
        // One incarnation twice: what `late` calls is what was on its way on a connection that `ann` has given up.
        let [ann, late] = [(); 2].map(|()| node(&link, &config, 1, 1));
        let first = one(&late, publish("room", "1")).await.unwrap();
        assert_eq!(one(&ann, publish("room", "1")).await.unwrap(), first);
        server.kill();
        assert!(one(&ann, publish("room", "2")).await.unwrap_err().is_open());
        server.restart();
        ann.compare(ann.keys().bucket_of("room"), None).await.unwrap();
        let _ = one(&late, publish("room", "2")).await;
        let taken = one(&ann, publish("room", "3")).await.unwrap();
        assert_eq!((taken.generation, taken.offset), (first.generation, 2));
        assert_eq!(bodies(&ann, "room").await, [(1, "1".into()), (2, "3".into())]);
    });
}
