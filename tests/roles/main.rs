//! The roles beside the edge, over a real Redis and a real Kafka: processes of the real binary, and records that the tests write as
//! strangers would.

#[path = "../node/client.rs"]
#[expect(dead_code, reason = "WebSocket has its tests elsewhere")]
mod client;
mod foreign;
#[path = "../cluster/groups.rs"]
#[expect(dead_code, reason = "what nodes do over them has its tests elsewhere")]
mod groups;
mod grpc;
mod harness;
#[path = "../kafka/server.rs"]
mod kafka;
#[path = "../kafka/kcat.rs"]
mod kcat;
mod lost;
mod modes;
mod nodes;
#[path = "../node/process.rs"]
#[expect(dead_code, reason = "what nodes are asked has its tests elsewhere")]
mod process;
mod producers;
#[path = "../kafka/python.rs"]
mod python;
mod reads;
mod rights;
#[path = "../redis/server.rs"]
#[expect(dead_code, reason = "Valkey has its tests elsewhere")]
mod server;
mod shared;
mod state;
mod topics;
mod upgrades;
