//! The roles beside the edge, over a real Redis and a real Kafka: processes of the real binary, and records that the tests write as
//! strangers would.

#[path = "../node/client.rs"]
#[expect(dead_code, reason = "WebSocket has its tests elsewhere")]
mod client;
mod harness;
#[path = "../kafka/server.rs"]
mod kafka;
mod lost;
mod nodes;
#[path = "../node/process.rs"]
#[expect(dead_code, reason = "what nodes are asked has its tests elsewhere")]
mod process;
#[path = "../redis/server.rs"]
#[expect(dead_code, reason = "Valkey and other places have their tests elsewhere")]
mod server;
mod shared;
mod state;
