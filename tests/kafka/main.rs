//! A real Kafka, and records as strangers write and read them.

#[path = "server.rs"]
mod kafka;
#[path = "../redis/server.rs"]
#[expect(dead_code, reason = "Redis has its tests elsewhere")]
mod server;
mod strangers;
