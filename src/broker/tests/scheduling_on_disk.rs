//! Publications that are to come, and those that end by themselves, in channels that are kept on disk: no crash loses one or
//! brings it twice.

use std::collections::BTreeSet;

use rand::Rng;

use super::durable::{durable, start, start_at};
use super::*;
use crate::broker::schedule_order::{ScheduleOrder, Scheduled};
use crate::limits::SCHEDULE_MS_MAX;
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{HistoryFilter, ScheduledId};

type Answered<T> = oneshot::Receiver<Result<T, Error>>;

fn node(shards: u16) -> Node {
    start(shards, Disk::default(), durable())
}

/// The node is killed, nothing of what is in flight is kept, and another starts at the same time.
fn restart(node: Node, shards: u16) -> Node {
    restart_with(node, shards, &BTreeSet::new())
}

/// As [`restart`], where the writes of some shards have reached the disk.
fn restart_with(mut node: Node, shards: u16, kept: &BTreeSet<usize>) -> Node {
    kept.iter().for_each(|shard| drop(node.disk.complete(*shard as u16, true)));
    node.disk.lose();
    start_at(node.now, shards, node.disk, durable())
}

impl Node {
    fn ask<T>(&mut self, channel: &str, order: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Order) -> Answered<T> {
        let (answer, answered) = oneshot::channel();
        let home = usize::from(self.placement.of(channel));
        self.brokers[home].begin_tick(self.now);
        self.brokers[home].order(order(answer), self.now);
        self.after(home);
        answered
    }

    fn ask_later(&mut self, publish: Publish, delay_ms: u64) -> Answered<Scheduled> {
        let channel = publish.channel.clone();
        let order = |answer| Order::Schedule(ScheduleOrder::Publish(Box::new(publish), delay_ms, answer));
        self.ask(&channel, order)
    }

