//! Channels that are kept on disk: nobody is told of anything before it is there, and a restart finds it.

use super::*;
use crate::auth::{Revocation, Subject};
use crate::broker::inbox_order::InboxOrder;
use crate::broker::sim::disk;
use crate::config::{Delivery, Log};
use crate::limits::{COMMITS_PER_TICK, SWEEP_BUDGET};
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{HistoryFilter, HistoryPage};

/// As the others, and `disk:`, which is kept on disk.
pub(super) fn durable() -> Config {
    let mut config = config();
    let kept = config.channel.namespaces.iter().find(|namespace| namespace.name == "kept").expect("there is one");
    let options = ChannelOptions {
        log: Log::Disk,
        history_size: 100,
        allow_publish_for_client: true,
        allow_recovery: true,
        ..kept.options.clone()
    };
    config.channel.namespaces.push(Namespace { name: "disk".into(), options });
    for namespace in &mut config.channel.namespaces {
        namespace.options.allow_publish_for_client = true;
    }
    config
}

/// A node of so many shards on this disk.
pub(super) fn start(shards: u16, disk: Disk, config: Config) -> Node {
    start_at(Now { mono_ms: 1_000_001, unix_ms: 1_700_000_000_001 }, shards, disk, config)
}

/// As [`start`], at this time.
pub(super) fn start_at(now: Now, shards: u16, disk: Disk, config: Config) -> Node {
    let mut node = Node::seeded(u64::from(disk.starts()), shards, config);
    node.now = now;
    node.disk = disk;
    let (now, placement) = (node.now, node.placement.clone());
    disk::start(&mut node.disk, &mut node.brokers, &placement, now);
    node
}

fn node(shards: u16) -> Node {
    start(shards, Disk::default(), durable())
}

/// The node is killed, nothing of what is in flight is kept, and another starts.
fn restart(mut node: Node, shards: u16) -> Node {
    node.disk.lose();
    start(shards, node.disk, durable())
}

impl Node {
    /// The disk takes what it is asked; nothing is synced.
    pub(super) fn serve(&mut self) {
        for (shard, broker) in self.brokers.iter_mut().enumerate() {
            disk::serve(&mut self.disk, shard, broker);
        }
    }

    /// The disk does all that it is asked.
    pub(super) fn sync(&mut self) {
        self.write(true);
    }

    pub(super) fn write(&mut self, is_synced: bool) {
        self.serve();
        let shards = self.brokers.len();
        while (0..shards).any(|shard| self.disk.is_writing(shard as u16)) {
            for shard in 0..shards {
                self.brokers[shard].begin_tick(self.now);
                disk::complete(&mut self.disk, shard, &mut self.brokers[shard], is_synced, self.now);
                self.after(shard);
            }
            self.carry();
            self.serve();
        }
    }

    pub(super) fn each_tick(&mut self) {
        for shard in 0..self.brokers.len() {
            self.brokers[shard].begin_tick(self.now);
            self.after(shard);
        }
        self.carry();
        self.serve();
    }

    fn give(&mut self, publish: Publish) -> oneshot::Receiver<Result<Position, Error>> {
        let (answer, answered) = oneshot::channel();
        let home = usize::from(self.placement.of(&publish.channel));
        self.brokers[home].begin_tick(self.now);
        self.brokers[home].order(Order::Publish(Box::new(publish), answer), self.now);
        self.after(home);
        answered
    }

    fn kept(&mut self, channel: &str) -> HistoryPage {
        let home = usize::from(self.placement.of(channel));
        let filter = HistoryFilter { limit: -1, since: None, reverse: false };
        self.order(home, |answer| Order::History { channel: channel.into(), filter, answer }).expect("it is kept")
    }

    fn remove(&mut self, channel: &str) -> oneshot::Receiver<Result<(), Error>> {
        let (answer, answered) = oneshot::channel();
        let home = usize::from(self.placement.of(channel));
        self.brokers[home].order(Order::HistoryRemove { channel: channel.into(), answer }, self.now);
        answered
    }
}

fn data(page: &HistoryPage) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it is text");
    page.publications.iter().map(|publication| text(&publication.data.bytes)).collect()
}

