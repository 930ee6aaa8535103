//! At least once over two nodes where something goes wrong: what is not at hand is read, what is lost is told, and nothing is given
//! up that nobody could be told of.

use super::inboxes::call;
use super::mirrored::Cluster;
use super::*;
use crate::broker::inbox_order::InboxOrder;
use crate::limits::{ARRIVAL_PUBLICATIONS, DEPARTURE_RETRY_MS, MIRROR_LINGER_MS};

#[test]
fn a_device_is_sent_what_its_node_has_yet_to_read() {
    let mut cluster = Cluster::new();
    let (peer, _) = cluster.member(0, "ada", "phone", "inbox:1");
    cluster.tell_all(0, "inbox:1", 1..=1);
    cluster.nodes[0].drop(peer);
    cluster.flow();
    cluster.wait(2 * MIRROR_LINGER_MS);
    cluster.wait(2 * MIRROR_LINGER_MS);
    assert_eq!(cluster.mirrors(0), 0, "nobody uses it any more");
    cluster.tell_all(1, "inbox:1", 2..=20);
    cluster.buckets.page = 3;
    let (peer, mut heard) = cluster.member(0, "ada", "phone", "inbox:1");
    assert_eq!(heard.remove(0), "2:subscribe");
    assert_eq!(heard, (1..=ARRIVAL_PUBLICATIONS).map(|data| format!("pub {data}")).collect::<Vec<_>>());
    let mut last = u64::from(ARRIVAL_PUBLICATIONS);
    while last < 20 {
        let heard = cluster.receive(0, peer, "inbox:1", last);
        let pubs = heard.iter().filter(|word| word.starts_with("pub")).count() as u64;
        assert!(pubs > 0, "{heard:?}");
        last += pubs;
    }
}

#[test]
fn what_retention_has_dropped_is_told_as_lost_and_is_no_dead_letter() {
    let mut cluster = Cluster::new();
    let (peer, _) = cluster.member(0, "ada", "phone", "inbox:1");
    cluster.nodes[0].drop(peer);
    cluster.tell_all(1, "inbox:1", 1..=5);
    cluster.buckets.trim("inbox:1", 2);
    cluster.wait(2 * MIRROR_LINGER_MS);
    let peer = cluster.nodes[1].connect(1, json!({"sub": "ada", "meta": {"device": "phone"}}));
    // Node 1 has read nothing yet.
    cluster.nodes[1].tell(peer, &subscribe(2, "inbox:1"));
    cluster.flow();
    let words = cluster.nodes[1].hear(peer);
    assert_eq!(kinds(&words), ["2:subscribe", "pub 4", "pub 5"]);
    let reply = &words[0]["subscribe"];
    assert_eq!((&reply["was_recovering"], reply.get("recovered")), (&json!(true), None), "{reply}");
    assert!(cluster.letters(0, "inbox:1").is_empty());
}

#[test]
fn lost_writes_have_devices_come_again_and_are_told_as_lost() {
    let mut cluster = Cluster::new();
    let (peer, _) = cluster.member(0, "ada", "phone", "inbox:1");
    cluster.tell_all(0, "inbox:1", 1..=2);
    assert_eq!(cluster.receive(0, peer, "inbox:1", 2).last().unwrap(), "9:rpc");
    cluster.buckets.lose_writes(cluster.buckets.bucket_of("inbox:1"));
    cluster.flow();
    assert_eq!(cluster.hear(0, peer), ["unsubscribe 2500"]);
    cluster.tell_all(1, "inbox:1", 3..=3);
    cluster.nodes[0].tell(peer, &subscribe(3, "inbox:1"));
    cluster.flow();
    let words = cluster.nodes[0].hear(peer);
    assert_eq!(kinds(&words), ["3:subscribe", "pub 3"]);
    assert_eq!(words[0]["subscribe"]["was_recovering"], true, "something was lost: {words:?}");
    assert!(cluster.letters(0, "inbox:1").is_empty());
    assert_eq!(cluster.receive(0, peer, "inbox:1", 1), ["9:rpc"], "offsets are those of the new life");
}

#[test]
fn nothing_is_given_up_while_the_ledger_cannot_be_told_and_the_letter_comes_later() {
    let mut cluster = Cluster::new();
    let (peer, _) = cluster.member(0, "ada", "phone", "inbox:1");
    cluster.tell_all(0, "inbox:1", 1..=2);
    cluster.hear(0, peer);
    cluster.buckets.is_away = true;
    cluster.buckets.now_unix_ms &= !1;
    cluster.fail_all_attempts();
    cluster.fail_all_attempts();
    assert_eq!(cluster.buckets.floor("inbox:1", "ada", "phone"), Some(0));
    cluster.buckets.is_away = false;
    cluster.wait(60_000);
    cluster.wait(60_000);
    let letters = cluster.letters(1, "inbox:1");
    assert_eq!(letters[0].publication.offset, 1);
    assert!(cluster.buckets.floor("inbox:1", "ada", "phone") >= Some(1));
}

