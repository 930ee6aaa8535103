//! Writes that a server has lost: they show as another generation, and no offset is another's in the same epoch.

use ringpost::cluster::redis::streams::Outcome;

use crate::functions::{bodies, config, linked, node, one, publish};
use crate::server::{Kind, Server};

#[test]
fn whoever_calls_first_after_a_lost_tail_no_offset_is_used_twice_in_an_epoch() {
    for other_first in [false, true] {
        let mut server = Server::start(Kind::Redis, &[]);
        let config = config(&[server.address()]);
        crate::runtime().block_on(async {
            let link = linked(&config).await;
            let (ann, bob) = (node(&link, &config, 1, 1), node(&link, &config, 2, 2));
            let bucket = ann.keys().bucket_of("room");
            let first = one(&ann, publish("room", "1")).await.unwrap();
            one(&bob, publish("room", "2")).await.unwrap();
            server.cli(&["SAVE"]);
            let lost = one(&ann, publish("room", "3")).await.unwrap();
            server.kill();
            server.restart();
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
