//! The role `notify` over a real Redis and a real Kafka: processes of the real binary, records that the tests write as strangers would,
//! and an application that checks every signature by the library of Standard Webhooks.

mod all_roles;
mod app;
#[path = "../node/client.rs"]
#[expect(dead_code, reason = "clients and WebSocket have their tests elsewhere")]
mod client;
mod crashes;
#[path = "../cluster/groups.rs"]
#[expect(dead_code, reason = "what nodes do over them has its tests elsewhere")]
mod groups;
mod harness;
#[path = "../kafka/server.rs"]
mod kafka;
mod modes;
#[path = "../node/process.rs"]
#[expect(dead_code, reason = "what nodes are asked has its tests elsewhere")]
mod process;
mod producers;
#[path = "../kafka/python.rs"]
mod python;
mod rights;
#[path = "../redis/server.rs"]
#[expect(dead_code, reason = "Valkey has its tests elsewhere")]
mod server;
mod sessions;
mod standing;
mod upgrades;
mod webhooks;
