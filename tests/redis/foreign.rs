//! What lies under keys of Ringpost's and is not Ringpost's: it harms what it is in the place of, is told by its key, and nothing is
//! written over it.

use ringpost::cluster::redis::fault::Fault;
use ringpost::cluster::redis::foreign::Foreign;
use ringpost::cluster::redis::functions::Functions;
use ringpost::cluster::redis::moves::{Moved, MovedUp};
use ringpost::cluster::redis::streams::{Join, Outcome, Publish};
use ringpost::model::Keep;

use crate::functions::{KEEP, bodies, node, one, publish, with_each};
use crate::presence::{info, member};
use crate::server::Server;

/// Something of another type: a hash for what is no hash, else a text.
fn put(server: &Server, key: &str, is_hash: bool) {
    let said = if is_hash { server.cli(&["SET", key, "foreign"]) } else { server.cli(&["HSET", key, "a", "b"]) };
    assert!(["OK", "1"].contains(&said.trim()), "{said}");
}

/// Another channel of the bucket of `room`.
fn neighbour(node: &Functions) -> String {
    let bucket = node.keys().bucket_of("room");
    let mut names = (0..).map(|number: u32| format!("other{number}"));
    names.find(|name| node.keys().bucket_of(name) == bucket).expect("names go on for ever")
}

#[test]
fn a_foreign_value_refuses_what_is_published_in_its_channel_and_nothing_beside_it() {
    with_each(async |link, config, server| {
        let node = node(&link, &config, 1, 1);
        let (bucket, other) = (node.keys().bucket_of("room"), neighbour(&node));
        let head = node.keys().head(bucket);
        one(&node, publish("room", "before")).await.unwrap();
        one(&node, publish(&other, "1")).await.unwrap();
        let (meta, list) = (format!("{head}:m:room"), format!("{head}:h:room"));
        let refused =
            |key: &str, part: Foreign| assert_eq!(part.fault(node.keys(), "room"), Fault::Foreign(key.into()));
        refused(&meta, Foreign::Meta);
        refused(&list, Foreign::List);
        let mut number = 1;
        for (key, part) in [(&list, Foreign::List), (&meta, Foreign::Meta)] {
            server.cli(&["DEL", key]);
            put(server, key, false);
            let fleeting = Publish { keep: Keep::default(), ..publish("room", "fleeting") };
            let batch = [publish(&other, "x"), publish("room", "refused"), fleeting, publish(&other, "y")];
            let receipts = node.append(bucket, &batch).await.unwrap();
            let outcomes: Vec<_> = receipts.iter().map(|receipt| (receipt.outcome, receipt.offset)).collect();
            let published = |offset| (Outcome::Published, offset);
            assert_eq!(
                outcomes,
                [published(number + 1), (Outcome::Foreign(part), 0), published(0), published(number + 2)]
            );
            number += 2;
            assert_eq!(server.cli(&["HGET", key, "a"]).trim(), "b", "nothing is written over it");
        }
        assert_eq!(bodies(&node, &other).await.len(), 5);
        // A text that is none of ours is foreign as well.
        server.cli(&["SET", &meta, "too short"]);
        assert_eq!(one(&node, publish("room", "x")).await.unwrap().outcome, Outcome::Foreign(Foreign::Meta));
        server.cli(&["DEL", &meta, &list]);
        assert_eq!(one(&node, publish("room", "after")).await.unwrap().offset, 1);
    });
}

