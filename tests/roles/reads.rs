//! What the role leaves alone.

use std::collections::BTreeMap;

use crate::harness::{Session, World, wait};
use crate::nodes::connect;

/// All that is in Redis but for what is the role's own, as it lies there.
fn of_nodes(world: &World) -> BTreeMap<String, String> {
    let keys = world.redis.cli(&["KEYS", "*"]);
    let of_nodes = keys.lines().filter(|key| !key.starts_with("ringpost:state:"));
    of_nodes.map(|key| (key.into(), world.redis.cli(&["--no-raw", "DUMP", key]))).collect()
}

#[test]
fn nothing_that_nodes_keep_is_written() {
    let world = World::new(2);
    let mut edge = world.start("edge-1", r#""edge""#);
    let (_client, _) = connect(&edge, "ann");
    wait("ann is in the nodes' register", || of_nodes(&world).len() > 2);
    edge.kill();
    let before = of_nodes(&world);
    let process = world.start("state-1", r#""state""#);
    let ben = Session::of("ben");
    world.tell("connected", &ben);
    wait("both are known", || process.is_online("ben") && process.is_online("ann"));
    world.tell("disconnected", &ben);
    // The one by a record, the other since its node is dead.
    for user in ["ben", "ann"] {
        world.wait_told(user, false);
    }
    // Leases and the like end by themselves.
    let written: Vec<_> = of_nodes(&world).into_iter().filter(|(key, value)| before.get(key) != Some(value)).collect();
    assert!(written.is_empty(), "{written:?}");
}
