//! Mirrors whose buckets cannot be reached: who waits is told, who listens is told in time, and all goes on afterwards.

use super::mirrored::{Cluster, pubs};
use super::*;
use crate::broker::bridge::Delivery;
use crate::limits::{MIRROR_RETRY_MS_MAX, MIRROR_UNSURE_MS};
use crate::model::HistoryFilter;
use crate::model::refusal::ErrorKind;

#[test]
fn who_subscribes_or_reads_or_publishes_is_refused_and_nothing_stays() {
    let mut cluster = Cluster::new();
    let ada = cluster.connect(0, "ada");
    cluster.buckets.is_away = true;
    assert_eq!(cluster.say(0, ada, &subscribe(2, "room:1")), ["2:error 100"]);
    let history = json!({"id": 3, "history": {"channel": "room:2", "limit": 1}}).to_string();
    assert_eq!(cluster.say(0, ada, &history), ["3:error 100"]);
    assert_eq!(cluster.say(0, ada, &publication(4, "room:1", 1)), ["4:error 100"]);
    assert_eq!(cluster.publish(0, message("room:1", "0")).unwrap_err().kind, ErrorKind::Internal);
    assert!(cluster.nodes[0].brokers.iter().all(|broker| broker.home.mirrors.len() == 0 && !broker.awaits_bridge()));
    cluster.buckets.is_away = false;
    assert_eq!(cluster.say(0, ada, &subscribe(5, "room:1")), ["5:subscribe"]);
}

#[test]
fn a_mirror_that_was_whole_serves_on_and_catches_up_when_its_bucket_is_back() {
    let mut cluster = Cluster::new();
    let ada = cluster.subscriber(0, "room:1");
    cluster.publish(1, message("room:1", "0")).unwrap();
    cluster.order(1, "room:1", |answer| Order::Publish(Box::new(message("room:1", "1")), answer));
    cluster.ask();
    cluster.buckets.is_away = true;
    cluster.buckets.drop_deliveries(0, cluster.buckets.bucket_of("room:1"), true);
    cluster.flow();
    assert_eq!(cluster.hear(0, ada), ["pub 0"], "in doubt, but not for long");
    let bob = cluster.connect(0, "bob");
    assert_eq!(cluster.say(0, bob, &subscribe(2, "room:1")), ["2:error 100"], "nobody begins in doubt");
    cluster.buckets.is_away = false;
    cluster.wait(MIRROR_UNSURE_MS / 2);
    assert_eq!(cluster.hear(0, ada), ["pub 1"]);
    assert_eq!(cluster.say(0, bob, &subscribe(3, "room:1")), ["3:subscribe"]);
    cluster.publish(1, message("room:1", "2")).unwrap();
    assert_eq!((cluster.hear(0, ada), cluster.hear(0, bob)), (pubs(2..3), pubs(2..3)));
}

#[test]
fn who_counts_on_all_is_told_after_a_bound_and_the_others_stay() {
    let mut cluster = Cluster::new();
    let (strict, loose) = (cluster.subscriber(0, "room:1"), cluster.subscriber(0, "loose:1"));
    cluster.buckets.is_away = true;
    for channel in ["room:1", "loose:1"] {
        cluster.buckets.drop_deliveries(0, cluster.buckets.bucket_of(channel), true);
    }
    cluster.flow();
    cluster.wait(MIRROR_UNSURE_MS - 1);
    assert_eq!((cluster.hear(0, strict), cluster.hear(0, loose)), (vec![], vec![]));
    cluster.wait(1);
    assert_eq!((cluster.hear(0, strict), cluster.hear(0, loose)), (vec!["unsubscribe 2500".into()], vec![]));
    cluster.wait(10 * MIRROR_UNSURE_MS);
    cluster.buckets.is_away = false;
    cluster.wait(MIRROR_RETRY_MS_MAX);
    cluster.publish(1, message("loose:1", "1")).unwrap();
    assert_eq!(cluster.hear(0, loose), ["pub 1"]);
    assert_eq!(cluster.say(0, strict, &subscribe(3, "room:1")), ["3:subscribe"]);
}

#[test]
fn what_a_page_has_brought_is_not_told_again_after_the_mirror_has_begun_anew() {
    let mut cluster = Cluster::new();
    let loose = cluster.subscriber(0, "loose:1");
    // A client that has seen more elsewhere has the mirror join; what the page brings is on its way as well.
    let mut answered = cluster.order(1, "loose:1", |answer| Order::Publish(Box::new(message("loose:1", "0")), answer));
    cluster.answer(1);
    let seen = answered.try_recv().unwrap().unwrap();
    let since = HistoryFilter { limit: 1, since: Some(seen), reverse: false };
    cluster.order(0, "loose:1", |answer| Order::History { channel: "loose:1".into(), filter: since, answer });
    cluster.answer(0);
    assert_eq!(cluster.hear(0, loose), ["pub 0"]);
    cluster.buckets.is_away = true;
    let home = usize::from(cluster.nodes[0].placement.of("loose:1"));
    let now = cluster.nodes[0].now;
    let bucket = cluster.buckets.bucket_of("loose:1");
    cluster.nodes[0].brokers[home].bridge_delivered(Delivery::Lost(bucket), now);
    cluster.answer(0);
    cluster.deliver(0);
    cluster.buckets.is_away = false;
    cluster.wait(MIRROR_RETRY_MS_MAX);
    cluster.publish(1, message("loose:1", "1")).unwrap();
    assert_eq!(cluster.hear(0, loose), ["pub 1"]);
}

#[test]
fn writes_that_are_lost_while_the_bucket_is_away_are_told_at_once() {
    let mut cluster = Cluster::new();
    let (strict, loose) = (cluster.subscriber(0, "room:1"), cluster.subscriber(0, "loose:1"));
    cluster.buckets.is_away = true;
    (0..4).for_each(|bucket| cluster.buckets.lose_writes(bucket));
    cluster.flow();
    assert_eq!((cluster.hear(0, strict), cluster.hear(0, loose)), (vec!["unsubscribe 2500".into()], vec![]));
    (0..4).for_each(|bucket| cluster.buckets.lose_writes(bucket));
    cluster.buckets.is_away = false;
    cluster.flow();
    cluster.wait(MIRROR_RETRY_MS_MAX);
    cluster.publish(1, message("loose:1", "1")).unwrap();
    assert_eq!(cluster.hear(0, loose), ["pub 1"]);
}