#[test]
fn a_foreign_value_in_place_of_results_or_counts_refuses_what_has_a_key_or_an_id_only() {
    with_each(async |link, config, server| {
        let node = node(&link, &config, 1, 1);
        let bucket = node.keys().bucket_of("room");
        let head = node.keys().head(bucket);
        let keyed = Publish { key: Some(("key", 60_000)), ..publish("room", "k") };
        let sent = Publish { key: Some(("id", 70_000)), sender: Some("ann"), ..publish("room", "s") };
        let now_ms: u64 = server.cli(&["TIME"]).lines().next().unwrap().parse::<u64>().unwrap() * 1000;
        for (letter, window) in [("k", 60_000), ("j", 70_000)] {
            // The test may stand at the end of a window.
            (0..2).for_each(|ahead| put(server, &format!("{head}:{letter}{window}:{}", now_ms / window + ahead), true));
        }
        let receipts = node.append(bucket, &[keyed, publish("room", "plain"), sent]).await.unwrap();
        let outcomes: Vec<_> = receipts.iter().map(|receipt| receipt.outcome).collect();
        let expected = [Outcome::Foreign(Foreign::Results), Outcome::Published, Outcome::Foreign(Foreign::Senders)];
        assert_eq!(outcomes, expected);
        assert_eq!(bodies(&node, "room").await, [(1, "plain".into())]);
    });
}

#[test]
fn a_record_that_is_refused_counts_as_moved_and_whoever_moves_it_again_is_told_why_it_was_not() {
    with_each(async |link, config, server| {
        let (ann, bob) = (node(&link, &config, 1, 1), node(&link, &config, 2, 2));
        let (bucket, other) = (ann.keys().bucket_of("room"), neighbour(&ann));
        put(server, &format!("{}:h:room", ann.keys().head(bucket)), false);
        let record = |offset, channel| (Moved { partition: 0, offset }, publish(channel, "x"));
        let batch = [record(1, other.as_str()), record(2, "room"), record(3, &other)];
        let generation = ann.moved(bucket, "up").await.unwrap().0;
        let foreign = (Outcome::Foreign(Foreign::List), 0);
        for (node, expected) in [
            (&ann, [(Outcome::Published, 1), foreign, (Outcome::Published, 2)]),
            (&bob, [(Outcome::Moved, 1), foreign, (Outcome::Moved, 2)]),
        ] {
            let MovedUp::Done { came, .. } = node.move_up(bucket, "up", generation, &batch).await.unwrap() else {
                panic!("it is that generation")
            };
            let outcomes: Vec<_> = came.iter().map(|came| (came.receipt.outcome, came.receipt.offset)).collect();
            assert_eq!(outcomes, expected);
        }
        assert_eq!(ann.moved(bucket, "up").await.unwrap().1, [Moved { partition: 0, offset: 3 }]);
    });
}

#[test]
fn something_foreign_in_place_of_what_was_moved_refuses_the_bucket_s_records_and_nobody_s_question() {
    with_each(async |link, config, server| {
        let node = node(&link, &config, 1, 1);
        let bucket = node.keys().bucket_of("room");
        let generation = node.moved(bucket, "up").await.unwrap().0;
        put(server, &format!("{}:t", node.keys().head(bucket)), true);
        let batch = [(Moved { partition: 0, offset: 1 }, publish("room", "x"))];
        let moved = node.move_up(bucket, "up", generation, &batch).await;
        assert!(matches!(moved, Err(Fault::Foreign(_))), "{moved:?}");
        assert_eq!(node.moved(bucket, "up").await, Ok((generation, Vec::new())));
        assert_eq!(one(&node, publish("room", "direct")).await.unwrap().offset, 1);
    });
}

