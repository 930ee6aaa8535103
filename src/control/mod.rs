//! The control plane: one tokio thread beside the shards, for all that is not a client's message.
//!
//! ```text
//! shards ─errand→ plane ┬ http (conns whose first request is no upgrade) → router ┬ api
//!                       │                                                         ├ health, metrics
//!                       │                                                         └ page
//!                       ├ keys (key sets of tokens)
//!                       ├ neighbours (what nodes say of themselves)
//!                       └ requests (signals): reload, drain
//! backends → grpc (a port of its own) → the same methods as api
//! shards ←order── shards ─── all of them
//! bridge ─told──→ hearing (what other nodes say of users); nodes (what the API asks of them)
//! shards ─followed→ following (who is online, for channels that tell it)
//! ```
//!
//! Threads of their own beside it (`aside`): consumer (calls that backends write to Kafka), discovery (a catalog that says that
//! the node is there).
//!
//! It owns no session and no channel. What it knows of them it asks for, and it may be late: nothing that a
//! client does waits for this thread, but a token whose key is unknown.

pub mod notice;
pub mod requests;

mod api;
mod aside;
mod calls;
mod cluster_metrics;
mod consumer;
mod discovery;
mod door;
mod exposition;
mod followed;
mod following;
mod grpc;
mod hand_back;
mod health;
mod hearing;
mod histogram;
mod http;
mod kafka_metrics;
mod keys;
mod metrics;
mod neighbours;
mod nodes;
mod online;
mod own_door;
mod page;
mod plane;
mod process;
mod pushes;
mod refused;
mod refused_calls;
mod reload;
mod role_metrics;
mod router;
mod seats;
mod shards;
mod state;
mod text;
mod visitor;

#[cfg(test)]
mod tests;

pub use api::{api_document, api_reference};
pub use plane::{ControlSetup, run};
pub use reload::Reload;