#[test]
fn a_publication_is_delivered_answered_and_read_after_its_commit_and_not_before() {
    for (home, publisher_at) in [(0, 0), (0, 1)] {
        let mut node = node(2);
        let channel = node.at(home, "disk");
        let subscriber = node.connect(1, json!({"sub": "subscriber"}));
        node.say(subscriber, &subscribe(2, &channel));
        let publisher = node.connect(publisher_at, json!({"sub": "publisher"}));
        let mut backend = node.give(message(&channel, "1"));
        assert_eq!(node.say(publisher, &publication(2, &channel, 2)), [] as [Value; 0]);
        node.serve();
        node.each_tick();
        assert!(backend.try_recv().is_err(), "not on disk yet");
        assert!(data(&node.kept(&channel)).is_empty());
        assert_eq!(node.hear(subscriber), [] as [Value; 0]);
        node.sync();
        let position = backend.try_recv().expect("it is on disk").expect("and kept");
        assert_eq!(position.offset, 1);
        assert_eq!(kinds(&node.hear(publisher)), ["2:publish"]);
        assert_eq!(kinds(&node.hear(subscriber)), ["pub 1", "pub 2"]);
        assert_eq!(data(&node.kept(&channel)), ["1", "2"]);
    }
}

#[test]
fn what_the_disk_takes_is_counted_by_namespace_with_how_long_it_waited() {
    let mut node = node(1);
    let (kept, disk) = (node.at(0, "kept"), node.at(0, "disk"));
    let peer = node.connect(0, json!({"sub": "7"}));
    node.say(peer, &publication(2, &kept, 1));
    node.say(peer, &publication(3, &disk, 1));
    let waited = |node: &Node, namespace| {
        let observed = node.brokers[0].edge.metrics.namespaces.of(namespace).keeps.observed();
        (observed.number(), observed.sum)
    };
    assert_eq!(waited(&node, "disk"), (0, 0.0), "not on disk yet");
    let asked_ns = (node.now.mono_ms - 3) * 1_000_000;
    let Some(request) = node.brokers[0].next_request(asked_ns) else { panic!("a batch is to be written") };
    node.disk.ask(0, request);
    node.sync();
    assert_eq!((waited(&node, "disk"), waited(&node, "kept")), ((1, 0.003), (0, 0.0)));
    let bytes = |node: &Node, namespace| node.counted(namespace, |of| of.kept_bytes.get());
    assert_eq!((bytes(&node, "disk") >= disk.len() as u64, bytes(&node, "kept")), (true, 0));
    node.write(true);
    node.say(peer, &publication(4, &disk, 2));
    let before = bytes(&node, "disk");
    node.write(false);
    assert_eq!((waited(&node, "disk").0, bytes(&node, "disk")), (1, before), "what was refused is not kept");
}

#[test]
fn who_subscribes_while_a_publication_is_on_its_way_hears_it_once_after_the_answer() {
    let mut node = node(2);
    let channel = node.at(0, "disk");
    let answer = node.give(message(&channel, "1"));
    let subscriber = node.connect(1, json!({"sub": "7"}));
    let words = node.say(subscriber, &subscribe(2, &channel));
    assert_eq!(kinds(&words), ["2:subscribe"]);
    assert_eq!(words[0]["subscribe"]["offset"].as_u64().unwrap_or(0), 0, "where the channel stands on disk");
    node.sync();
    assert_eq!(kinds(&node.hear(subscriber)), ["pub 1"]);
    drop(answer);
}

#[test]
fn a_publish_that_needs_no_disk_does_not_wait_for_one_that_does() {
    let mut node = node(2);
    let (kept, disk) = (node.at(1, "kept"), node.at(1, "disk"));
    let peer = node.connect(0, json!({"sub": "7"}));
    node.say(peer, &publication(2, &disk, 1));
    assert_eq!(kinds(&node.say(peer, &publication(3, &kept, 1))), ["3:publish"]);
    node.sync();
    assert_eq!(kinds(&node.hear(peer)), ["2:publish"]);
}

