//! Runs against a real node in this process, through honest and dishonest wires.

mod abuse;
mod allocations;
mod chat;
mod cluster;
mod command;
mod crash;
mod disk;
mod ends;
mod harness;
mod inbox;
#[path = "../../../tests/kafka/server.rs"]
mod kafka;
mod nodes;
mod processes;
mod proxy;
mod ramps;
mod relays;
mod scenarios;
#[path = "../../../tests/redis/server.rs"]
#[expect(dead_code, reason = "Redis has its tests elsewhere")]
mod server;
mod slow;
mod storms;
mod wires;
