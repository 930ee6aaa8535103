//! What lies before a mirror and is read part by part, over the model of the buckets, step by step.

use super::mirrored::{ALL, Cluster, data};
use super::*;

#[test]
fn a_read_whose_stream_begins_anew_between_its_parts_brings_nothing_of_the_stream_before() {
    let mut cluster = Cluster::new();
    for before in ["1", "2", "3"] {
        cluster.publish(1, message("room:1", before)).unwrap();
    }
    let ada = cluster.subscriber(0, "room:1");
    // The first part is read, and comes late.
    cluster.buckets.page = 1;
    let mut page =
        cluster.order(0, "room:1", |answer| Order::History { channel: "room:1".into(), filter: ALL, answer });
    cluster.ask();
    cluster.buckets.forget("room:1");
    for after in ["4", "5"] {
        _ = cluster.order(1, "room:1", |answer| Order::Publish(Box::new(message("room:1", after)), answer));
    }
    cluster.ask();
    // The mirror hears only that it has missed something, and so joins behind what it will read next.
    let bucket = cluster.buckets.bucket_of("room:1");
    cluster.buckets.drop_deliveries(0, bucket, true);
    cluster.deliver(0);
    cluster.flow();
    let page = page.try_recv().expect("a bucket answers").expect("all is well");
    assert_eq!((data(&page), page.position.offset), (vec!["4".into(), "5".into()], 2));
    assert_eq!(page.position.epoch, cluster.history(1, "room:1", ALL).unwrap().position.epoch);
    assert_eq!(cluster.hear(0, ada), ["unsubscribe 2500"], "who counts on seeing all has missed something");
}