#[test]
fn refusals_and_receipts_of_one_level_come_in_the_order_of_their_publishes() {
    let mut node = node(2);
    let (here, gone) = (node.at(1, "disk"), node.at(1, "disk2"));
    let mut config = durable();
    let mut second = config.channel.namespaces.last().expect("there is one").clone();
    second.name = "disk2".into();
    config.channel.namespaces.push(second);
    node.brokers[0].order(Order::Reload(Arc::new(config)), node.now);
    let peers = ["7", "8", "9"].map(|user| node.connect(0, json!({"sub": user})));
    // The home does not know the second namespace.
    for (peer, channel) in peers.into_iter().zip([&here, &gone, &here]) {
        node.say(peer, &publication(2, channel, 1));
    }
    assert_eq!(node.hear(peers[1]), [] as [Value; 0], "the first waits for the disk, so that its answer waits, too");
    node.sync();
    let heard = peers.map(|peer| kinds(&node.hear(peer)));
    assert_eq!(heard, [["2:publish"], ["2:error 102"], ["2:publish"]]);
}

#[test]
fn a_retry_with_the_same_key_waits_for_the_first_and_gets_its_place() {
    let mut node = node(1);
    let channel = node.at(0, "disk");
    let keyed = || Publish { idempotency_key: Some("key".into()), ..message(&channel, "1") };
    let (mut first, mut second) = (node.give(keyed()), node.give(keyed()));
    assert!(first.try_recv().is_err() && second.try_recv().is_err());
    node.sync();
    let (first, second) = (first.try_recv().unwrap().unwrap(), second.try_recv().unwrap().unwrap());
    assert_eq!((first.offset, &first), (1, &second));
    let mut node = restart(node, 1);
    let mut third = node.give(keyed());
    assert_eq!(third.try_recv().unwrap().unwrap(), first, "the key lies beside its publication");
    assert_eq!(data(&node.kept(&channel)), ["1"]);
}

#[test]
fn a_version_is_late_if_a_newer_one_is_on_its_way_and_after_a_restart() {
    let mut node = node(1);
    let channel = node.at(0, "disk");
    let versioned = |number| {
        let version = crate::hub::Version { number, epoch: "".into() };
        Publish { version: Some(Box::new(version)), ..message(&channel, &number.to_string()) }
    };
    let answers = [2, 1].map(|number| node.give(versioned(number)));
    node.sync();
    assert!(answers.into_iter().all(|mut answer| answer.try_recv().unwrap().unwrap().offset == 1));
    let mut node = restart(node, 1);
    _ = node.give(versioned(2));
    node.sync();
    assert_eq!(data(&node.kept(&channel)), ["2"]);
}

#[test]
fn a_version_is_late_after_its_history_was_removed_and_a_restart() {
    let mut node = node(1);
    let channel = node.at(0, "disk");
    let versioned = |number| {
        let version = crate::hub::Version { number, epoch: "".into() };
        Publish { version: Some(Box::new(version)), ..message(&channel, &number.to_string()) }
    };
    _ = (node.give(versioned(2)), node.remove(&channel));
    node.sync();
    for _ in 0..2 {
        _ = node.give(versioned(1));
        node.sync();
        assert!(data(&node.kept(&channel)).is_empty());
        node = restart(node, 1);
    }
    _ = node.give(versioned(3));
    node.sync();
    assert_eq!(data(&node.kept(&channel)), ["3"]);
}

#[test]
fn a_failed_write_refuses_what_waits_and_memory_channels_go_on() {
    let mut node = node(2);
    let (disk, kept) = (node.at(0, "disk"), node.at(0, "kept"));
    let subscriber = node.connect(1, json!({"sub": "subscriber"}));
    node.say(subscriber, &subscribe(2, &disk));
    let publishers = [0, 1].map(|shard| node.connect(shard, json!({"sub": "publisher"})));
    let mut backend = node.give(message(&disk, "1"));
    let mut removal = node.remove(&disk);
    for publisher in publishers {
        node.say(publisher, &publication(2, &disk, 2));
    }
    node.write(false);
    assert_eq!(backend.try_recv().unwrap().unwrap_err().kind, ErrorKind::Internal);
    assert_eq!(removal.try_recv().unwrap().unwrap_err().kind, ErrorKind::Internal);
    for publisher in publishers {
        assert_eq!(kinds(&node.hear(publisher)), ["2:error 100"]);
        assert_eq!(kinds(&node.say(publisher, &publication(3, &disk, 3))), ["3:error 100"]);
        assert_eq!(kinds(&node.say(publisher, &publication(4, &kept, 4))), ["4:publish"]);
    }
    assert_eq!(node.hear(subscriber), [] as [Value; 0]);
    assert!(data(&node.kept(&disk)).is_empty(), "reading goes on");
}

