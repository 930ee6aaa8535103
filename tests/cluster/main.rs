//! Several nodes over one real Redis or Valkey: processes of the real binary, and plain sockets.
//!
//! What takes long is ignored by default: `make test-cluster` runs all.

mod brokers;
#[path = "../node/client.rs"]
#[expect(dead_code, reason = "WebSocket has its tests elsewhere")]
mod client;
mod clocks;
mod copies;
mod failovers;
mod foreign;
mod groups;
mod harness;
mod inboxes;
#[path = "../kafka/server.rs"]
mod kafka;
mod kafka_faults;
mod kafka_rights;
#[path = "../kafka/kcat.rs"]
mod kcat;
mod links;
mod load;
mod modes;
mod network;
mod order;
mod outages;
mod partitions;
mod presence;
mod presence_failovers;
#[path = "../node/process.rs"]
#[expect(dead_code, reason = "what roles are asked has its tests elsewhere")]
mod process;
mod producers;
#[path = "../kafka/python.rs"]
mod python;
mod rebalances;
mod refusals;
mod relays;
mod relays_failovers;
mod relays_lost;
mod relays_told;
mod rights;
mod schedule;
#[path = "../redis/server.rs"]
mod server;
mod sight;
mod start;
mod switches;
mod tls;
mod upgrades;
mod users;
