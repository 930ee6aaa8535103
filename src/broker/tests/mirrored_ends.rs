//! Publications that end by themselves, in channels that several nodes share.

use super::mirrored::{ALL, Cluster, data, pubs};
use super::*;
use crate::limits::MIRROR_LINGER_MS;

#[test]
fn after_its_time_a_publication_is_given_to_nobody_who_reads_on_any_node_and_its_place_stays() {
    let mut cluster = Cluster::new();
    let ada = cluster.subscriber(0, "room:1");
    cluster.publish(0, message("room:1", "0")).unwrap();
    cluster.publish(1, Publish { ttl_ms: Some(5_000), ..message("room:1", "1") }).unwrap();
    cluster.publish(1, message("room:1", "2")).unwrap();
    assert_eq!(cluster.hear(0, ada), pubs(0..3));
    for node in 0..2 {
        assert_eq!(data(&cluster.history(node, "room:1", ALL).unwrap()), ["0", "1", "2"]);
    }
    cluster.wait(4_999);
    assert_eq!(data(&cluster.history(0, "room:1", ALL).unwrap()), ["0", "1", "2"]);
    cluster.wait(1);
    let page = cluster.history(0, "room:1", ALL).unwrap();
    assert_eq!((data(&page), page.position.offset), (vec!["0".into(), "2".into()], 3));
    // Nobody listens there, so that the stream is read anew: ages go by the bucket's clock.
    cluster.wait(MIRROR_LINGER_MS);
    assert_eq!(cluster.mirrors(1), 0);
    assert_eq!(data(&cluster.history(1, "room:1", ALL).unwrap()), ["0", "2"]);
}