#[test]
fn a_disk_without_room_refuses_what_would_be_kept_until_there_is_room() {
    let mut node = node(1);
    let channel = node.at(0, "disk");
    node.disk.is_full = true;
    let mut refused = 0;
    for number in 0..200 {
        let mut answer = node.give(message(&channel, &format!("\"{number}{}\"", "x".repeat(200))));
        node.sync();
        refused += u32::from(answer.try_recv().unwrap().is_err());
    }
    assert!((1..200).contains(&refused), "{refused} were refused");
    let page = node.kept(&channel);
    assert_eq!(page.publications.last().expect("it keeps some").offset, page.position.offset);
    node.disk.is_full = false;
    for shard in &mut node.brokers {
        shard.sweep(node.now);
    }
    node.sync();
    let mut answer = node.give(message(&channel, "1"));
    node.sync();
    assert_eq!(answer.try_recv().unwrap().unwrap().offset, page.position.offset + 1);
}

#[test]
fn a_restart_finds_channels_with_their_epochs_and_places_whatever_the_number_of_shards() {
    let mut node = node(3);
    let channels: Vec<String> = (0..20).map(|number| format!("disk:{number}")).collect();
    for (number, channel) in channels.iter().enumerate() {
        for _ in 0..=number {
            _ = node.give(message(channel, "1"));
            node.sync();
        }
    }
    let before: Vec<HistoryPage> = channels.iter().map(|channel| node.kept(channel)).collect();
    // Not on disk, so not promised to anybody.
    _ = node.give(message(&channels[0], "2"));
    for shards in [3, 1, 2] {
        node = restart(node, shards);
        let after: Vec<HistoryPage> = channels.iter().map(|channel| node.kept(channel)).collect();
        assert_eq!(after, before);
    }
}

#[test]
fn a_history_that_was_removed_stays_removed_and_offsets_go_on() {
    let mut node = node(1);
    let channel = node.at(0, "disk");
    _ = [node.give(message(&channel, "1")), node.give(message(&channel, "2"))];
    let mut removal = node.remove(&channel);
    assert!(removal.try_recv().is_err());
    _ = node.give(message(&channel, "3"));
    node.sync();
    assert_eq!(removal.try_recv(), Ok(Ok(())));
    for _ in 0..2 {
        let page = node.kept(&channel);
        assert_eq!((data(&page), page.position.offset), (vec!["3".into()], 3));
        node = restart(node, 1);
    }
    let mut removal = node.remove(&channel);
    node.sync();
    assert_eq!(removal.try_recv(), Ok(Ok(())));
    let mut node = restart(node, 1);
    _ = node.give(message(&channel, "4"));
    node.sync();
    let page = node.kept(&channel);
    assert_eq!((data(&page), page.position.offset), (vec!["4".into()], 4));
}

#[test]
fn a_stream_that_has_ended_does_not_come_back() {
    let mut config = durable();
    config.channel.history_memory = 4000;
    let mut node = start(1, Disk::default(), config);
    for number in 0..20 {
        _ = node.give(message(&format!("disk:{number}"), "1"));
        node.sync();
    }
    let position = node.kept("disk:0").position;
    assert_eq!(position.offset, 0, "memory was short: it went");
    node.sync();
    let mut node = restart(node, 1);
    let page = node.kept("disk:0");
    assert!(page.publications.is_empty() && page.position.offset == 0);
}

#[test]
fn what_is_kept_has_the_rest_of_its_time_after_a_restart_whatever_the_clock_says() {
    let mut node = node(1);
    let channel = node.at(0, "disk");
    _ = node.give(message(&channel, "1"));
    node.wait(40_000);
    _ = node.give(message(&channel, "2"));
    node.sync();
    node.disk.lose();
    let mut after = Node::of(1, durable());
    // A clock that has jumped by a year, and a monotonic one that begins anew.
    after.now = Now { mono_ms: 1_000, unix_ms: node.now.unix_ms + 31_536_000_000 };
    let (now, placement) = (after.now, after.placement.clone());
    disk::start(&mut node.disk, &mut after.brokers, &placement, now);
    assert_eq!(data(&after.kept(&channel)), ["1", "2"]);
    after.wait(20_000);
    assert_eq!(data(&after.kept(&channel)), ["2"]);
    after.wait(40_000);
    assert!(data(&after.kept(&channel)).is_empty());
}

