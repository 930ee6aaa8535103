//! What is to come in channels that several nodes share, over the model of their buckets.

use super::mirrored::{Cluster, pubs};
use super::*;
use crate::broker::schedule_order::{ScheduleOrder, Scheduled, ToCome};
use crate::limits::SCHEDULE_MS_MAX;
use crate::model::ScheduledId;
use crate::model::refusal::{Error, ErrorKind};

impl Cluster {
    fn ask_schedule<T>(
        &mut self,
        node: usize,
        channel: &str,
        order: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> ScheduleOrder,
    ) -> Result<T, Error> {
        let mut answered = self.order(node, channel, |answer| Order::Schedule(order(answer)));
        self.flow();
        answered.try_recv().expect("a bucket answers")
    }

    fn schedule(&mut self, node: usize, publish: Publish, delay_ms: u64) -> Result<Scheduled, Error> {
        let channel = publish.channel.clone();
        self.ask_schedule(node, &channel, |answer| ScheduleOrder::Publish(Box::new(publish), delay_ms, answer))
    }

    fn waits(&mut self, node: usize, publish: Publish, delay_ms: u64) -> ScheduledId {
        match self.schedule(node, publish, delay_ms) {
            Ok(Scheduled::Waits(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    fn listed(&mut self, node: usize, channel: &str) -> Vec<ToCome> {
        let named = Arc::from(channel);
        self.ask_schedule(node, channel, |answer| ScheduleOrder::List(named, 10, answer)).expect("they are listed")
    }
}

#[test]
fn what_is_to_come_comes_once_when_it_is_due_also_where_the_node_that_was_asked_is_no_more() {
    let mut cluster = Cluster::new();
    let ada = cluster.subscriber(1, "room:1");
    cluster.waits(0, message("room:1", "2"), 20_000);
    let first = cluster.waits(0, message("room:1", "1"), 10_000);
    let listed: Vec<_> = cluster.listed(1, "room:1").into_iter().map(|one| one.id).collect();
    assert_eq!((listed.len(), listed[0]), (2, first), "by when they are due, at any node");
    cluster.buckets.leave(0);
    cluster.nodes[0] = Node::seeded(3, 2, super::mirrored::shared());
    cluster.wait(9_000);
    assert_eq!(cluster.hear(1, ada), [""; 0]);
    cluster.wait(1_000);
    assert_eq!(cluster.hear(1, ada), ["pub 1"]);
    cluster.wait(60_000);
    assert_eq!(cluster.hear(1, ada), ["pub 2"]);
    assert!(cluster.listed(1, "room:1").is_empty());
}

#[test]
fn what_is_cancelled_at_another_node_does_not_come_and_is_cancelled_once() {
    let mut cluster = Cluster::new();
    let ada = cluster.subscriber(0, "room:1");
    let id = cluster.waits(0, message("room:1", "1"), 10_000);
    let cancel = |answer| ScheduleOrder::Cancel("room:1".into(), id, answer);
    assert_eq!(cluster.ask_schedule(1, "room:1", cancel), Ok(()));
    let cancel = |answer| ScheduleOrder::Cancel("room:1".into(), id, answer);
    assert_eq!(cluster.ask_schedule(0, "room:1", cancel).unwrap_err().kind, ErrorKind::NotAvailable);
    cluster.wait(60_000);
    assert_eq!(cluster.hear(0, ada), [""; 0]);
}

#[test]
fn a_key_that_waits_or_was_published_is_known_at_every_node() {
    let mut cluster = Cluster::new();
    let ada = cluster.subscriber(0, "room:1");
    let keyed = |data| Publish { idempotency_key: Some("k".into()), ..message("room:1", data) };
    let id = cluster.waits(0, keyed("1"), 10_000);
    assert_eq!(cluster.waits(1, keyed("2"), 1_000), id);
    cluster.wait(10_000);
    assert_eq!(cluster.hear(0, ada), pubs(1..2));
    let Ok(Scheduled::Published(position)) = cluster.schedule(1, keyed("3"), 1_000) else { panic!("it is known") };
    assert_eq!(position.offset, 1);
}

#[test]
fn what_is_too_far_off_is_refused_and_so_is_all_while_the_bucket_is_away() {
    let mut cluster = Cluster::new();
    let far = cluster.schedule(0, message("room:1", "1"), SCHEDULE_MS_MAX + 1).unwrap_err();
    assert_eq!(far.kind, ErrorKind::BadRequest);
    cluster.buckets.is_away = true;
    assert_eq!(cluster.schedule(0, message("room:1", "1"), 1_000).unwrap_err().kind, ErrorKind::Internal);
}
