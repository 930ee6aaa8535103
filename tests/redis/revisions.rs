//! Functions of other versions of Ringpost, and those that are gone.

use std::sync::Arc;

use ringpost::cluster::redis::keys::Keys;
use ringpost::cluster::redis::leases;
use ringpost::cluster::redis::library::{self, Loaded, REVISION, SOURCE};
use ringpost::cluster::redis::link::Link;

use crate::functions::{config, linked, node, one, publish};
use crate::server::{Kind, Server};

/// The Functions, as another revision has them.
fn revised(revision: u64) -> String {
    let (own, other) = (format!("local REVISION = {REVISION}\n"), format!("local REVISION = {revision}\n"));
    assert!(SOURCE.contains(&own));
    SOURCE.replace(&own, &other)
}

fn load(server: &Server, source: &str) {
    assert_eq!(server.cli(&["FUNCTION", "LOAD", "REPLACE", source]).trim(), "ringpost_1");
}

#[test]
fn functions_of_an_older_version_are_replaced_and_those_of_a_newer_one_stay_and_serve() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let server = Server::start(kind, &[]);
        let config = config(&[server.address()]);
        crate::runtime().block_on(async {
            let link = Arc::new(Link::new(&config, None).unwrap());
            load(&server, &revised(REVISION - 1));
            assert_eq!(library::load(&link).await, Ok(Loaded::Now));
            assert_eq!(library::load(&link).await, Ok(Loaded::Was(REVISION)));
            load(&server, &revised(REVISION + 1));
            assert_eq!(library::load(&link).await, Ok(Loaded::Was(REVISION + 1)));
            let node = node(&link, &config, 1, 1);
            assert_eq!(one(&node, publish("room", "x")).await.unwrap().offset, 1);
            assert_eq!(library::load(&link).await, Ok(Loaded::Was(REVISION + 1)), "nobody has put older ones there");
        });
    }
}

#[test]
fn functions_that_tell_no_revision_are_replaced() {
    let server = Server::start(Kind::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        load(&server, &SOURCE.replace("register('revision'", "register('other'"));
        let link = linked(&config).await;
        assert_eq!(library::load(&link).await, Ok(Loaded::Was(REVISION)));
    });
}

#[test]
fn a_function_that_an_older_version_has_not_is_loaded_when_it_is_called() {
    let server = Server::start(Kind::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let node = node(&linked(&config).await, &config, 1, 1);
        one(&node, publish("room", "x")).await.unwrap();
        // An older node has found none, and has loaded its own.
        load(&server, &revised(REVISION - 1).replace("register('remove'", "register('other'"));
        assert_eq!(node.remove(node.keys().bucket_of("room"), "room").await, Ok(1));
    });
}

#[test]
fn every_call_that_a_node_makes_loads_functions_that_are_gone() {
    let server = Server::start(Kind::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let (link, keys) = (linked(&config).await, Keys::new(&config));
        let flush = || server.cli(&["FUNCTION", "FLUSH"]);
        flush();
        let (incarnation, _) = leases::take(&link, &keys, "one", b"").await.unwrap();
        flush();
        leases::renew(&link, &keys, incarnation, b"").await.unwrap();
        let node = node(&link, &config, incarnation.slot, incarnation.number);
        flush();
        node.fleeting(0, &[("room", b"x")]).await.unwrap();
        flush();
        node.ask_user("ann", b"?").await.unwrap();
    });
}