#[test]
fn a_stream_whose_publications_have_expired_keeps_its_place_as_long_as_without_the_restart() {
    let mut node = node(1);
    let channel = node.at(0, "disk");
    _ = node.give(message(&channel, "1"));
    node.sync();
    let position = node.kept(&channel).position;
    let mut node = restart(node, 1);
    // Longer than publications are kept, and not as long as epochs.
    for _ in 0..100 {
        node.wait(10_000);
        node.brokers[0].sweep(node.now);
    }
    let page = node.kept(&channel);
    assert!(page.publications.is_empty());
    assert_eq!(page.position, position);
}

#[test]
fn many_commits_take_several_ticks_in_their_order() {
    let mut node = node(1);
    let channel = node.at(0, "disk");
    let many = 3 * COMMITS_PER_TICK as u32;
    let mut answers: Vec<_> = (0..many).map(|number| node.give(message(&channel, &number.to_string()))).collect();
    node.serve();
    let mut ticks = 0;
    while answers.last_mut().expect("there are some").try_recv().is_err() {
        if node.disk.is_writing(0) {
            disk::complete(&mut node.disk, 0, &mut node.brokers[0], true, node.now);
        }
        node.each_tick();
        ticks += 1;
        assert!(ticks < 100, "it goes on");
    }
    assert!(ticks >= 3, "{ticks} ticks");
    let numbers: Vec<String> = (0..many).map(|number| number.to_string()).collect();
    assert_eq!(data(&node.kept(&channel)), numbers);
}

#[test]
fn snapshots_keep_what_lives_while_old_segments_go() {
    let mut node = node(2);
    let publish = |node: &mut Node, round: u32| {
        for channel in 0..6 {
            let key = (round.is_multiple_of(7)).then(|| format!("{round}").into());
            let data = format!("\"{round}{}\"", "x".repeat(100));
            _ = node.give(Publish { idempotency_key: key, ..message(&format!("disk:{channel}"), &data) });
        }
        if round.is_multiple_of(50) {
            _ = node.remove("disk:5");
        }
        node.each_tick();
        node.sync();
    };
    for round in 0..600 {
        publish(&mut node, round);
    }
    assert!(node.disk.been.discarded > 5, "{:?}", node.disk.been);
    let before: Vec<HistoryPage> = (0..6).map(|channel| node.kept(&format!("disk:{channel}"))).collect();
    assert_eq!(before[0].publications.len(), 100);
    let mut node = restart(node, 2);
    let after: Vec<HistoryPage> = (0..6).map(|channel| node.kept(&format!("disk:{channel}"))).collect();
    assert_eq!(after, before);
    let keyed = Publish { idempotency_key: Some("7".into()), ..message("disk:0", "\"again\"") };
    assert_eq!(node.give(keyed).try_recv().unwrap().unwrap().offset, 8, "a key survives its publication");
}

#[test]
fn a_namespace_that_is_not_kept_on_disk_any_more_begins_anew() {
    let mut node = node(1);
    let channel = node.at(0, "disk");
    _ = node.give(message(&channel, "1"));
    node.sync();
    let epoch = node.kept(&channel).position.epoch;
    node.disk.lose();
    let mut config = durable();
    config.channel.namespaces.last_mut().expect("there is one").options.log = Log::Memory;
    let mut node = start(1, node.disk, config);
    let page = node.kept(&channel);
    assert!(page.publications.is_empty() && page.position.epoch != epoch, "nobody takes it for the same life");
    let mut node = restart(node, 1);
    assert_eq!(data(&node.kept(&channel)), ["1"], "it was not thrown away");
}

#[test]
fn a_snapshot_of_more_members_than_a_tick_says_comes_to_its_end() {
    let mut config = durable();
    let options = &mut config.channel.namespaces.last_mut().expect("there is one").options;
    options.delivery = Delivery::AtLeastOnce;
    let mut node = start(1, Disk::default(), config.clone());
    let members = 60 * (SWEEP_BUDGET as u32 / 20);
    let channel: Arc<str> = "disk:a".into();
    for first in (0..members).step_by(20) {
        let users = (first..first + 20).map(|user| format!("{user}").into()).collect();
        let (answer, _answered) = oneshot::channel();
        node.brokers[0].order(Order::Inbox(InboxOrder::AddMembers(channel.clone(), users, answer)), node.now);
        node.sync();
    }
    for round in 0..400 {
        _ = node.give(message("disk:b", &format!("\"{round}{}\"", "x".repeat(300))));
        node.each_tick();
        node.sync();
    }
    assert!(node.disk.been.discarded > 0, "no snapshot was whole");
    node.disk.lose();
    let mut node = start(1, node.disk, config);
    let page = node.order(0, |answer| Order::Inbox(InboxOrder::Members(channel, "".into(), 10_000, answer)));
    assert_eq!(page.expect("it is known").users.len(), members as usize);
}

