//! `ringpost cluster check`, as people use it.

use std::process::{Command, Output};

use crate::server::{Kind, Server, free_port};

fn check(address: &str, settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
    command.args(["cluster", "check"]).env("RINGPOST_CLUSTER__REDIS__ADDRESSES", format!("[\"{address}\"]"));
    for (key, value) in settings {
        command.env(format!("RINGPOST_CLUSTER__REDIS__{key}"), value);
    }
    let Output { status, stdout, stderr } = command.output().expect("the command runs");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

#[test]
fn a_redis_and_a_valkey_that_keep_what_they_are_given_are_well() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let server = Server::start(kind, &["--maxmemory", "100mb", "--appendonly", "yes"]);
        let (code, told) = check(&server.address(), &[]);
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains(&format!("version: {kind:?} ")) && told.contains("they were loaded"), "{told}");
        assert!(told.contains("nodes can use this Redis; it could be better: replicas"), "{told}");
        assert!(check(&server.address(), &[]).1.contains("they are there"), "a second look loads nothing");
    }
}

#[test]
fn a_redis_that_evicts_cannot_be_used_and_how_to_mend_it_is_told() {
    let server = Server::start(Kind::Redis, &["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let (code, told) = check(&server.address(), &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("fix: set `maxmemory-policy noeviction`"), "{told}");
}

#[test]
fn a_wrong_password_is_told_and_not_shown() {
    let server = Server::start(Kind::Redis, &["--requirepass", "the-right-one"]);
    let (code, told) = check(&server.address(), &[("PASSWORD", "a-wrong-one")]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("refuses the node's user") && !told.contains("a-wrong-one"), "{told}");
    assert_eq!(check(&server.address(), &[("PASSWORD", "the-right-one")]).0, Some(0));
}

#[test]
fn nobody_there_and_nothing_named_are_told() {
    let (code, told) = check(&format!("127.0.0.1:{}", free_port()), &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("cannot be reached") && told.contains("see that Redis runs"), "{told}");
    let output = Command::new(env!("CARGO_BIN_EXE_ringpost")).args(["cluster", "check"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("set `cluster.redis.addresses`"), "{told}");
}

#[test]
fn a_command_that_was_renamed_is_told() {
    let server = Server::start(Kind::Redis, &["--rename-command", "FCALL", ""]);
    let (code, told) = check(&server.address(), &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("functions: ") && told.contains("unknown command"), "{told}");
}