    /// Schedules it, and has the disk take it.
    fn later(&mut self, publish: Publish, delay_ms: u64) -> ScheduledId {
        let mut answered = self.ask_later(publish, delay_ms);
        self.sync();
        match answered.try_recv().expect("it is on disk") {
            Ok(Scheduled::Waits(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    fn ask_cancel(&mut self, channel: &str, id: ScheduledId) -> Answered<()> {
        self.ask(channel, |answer| Order::Schedule(ScheduleOrder::Cancel(channel.into(), id, answer)))
    }

    fn coming(&mut self, channel: &str) -> Vec<ScheduledId> {
        let list = |answer| Order::Schedule(ScheduleOrder::List(channel.into(), 100, answer));
        let list = self.ask(channel, list).try_recv().expect("it is answered at once").expect("a known channel");
        list.iter().map(|to_come| to_come.id).collect()
    }

    /// Time passes, with a tick of every shard and what the disk is asked for.
    fn pass_synced(&mut self, ms: u64) {
        self.wait(ms);
        for _ in 0..20 {
            self.each_tick();
            self.sync();
        }
    }

    fn history(&mut self, channel: &str) -> Vec<String> {
        let filter = HistoryFilter { limit: -1, since: None, reverse: false };
        let mut page = self.ask(channel, |answer| Order::History { channel: channel.into(), filter, answer });
        let page = page.try_recv().expect("it is answered at once").expect("it is kept");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it is text");
        page.publications.iter().map(|publication| text(&publication.data.bytes)).collect()
    }
}

fn keyed(channel: &str, data: &str, key: &str) -> Publish {
    Publish { idempotency_key: Some(key.into()), ..message(channel, data) }
}

#[test]
fn what_is_scheduled_is_answered_when_it_is_on_disk_and_waits_through_restarts_with_other_shards() {
    let mut node = node(3);
    let channel = node.at(2, "disk");
    let mut answered = node.ask_later(keyed(&channel, "1", "k"), 60_000);
    let mut again = node.ask_later(keyed(&channel, "1", "k"), 60_000);
    node.serve();
    assert!(answered.try_recv().is_err() && again.try_recv().is_err(), "not on disk yet");
    node.sync();
    let id = match (answered.try_recv(), again.try_recv()) {
        (Ok(Ok(Scheduled::Waits(id))), Ok(Ok(Scheduled::Waits(same)))) if id == same => id,
        other => panic!("{other:?}"),
    };
    // Not on disk, so not promised to anybody.
    _ = node.ask_later(message(&channel, "2"), 60_000);
    for shards in [3, 1, 2] {
        node = restart(node, shards);
        // What lives is said again, where another number of shards has written it.
        node.pass_synced(0);
        assert_eq!(node.coming(&channel), [id]);
        let again = node.ask_later(keyed(&channel, "1", "k"), 9).try_recv();
        assert_eq!(again.expect("it is on disk already"), Ok(Scheduled::Waits(id)), "its key is taken");
    }
    node.pass_synced(60_000);
    assert_eq!(node.history(&channel), ["1"]);
    for _ in 0..2 {
        node = restart(node, 3);
        node.pass_synced(1_000);
        assert_eq!((node.history(&channel), node.coming(&channel)), (vec!["1".to_string()], vec![]));
    }
    let before = node.ask_later(keyed(&channel, "1", "k"), 9).try_recv().expect("it is on disk");
    assert!(matches!(before, Ok(Scheduled::Published(Position { offset: 1, .. }))), "{before:?}");
}

#[test]
fn what_was_due_while_the_node_was_down_comes_at_once_in_the_order_of_its_times() {
    let mut node = node(2);
    let channel = node.at(1, "disk");
    for (data, delay_ms) in [("4", 9_000), ("1", 1_000), ("3", 3_000), ("2", 2_000)] {
        node.later(message(&channel, data), delay_ms);
    }
    node.wait(5_000);
    let mut node = restart(node, 1);
    let last = node.later(message(&channel, "5"), 4_000);
    node.pass_synced(0);
    assert_eq!(node.history(&channel), ["1", "2", "3"]);
    let mut node = restart(node, 2);
    assert_eq!(node.coming(&channel).last(), Some(&last), "of the same time, what was asked for later comes later");
    node.pass_synced(4_000);
    assert_eq!(node.history(&channel), ["1", "2", "3", "4", "5"]);
}

#[test]
fn a_crash_while_it_is_published_brings_it_once_whether_the_write_was_there_or_not() {
    for was_written in [false, true] {
        let mut node = node(1);
        let channel = node.at(0, "disk");
        node.later(message(&channel, "1"), 1_000);
        node.wait(1_000);
        node.each_tick();
        assert_eq!((node.history(&channel), node.coming(&channel)), (vec![], vec![]), "on its way");
        let kept = if was_written { BTreeSet::from([0]) } else { BTreeSet::new() };
        let mut node = restart_with(node, 1, &kept);
        assert_eq!(node.brokers[0].home.schedule.len(), usize::from(!was_written));
        node.pass_synced(0);
        assert_eq!(node.history(&channel), ["1"]);
    }
}

#[test]
fn what_was_cancelled_is_answered_when_that_is_on_disk_and_does_not_come() {
    let mut node = node(1);
    let channel = node.at(0, "disk");
    let id = node.later(message(&channel, "1"), 1_000);
    let mut cancelled = node.ask_cancel(&channel, id);
    assert!(cancelled.try_recv().is_err(), "not on disk yet");
    node.sync();
    assert_eq!(cancelled.try_recv(), Ok(Ok(())));
    let mut node = restart(node, 1);
    node.pass_synced(9_000);
    assert_eq!(node.history(&channel), [""; 0]);
}

#[test]
fn what_is_not_to_be_kept_comes_once_and_no_crash_brings_it_again() {
    let mut node = node(1);
    let channel = node.at(0, "disk");
    let peer = node.connect(0, json!({"sub": "7"}));
    node.say(peer, &subscribe(2, &channel));
    node.later(Publish { skip_history: true, ..message(&channel, "1") }, 1_000);
    node.wait(1_000);
    node.each_tick();
    assert_eq!(kinds(&node.hear(peer)), [""; 0], "that it came is not on disk yet");
    node.sync();
    assert_eq!(kinds(&node.hear(peer)), ["pub 1"]);
    let mut node = restart(node, 1);
    assert_eq!(node.coming(&channel), []);
}

#[test]
fn what_is_due_waits_for_a_disk_that_takes_nothing_and_holds_up_no_channel_in_memory() {
    let mut node = node(1);
    let (disk, kept) = (node.at(0, "disk"), node.at(0, "kept"));
    node.later(message(&disk, "1"), 1_000);
    node.ask_later(message(&kept, "2"), 2_000);
    node.disk.is_full = true;
    for number in 0..200 {
        let publish = message(&disk, &format!("\"{number}{}\"", "x".repeat(200)));
        node.ask(&disk, |answer| Order::Publish(Box::new(publish), answer));
        node.sync();
    }
    let refused = node.ask_later(message(&disk, "3"), 1_000).try_recv();
    assert_eq!(refused.expect("it is answered").expect_err("there is no room").kind, ErrorKind::Internal);
    let full = node.history(&disk);
    node.pass_synced(5_000);
    assert_eq!((node.history(&kept), node.history(&disk)), (vec!["2".to_string()], full));
    node.disk.is_full = false;
    node.brokers[0].sweep(node.now);
    node.pass_synced(0);
    node.pass_synced(0);
    assert_eq!(node.history(&disk).last().map(String::as_str), Some("1"));
}

#[test]
fn a_failed_disk_refuses_what_is_to_come_and_a_restart_has_what_was_answered() {
    let mut node = node(1);
    let channel = node.at(0, "disk");
    let id = node.later(message(&channel, "1"), 1_000);
    let mut lost = node.ask_later(message(&channel, "2"), 1_000);
    node.write(false);
    assert_eq!(lost.try_recv().expect("it is answered").expect_err("it failed").kind, ErrorKind::Internal);
    assert_eq!(node.coming(&channel), [id]);
    node.pass_synced(1_000);
    let mut node = restart(node, 1);
    node.pass_synced(0);
    assert_eq!(node.history(&channel), ["1"]);
}

#[test]
fn snapshots_keep_what_is_to_come_and_how_long_publications_are_given_out() {
    let mut node = node(1);
    let channel = node.at(0, "disk");
    let ids: Vec<_> = (0..40).map(|_| node.later(message(&channel, "9"), SCHEDULE_MS_MAX)).collect();
    node.ask(&channel, |answer| {
        Order::Publish(Box::new(Publish { ttl_ms: Some(60_000), ..message(&channel, "1") }), answer)
    });
    let others = node.at(0, "disk") + "-others";
    for _ in 0..600 {
        let publish = message(&others, &format!("\"{}\"", "x".repeat(1_000)));
        node.ask(&others, |answer| Order::Publish(Box::new(publish), answer));
        node.sync();
        node.each_tick();
    }
    assert!(node.disk.been.discarded > 5, "{:?}", node.disk.been);
    let mut node = restart(node, 2);
    assert_eq!(node.coming(&channel), ids);
    assert_eq!(node.history(&channel), ["1"]);
    node.pass_synced(60_000);
    assert_eq!(node.history(&channel), [""; 0]);
}

#[test]
fn what_ends_by_itself_has_the_rest_of_its_time_after_a_restart_whatever_the_clock_says() {
    let mut node = node(1);
    let channel = node.at(0, "disk");
    for (data, ttl_ms) in [("1", Some(2_000)), ("2", None), ("3", Some(10_000))] {
        let publish = Publish { ttl_ms, ..message(&channel, data) };
        node.ask(&channel, |answer| Order::Publish(Box::new(publish), answer));
        node.sync();
        node.wait(1_000);
    }
    assert_eq!(node.history(&channel), ["2", "3"], "its place stays");
    node.now.unix_ms += 365 * 24 * 3_600_000;
    let mut node = restart(node, 1);
    assert_eq!(node.history(&channel), ["2", "3"]);
    node.wait(10_000);
    assert_eq!(node.history(&channel), ["2"]);
    let end = node.order_at_disk(&channel, "4");
    assert_eq!(end.offset, 4);
}

impl Node {
    fn order_at_disk(&mut self, channel: &str, data: &str) -> Position {
        let mut answered = self.ask(channel, |answer| Order::Publish(Box::new(message(channel, data)), answer));
        self.sync();
        answered.try_recv().expect("it is answered").expect("it is kept")
    }
}

#[test]
fn those_on_their_way_count_among_the_few_that_may_end_by_themselves() {
    let mut node = node(1);
    let channel = node.at(0, "disk");
    let short = || Publish { ttl_ms: Some(1_000), ..message(&channel, "1") };
    let answers: Vec<_> = (0..crate::limits::ENDS_PER_STREAM_MAX + 1)
        .map(|_| node.ask(&channel, |answer| Order::Publish(Box::new(short()), answer)))
        .collect();
    node.sync();
    let kept = answers.into_iter().map(|mut answer| answer.try_recv().expect("it is answered").is_ok());
    assert_eq!(kept.filter(|is_kept| *is_kept).count(), crate::limits::ENDS_PER_STREAM_MAX);
}

/// Whatever is asked for and whenever the node is killed: what was answered comes once, and what was cancelled does not.
#[test]
fn no_crash_loses_what_was_answered_or_brings_it_twice() {
    for seed in 0..60 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut node = node(random.random_range(1..4));
        let channels: Vec<String> = (0..3).map(|number| format!("disk:{number}")).collect();
        let mut asked: Vec<(u32, Answered<Scheduled>)> = Vec::new();
        let (mut certain, mut gone) = (Vec::new(), BTreeSet::new());
        for number in 0..60 {
            match random.random_range(0..10) {
                0..5 => {
                    let channel = &channels[random.random_range(0..channels.len())];
                    let publish = keyed(channel, &number.to_string(), &number.to_string());
                    let answered = node.ask_later(publish, random.random_range(1..20_000));
                    asked.push((number, answered));
                }
                5 => {
                    let channel = channels[random.random_range(0..channels.len())].clone();
                    if let Some(id) = node.coming(&channel).first() {
                        let mut cancelled = node.ask_cancel(&channel, *id);
                        node.pass_synced(0);
                        assert_eq!(cancelled.try_recv(), Ok(Ok(())), "seed {seed}");
                        gone.insert(*id);
                    }
                }
                6..8 => node.sync(),
                8 => {
                    node.wait(random.random_range(0..5_000));
                    node.each_tick();
                }
                _ => {
                    let heard = |(number, mut answered): (u32, Answered<_>)| Some((number, answered.try_recv().ok()?));
                    certain.extend(std::mem::take(&mut asked).into_iter().filter_map(heard));
                    node.serve();
                    let kept = (0..4).filter(|_| random.random_bool(0.5)).collect();
                    node = restart_with(node, random.random_range(1..4), &kept);
                }
            }
        }
        node.pass_synced(0);
        certain.extend(asked.into_iter().map(|(number, mut answered)| (number, answered.try_recv().expect("on disk"))));
        (0..30).for_each(|_| node.pass_synced(1_000));
        let mut came: Vec<String> = channels.iter().flat_map(|channel| node.history(channel)).collect();
        came.sort_unstable();
        let all = came.len();
        came.dedup();
        assert_eq!(came.len(), all, "seed {seed}: {came:?}");
        for (number, outcome) in certain {
            let Ok(Scheduled::Waits(id)) = outcome else { panic!("{outcome:?}") };
            assert_eq!(came.contains(&number.to_string()), !gone.contains(&id), "seed {seed}: {number}");
        }
    }
}
