//! Publications that are to come, step by step, against real servers.

use std::time::Duration;

use ringpost::cluster::redis::bucket::Kind;
use ringpost::cluster::redis::functions::Functions;
use ringpost::cluster::redis::listener::Event;
use ringpost::cluster::redis::schedules::{Next, Scheduled};
use ringpost::cluster::redis::streams::{Outcome, Publish};
use ringpost::model::ScheduledId;
use tokio::time::sleep;

use crate::functions::{bodies, config, linked, node, one, publish, with_each};
use crate::listening::Listening;
use crate::server::{Kind as Of, Server};

const ROOM: &str = "room";
const HOUR_MS: u64 = 3_600_000;

async fn add(node: &Functions, delay_ms: u64, publish: Publish<'_>) -> Scheduled {
    node.schedule_add(node.keys().bucket_of(publish.channel), delay_ms, &publish).await.unwrap()
}

async fn waits(node: &Functions, delay_ms: u64, publish: Publish<'_>) -> ScheduledId {
    match add(node, delay_ms, publish).await {
        Scheduled::Waits(id) => id,
        other => panic!("{other:?}"),
    }
}

async fn list(node: &Functions, count: u32) -> Vec<(ScheduledId, String)> {
    let list = node.schedule_list(ROOM, count).await.unwrap();
    list.into_iter().map(|(id, body)| (id, String::from_utf8(body.to_vec()).unwrap())).collect()
}