#[test]
fn a_gap_that_cannot_be_filled_has_devices_come_again_rather_than_skip_it() {
    let mut cluster = Cluster::new();
    let (peer, _) = cluster.member(0, "ada", "phone", "inbox:1");
    let bucket = cluster.buckets.bucket_of("inbox:1");
    cluster.buckets.page = 1;
    for data in 1..=12 {
        cluster.order(1, "inbox:1", |answer| Order::Publish(Box::new(message("inbox:1", &data.to_string())), answer));
    }
    cluster.ask();
    cluster.buckets.drop_deliveries(0, bucket, true);
    cluster.flow();
    let heard = cluster.hear(0, peer);
    assert_eq!(heard.last().map(String::as_str), Some("unsubscribe 2500"), "{heard:?}");
    cluster.buckets.page = 100;
    let heard = cluster.say(0, peer, &subscribe(3, "inbox:1"));
    assert_eq!(heard[..3], ["3:subscribe", "pub 1", "pub 2"], "{heard:?}");
}

#[test]
fn a_device_whose_row_is_gone_comes_again() {
    let mut cluster = Cluster::new();
    let (peer, _) = cluster.member(0, "ada", "phone", "inbox:1");
    cluster.tell_all(0, "inbox:1", 1..=1);
    cluster.hear(0, peer);
    let old = json!({"channel": "inbox:1", "offset": 1});
    cluster.nodes[0].tell(peer, &call(9, "received", old));
    cluster.nodes[0].carry();
    // As if the ledger had forgotten it.
    let name = crate::model::ledger::DeviceName { user: "ada".into(), device: "phone".into() };
    cluster.buckets.forget_device("inbox:1", &name);
    cluster.flow();
    assert_eq!(cluster.hear(0, peer), ["9:error 107", "unsubscribe 2500"]);
    assert_eq!(cluster.say(0, peer, &subscribe(3, "inbox:1")), ["3:subscribe", "pub 1"]);
}

impl Cluster {
    /// Whether a device of ada is connected anywhere, as her ledger has it.
    fn is_connected(&mut self, channel: &str) -> bool {
        let ask = |channel, answer| InboxOrder::Devices(channel, "ada".into(), answer);
        let devices = self.ask_inbox(1, channel, ask).expect("she is a member").devices;
        devices.iter().any(|device| device.connected)
    }

    /// Redis is not there while this is done, and does none of it.
    fn while_away(&mut self, act: impl FnOnce(&mut Self)) {
        self.buckets.is_away = true;
        self.buckets.now_unix_ms &= !1;
        act(self);
        self.flow();
        self.buckets.is_away = false;
    }
}

#[test]
fn a_device_that_left_while_the_ledger_could_not_be_told_is_taken_off_later() {
    let mut cluster = Cluster::new();
    let (peer, _) = cluster.member(0, "ada", "phone", "inbox:1");
    cluster.while_away(|cluster| cluster.nodes[0].drop(peer));
    assert!(cluster.is_connected("inbox:1"), "nobody has told it");
    cluster.wait(DEPARTURE_RETRY_MS + 1_000);
    assert!(!cluster.is_connected("inbox:1"));
}

#[test]
fn a_device_that_is_back_before_the_ledger_was_told_that_it_left_stays() {
    let mut cluster = Cluster::new();
    let (peer, _) = cluster.member(0, "ada", "phone", "inbox:1");
    cluster.while_away(|cluster| cluster.nodes[0].drop(peer));
    cluster.member(0, "ada", "phone", "inbox:1");
    cluster.wait(DEPARTURE_RETRY_MS + 1_000);
    assert!(cluster.is_connected("inbox:1"));
}

#[test]
fn a_device_whose_subscribe_failed_is_not_taken_for_connected_if_it_was_done() {
    let mut cluster = Cluster::new();
    let (peer, _) = cluster.member(1, "ada", "phone", "inbox:1");
    cluster.nodes[1].drop(peer);
    // Node 0 has the stream.
    cluster.member(0, "bob", "phone", "inbox:1");
    let peer = cluster.nodes[0].connect(0, json!({"sub": "ada", "meta": {"device": "phone"}}));
    // It is done, and nobody is told so.
    cluster.buckets.is_away = true;
    cluster.buckets.now_unix_ms |= 1;
    assert_eq!(cluster.say(0, peer, &subscribe(2, "inbox:1")), ["2:error 100"]);
    cluster.buckets.is_away = false;
    assert!(cluster.is_connected("inbox:1"));
    cluster.wait(DEPARTURE_RETRY_MS + 1_000);
    assert!(!cluster.is_connected("inbox:1"));
}
