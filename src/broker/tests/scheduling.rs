//! Publications that are to come.

use super::*;
use crate::broker::schedule_order::{ScheduleOrder, Scheduled};
use crate::limits::{SCHEDULE_MS_MAX, SCHEDULED_MAX, SCHEDULED_PER_TICK};
use crate::model::ScheduledId;
use crate::model::refusal::{Error, ErrorKind};

impl Node {
    fn schedule(&mut self, publish: Publish, delay_ms: u64) -> Result<Scheduled, Error> {
        let home = usize::from(self.placement.of(&publish.channel));
        let order = |answer| Order::Schedule(ScheduleOrder::Publish(Box::new(publish), delay_ms, answer));
        self.order(home, order)
    }

    fn wait_until_due(&mut self, publish: Publish, delay_ms: u64) -> ScheduledId {
        match self.schedule(publish, delay_ms) {
            Ok(Scheduled::Waits(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    /// Lets time pass, with a tick of every shard at its end.
    fn pass(&mut self, ms: u64) {
        self.wait(ms);
        for shard in 0..self.brokers.len() {
            self.brokers[shard].begin_tick(self.now);
            self.after(shard);
        }
        self.carry();
    }

    fn scheduled(&mut self, channel: &str) -> Vec<String> {
        let home = usize::from(self.placement.of(channel));
        let list = self.order(home, |answer| Order::Schedule(ScheduleOrder::List(channel.into(), 100, answer)));
        let list = list.expect("a known channel");
        list.iter().map(|to_come| String::from_utf8_lossy(&to_come.data.bytes).into_owned()).collect()
    }

    fn cancel(&mut self, channel: &str, id: ScheduledId) -> Result<(), Error> {
        let home = usize::from(self.placement.of(channel));
        self.order(home, |answer| Order::Schedule(ScheduleOrder::Cancel(channel.into(), id, answer)))
    }
}

fn keyed(channel: &str, data: &str, key: &str) -> Publish {
    Publish { idempotency_key: Some(key.into()), ..message(channel, data) }
}

fn kind_of<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.expect_err("it is refused").kind
}

#[test]
fn what_is_scheduled_gets_its_place_when_it_is_due_and_in_that_order() {
    for home in 0..2 {
        let mut node = Node::new();
        let channel = node.at(home, "kept");
        let peer = node.connect(0, json!({"sub": "7"}));
        node.say(peer, &subscribe(2, &channel));
        for (data, delay_ms) in [("3", 3_000), ("1", 1_000), ("2", 2_000), ("22", 2_000)] {
            node.wait_until_due(message(&channel, data), delay_ms);
        }
        node.publish(&channel, "0", None);
        assert_eq!(node.scheduled(&channel), ["1", "2", "22", "3"]);
        node.pass(999);
        assert_eq!(kinds(&node.hear(peer)), ["pub 0"]);
        node.pass(1);
        let heard = node.hear(peer);
        assert_eq!((kinds(&heard), &heard[0]["push"]["pub"]["offset"]), (vec!["pub 1".to_string()], &json!(2)));
        node.pass(60_000);
        assert_eq!(kinds(&node.hear(peer)), ["pub 2", "pub 22", "pub 3"]);
        assert_eq!(node.scheduled(&channel), [""; 0]);
        assert_eq!(node.brokers[home].home.schedule.len(), 0);
    }
}

#[test]
fn what_is_cancelled_does_not_come_and_is_cancelled_once() {
    let mut node = Node::new();
    let (channel, other) = (node.at(1, "kept"), node.at(1, "open"));
    let id = node.wait_until_due(message(&channel, "1"), 1_000);
    assert_eq!(kind_of(node.cancel(&other, id)), ErrorKind::NotAvailable, "by the name of another channel");
    assert_eq!(node.cancel(&channel, id), Ok(()));
    assert_eq!(kind_of(node.cancel(&channel, id)), ErrorKind::NotAvailable);
    node.pass(2_000);
    assert_eq!(node.brokers[1].home.hub.kept(&channel), None, "nothing was published");
}

#[test]
fn an_idempotency_key_is_taken_as_soon_as_it_is_scheduled_with() {
    let mut node = Node::new();
    let channel = node.at(0, "kept");
    let id = node.wait_until_due(keyed(&channel, "1", "k"), 1_000);
    assert_eq!(node.schedule(keyed(&channel, "1", "k"), 5_000), Ok(Scheduled::Waits(id)));
    let home = usize::from(node.placement.of(&channel));
    let at_once = node.order(home, |answer| Order::Publish(Box::new(keyed(&channel, "1", "k")), answer));
    assert_eq!(kind_of(at_once), ErrorKind::BadRequest);
    node.pass(1_000);
    let Ok(Scheduled::Published(position)) = node.schedule(keyed(&channel, "1", "k"), 1_000) else {
        panic!("it was published when it was due")
    };
    assert_eq!(position.offset, 1);
    assert_eq!(node.order_publish(keyed(&channel, "1", "k")), position);
}

#[test]
fn what_waits_is_bounded_in_time_and_number() {
    let mut node = Node::new();
    let channel = node.at(0, "open");
    assert_eq!(kind_of(node.schedule(message(&channel, "1"), SCHEDULE_MS_MAX + 1)), ErrorKind::BadRequest);
    assert_eq!(kind_of(node.schedule(message("nowhere:x", "1"), 1)), ErrorKind::UnknownChannel);
    for _ in 0..SCHEDULED_MAX {
        node.wait_until_due(message(&channel, "1"), SCHEDULE_MS_MAX);
    }
    assert_eq!(kind_of(node.schedule(message(&channel, "1"), 1)), ErrorKind::LimitExceeded);
}

#[test]
fn what_is_due_at_once_has_a_part_of_each_tick_and_none_is_slept_over() {
    let mut node = Node::new();
    let channel = node.at(0, "open");
    for _ in 0..SCHEDULED_PER_TICK + 1 {
        node.wait_until_due(message(&channel, "1"), 1_000);
    }
    node.pass(1_000);
    let broker = &node.brokers[0];
    assert_eq!((broker.home.schedule.len(), broker.waits_for_tick()), (1, true));
    node.pass(0);
    let broker = &node.brokers[0];
    assert_eq!((broker.home.schedule.len(), broker.waits_for_tick()), (0, false));
}