/// Calls until so many were published.
async fn publish_due(node: &Functions, count: u32) -> Next {
    let mut done = 0;
    for _ in 0..600 {
        let due = node.schedule_due(node.keys().bucket_of(ROOM)).await.unwrap();
        done += due.taken;
        if done >= count {
            assert_eq!((done, due.refused), (count, 0));
            return due.next;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{done} were published");
}

#[test]
fn what_is_to_come_comes_once_in_the_order_of_its_times_whichever_node_calls() {
    with_each(async |link, config, _| {
        let (ann, bob) = (node(&link, &config, 1, 1), node(&link, &config, 2, 2));
        let bucket = ann.keys().bucket_of(ROOM);
        let late = waits(&ann, HOUR_MS, publish(ROOM, "late")).await;
        let second = waits(&ann, 3_000, publish(ROOM, "second")).await;
        let first = waits(&bob, 0, publish(ROOM, "first")).await;
        assert!(first < second && second < late);
        let listed = list(&bob, 100).await;
        let bodies_of = |list: &[(ScheduledId, String)]| list.iter().map(|(_, body)| body.clone()).collect::<Vec<_>>();
        assert_eq!(bodies_of(&listed), ["first", "second", "late"]);
        assert_eq!(list(&bob, 1).await, listed[..1]);
        assert!(list(&bob, 0).await.is_empty());
        let next = publish_due(&bob, 2).await;
        assert_eq!(next.due_ms, Some(late.due_unix_ms as u64));
        assert_eq!(ann.schedule_due(bucket).await.unwrap().taken, 0);
        assert_eq!(bodies(&ann, ROOM).await, [(1, "first".into()), (2, "second".into())]);
        assert!(!bob.schedule_cancel(bucket, "other", late).await.unwrap(), "it is another channel's");
        assert!(bob.schedule_cancel(bucket, ROOM, late).await.unwrap());
        assert!(!bob.schedule_cancel(bucket, ROOM, late).await.unwrap());
        assert!(list(&ann, 100).await.is_empty());
        assert_eq!(ann.schedule_next(bucket).await.unwrap().due_ms, None);
    });
}

#[test]
fn a_repetition_of_a_call_schedules_and_publishes_once() {
    with_each(async |link, config, _| {
        let bucket = node(&link, &config, 1, 1).keys().bucket_of(ROOM);
        let mut ids = Vec::new();
        for _ in 0..2 {
            // The same incarnation with the same number, as after an answer that was lost.
            ids.push(waits(&node(&link, &config, 1, 1), 0, publish(ROOM, "x")).await);
        }
        assert_eq!(ids[0], ids[1]);
        waits(&node(&link, &config, 2, 2), HOUR_MS, publish(ROOM, "y")).await;
        let ids = list(&node(&link, &config, 9, 9), 100).await;
        assert_eq!(ids.len(), 2);
        let done = node(&link, &config, 3, 3).schedule_due(bucket).await.unwrap();
        assert_eq!(node(&link, &config, 3, 3).schedule_due(bucket).await.unwrap(), done);
        assert_eq!(bodies(&node(&link, &config, 9, 9), ROOM).await.len(), 1);
        for _ in 0..2 {
            assert!(node(&link, &config, 4, 4).schedule_cancel(bucket, ROOM, ids[1].0).await.unwrap());
        }
    });
}

#[test]
fn with_an_idempotency_key_it_waits_once_and_comes_once() {
    with_each(async |link, config, _| {
        let ann = node(&link, &config, 1, 1);
        let keyed = |body| Publish { key: Some(("key", 600_000)), ..publish(ROOM, body) };
        let id = waits(&ann, 0, keyed("a")).await;
        assert_eq!(waits(&ann, HOUR_MS, keyed("b")).await, id);
        publish_due(&ann, 1).await;
        match add(&ann, 0, keyed("c")).await {
            Scheduled::Published(receipt) => assert_eq!(receipt.offset, 1),
            other => panic!("{other:?}"),
        }
        assert_eq!(one(&ann, keyed("d")).await.unwrap().outcome, Outcome::Repeated);
        // One that is published while another waits: the later one does not come.
        let other = |body| Publish { key: Some(("other", 600_000)), ..publish(ROOM, body) };
        waits(&ann, 0, other("e")).await;
        assert_eq!(one(&ann, other("f")).await.unwrap().outcome, Outcome::Published);
        publish_due(&ann, 1).await;
        assert_eq!(bodies(&ann, ROOM).await, [(1, "a".into()), (2, "f".into())]);
    });
}

#[test]
fn all_nodes_are_told_when_the_next_is_due_and_of_what_is_published() {
    let server = Server::start(Of::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let mut ann = Listening::start(&config, 1).await;
        let bob = node(&linked(&config).await, &config, 2, 2);
        ann.join(ROOM).await;
        let due = |id: ScheduledId| Some(id.due_unix_ms as u64);
        let late = waits(&bob, HOUR_MS, publish(ROOM, "late")).await;
        waits(&bob, 2 * HOUR_MS, publish(ROOM, "later")).await;
        let soon = waits(&bob, 0, publish(ROOM, "soon")).await;
        publish_due(&bob, 1).await;
        let (mut told, mut heard) = (Vec::new(), Vec::new());
        while told.len() < 3 {
            match ann.next().await {
                Event::Said(_, _, item) if item.kind == Kind::Due => told.push(Next::told(&item).due_ms),
                Event::Said(_, _, item) if item.kind == Kind::Publication => heard.push(item.body),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(told, [due(late), due(soon), due(late)]);
        assert_eq!(heard, ["soon"]);
    });
}

#[test]
fn so_much_may_be_to_come_and_what_is_due_is_published_some_at_a_time() {
    let server = Server::start(Of::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let ann = node(&linked(&config).await, &config, 1, 1);
        let bucket = ann.keys().bucket_of(ROOM);
        let large = "x".repeat(1 << 20);
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(waits(&ann, HOUR_MS, publish(ROOM, &large)).await);
        }
        assert_eq!(add(&ann, HOUR_MS, publish(ROOM, &large)).await, Scheduled::TooMuch);
        assert!(ann.schedule_cancel(bucket, ROOM, ids[0]).await.unwrap());
        waits(&ann, HOUR_MS, publish(ROOM, &large)).await;
        for _ in 0..100 {
            waits(&ann, 0, publish(ROOM, "x")).await;
        }
        publish_due(&ann, 100).await;
        assert_eq!(bodies(&ann, ROOM).await.len(), 100);
    });
}