/// Every shard calls the tokens of a user back.
fn revoke(node: &mut Node, user: &str) -> Vec<oneshot::Receiver<Result<(), Error>>> {
    let now = node.now.unix_s();
    let subject = Subject::User(user.into());
    let revocation = Arc::new(Revocation { subject, issued_before_unix_s: now, until_unix_s: now + 1000 });
    let shards = 0..node.brokers.len();
    let told = shards.map(|shard| {
        let (answer, answered) = oneshot::channel();
        node.brokers[shard].begin_tick(node.now);
        node.brokers[shard].order(Order::Revoke { revocation: revocation.clone(), answer }, node.now);
        node.after(shard);
        answered
    });
    told.collect()
}

/// Whether a shard takes a token of the user that does not say when it was issued.
fn takes(node: &mut Node, shard: usize, user: &str) -> bool {
    let peer = node.open(shard);
    node.say(peer, &connect(&json!({ "sub": user })));
    node.goodbye(peer).is_none()
}

#[test]
fn a_revocation_is_in_force_at_once_answered_when_it_is_kept_and_found_by_any_number_of_shards() {
    let mut node = node(2);
    let answers = revoke(&mut node, "7");
    assert!(!takes(&mut node, 0, "7") && !takes(&mut node, 1, "7"));
    let mut answers = answers;
    node.serve();
    assert!(answers.iter_mut().all(|answer| answer.try_recv().is_err()), "it is on its way");
    node.sync();
    assert!(answers.iter_mut().all(|answer| answer.try_recv() == Ok(Ok(()))));
    for shards in [2, 3, 1, 4] {
        node = restart(node, shards);
        for shard in 0..usize::from(shards) {
            assert!(!takes(&mut node, shard, "7") && takes(&mut node, shard, "8"), "shard {shard} of {shards}");
        }
        node.sync();
    }
}

#[test]
fn a_revocation_that_the_disk_does_not_keep_is_in_force_until_a_restart_and_its_caller_is_told() {
    let mut node = node(2);
    let answers = revoke(&mut node, "7");
    node.write(false);
    for mut answer in answers.into_iter().chain(revoke(&mut node, "9")) {
        assert_eq!(answer.try_recv().unwrap().unwrap_err().kind, ErrorKind::Internal);
    }
    assert!(!takes(&mut node, 0, "7") && !takes(&mut node, 1, "9"));
}

#[test]
fn revocations_outlive_the_segments_that_they_were_written_to() {
    let mut node = node(2);
    _ = revoke(&mut node, "7");
    for round in 0..600 {
        for channel in 0..6 {
            let data = format!("\"{round}{}\"", "x".repeat(100));
            _ = node.give(message(&format!("disk:{channel}"), &data));
        }
        node.each_tick();
        node.sync();
    }
    assert!(node.disk.been.discarded > 5, "{:?}", node.disk.been);
    let mut node = restart(node, 2);
    assert!(!takes(&mut node, 0, "7") && !takes(&mut node, 1, "7"));
}

#[test]
fn a_channel_to_which_nothing_was_published_begins_anew_after_a_restart_and_another_goes_on() {
    let epochs = |node: &mut Node, channels: &[String; 2]| {
        let peer = node.connect(0, json!({"sub": "ada"}));
        [0, 1].map(|at| {
            let mut words = node.say(peer, &subscribe(2 + at as u32, &channels[at]));
            node.carry();
            words.extend(node.hear(peer));
            words[0]["subscribe"]["epoch"].as_str().expect("it has a stream").to_owned()
        })
    };
    let mut node = node(2);
    let channels = [0, 1].map(|home| node.at(home, "disk"));
    let before = epochs(&mut node, &channels);
    _ = node.give(message(&channels[1], "1"));
    node.sync();
    let mut node = restart(node, 2);
    let after = epochs(&mut node, &channels);
    assert_eq!([0, 1].map(|at| before[at] == after[at]), [false, true]);
}