#[test]
fn every_reader_is_told_of_the_key_that_is_in_its_way_and_the_others_read() {
    with_each(async |link, config, server| {
        let node = node(&link, &config, 1, 1);
        let (bucket, other) = (node.keys().bucket_of("room"), neighbour(&node));
        let head = node.keys().head(bucket);
        let key = |of: &str| format!("{head}:{of}:room");
        let named = |of: &str| Fault::Foreign(key(of));
        let join = |channel| Join { channel, meta_ttl_ms: Some(KEEP.meta_ttl_ms), is_read: false, after: None };
        for (of, is_hash) in
            [("m", false), ("h", false), ("p", true), ("q", true), ("u", true), ("x", true), ("y", false)]
        {
            if of == "h" {
                one(&node, publish("room", "kept")).await.unwrap();
                server.cli(&["DEL", &key("h")]);
            }
            if of == "u" {
                let info = info(1, "ann");
                node.presence_add(bucket, &[member("room", &info)]).await.unwrap();
                server.cli(&["DEL", &key("u")]);
            }
            put(server, &key(of), is_hash);
            let fault = match of {
                "m" => node.join(bucket, &[join("room")]).await.unwrap_err(),
                "h" => node.read("room", crate::functions::ALL).await.unwrap_err(),
                "q" | "u" => node.presence_stats("room").await.unwrap_err(),
                "p" => node.presence_add(bucket, &[member("room", &info(1, "ann"))]).await.unwrap_err(),
                _ => node.ledger_remove(bucket, "room", ["ann"].into_iter()).await.unwrap_err(),
            };
            assert_eq!(fault, named(of));
            assert!(node.join(bucket, &[join(other.as_str())]).await.is_ok(), "{of}");
            assert!(node.presence_add(bucket, &[member(&other, &info(1, "ann"))]).await.is_ok(), "{of}");
            server.cli(&["DEL", &key(of)]);
        }
        server.cli(&["SET", &format!("{}:s:ann", node.keys().head(node.keys().bucket_of("ann"))), "foreign"]);
        assert!(matches!(node.sessions("ann").await, Err(Fault::Foreign(key)) if key.ends_with(":s:ann")));
        assert_eq!(node.sessions("bob").await, Ok(Vec::new()));
    });
}

#[test]
fn a_call_that_finds_something_foreign_has_listed_and_told_nobody() {
    with_each(async |link, config, server| {
        let node = node(&link, &config, 1, 1);
        let (bucket, other) = (node.keys().bucket_of("room"), neighbour(&node));
        put(server, &format!("{}:u:room", node.keys().head(bucket)), true);
        let info = info(1, "ann");
        let members = [member(&other, &info), member("room", &info)];
        assert!(matches!(node.presence_add(bucket, &members).await, Err(Fault::Foreign(_))));
        assert!(node.presence_page(&other, 0, 10).await.unwrap().listed.is_empty());
        node.presence_add(bucket, &members[..1]).await.unwrap();
        assert_eq!(node.presence_page(&other, 0, 10).await.unwrap().listed.len(), 1);
    });
}

#[test]
fn what_is_due_is_published_where_it_can_be_and_nothing_foreign_is_tried_for_ever() {
    with_each(async |link, config, server| {
        let node = node(&link, &config, 1, 1);
        let (bucket, other) = (node.keys().bucket_of("room"), neighbour(&node));
        let head = node.keys().head(bucket);
        for channel in ["room", other.as_str()] {
            node.schedule_add(bucket, 1, &publish(channel, "due")).await.unwrap();
        }
        put(server, &format!("{head}:h:room"), false);
        // No id, and one whose publication is gone.
        for id in ["x", "0123456789abcdef"] {
            server.cli(&["ZADD", &format!("{head}:e"), "1", id]);
        }
        server.cli(&["HSET", &format!("{head}:o"), "x", "y"]);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let due = node.schedule_due(bucket).await.unwrap();
        assert_eq!((due.taken, due.refused, due.next.due_ms), (4, 1, None));
        assert_eq!(bodies(&node, &other).await, [(1, "due".into())]);
        assert!(node.schedule_list(&other, 10).await.unwrap().is_empty());
    });
}

#[test]
fn a_field_of_a_bucket_s_head_that_is_no_number_is_as_good_as_lost() {
    with_each(async |link, config, server| {
        let node = node(&link, &config, 1, 1);
        let bucket = node.keys().bucket_of("room");
        let head = node.keys().head(bucket);
        one(&node, publish("room", "1")).await.unwrap();
        let before = node.known(bucket);
        for field in ["nall", "n1", "k1", "b1", "f1"] {
            server.cli(&["HSET", head, field, "foreign"]);
        }
        assert!(node.compare(bucket, None).await.is_ok());
        server.cli(&["HSET", head, "c", "foreign"]);
        assert_eq!(one(&node, publish("room", "2")).await.unwrap().offset, 1, "the stream begins anew");
        let after = node.known(bucket);
        assert!(after.generation != before.generation && after.count > before.count, "{before:?} {after:?}");
    });
}
