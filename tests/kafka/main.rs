//! Nodes and a real Kafka: processes of the real binary, and records as strangers write and read them.

mod batches;
mod calls;
mod calls_lost;
mod calls_rights;
#[path = "../node/client.rs"]
#[expect(dead_code, reason = "the protocol has its tests elsewhere")]
mod client;
mod events;
mod harness;
#[path = "server.rs"]
mod kafka;
mod kcat;
mod outbox;
mod postgres;
#[path = "../node/process.rs"]
#[expect(dead_code, reason = "what roles are asked has its tests elsewhere")]
mod process;
mod producers;
mod python;
#[path = "../redis/server.rs"]
#[expect(dead_code, reason = "Redis has its tests elsewhere")]
mod server;
mod strangers;
