//! Several nodes over one real Redis or Valkey: processes of the real binary, and plain sockets.
//!
//! What takes long is ignored by default: `make test-cluster` runs all.

#[path = "../node/client.rs"]
#[expect(dead_code, reason = "WebSocket has its tests elsewhere")]
mod client;
mod harness;
mod modes;
mod order;
mod outages;
#[path = "../redis/server.rs"]
mod server;
mod sight;
mod start;
mod users;
