//! Ringpost, a realtime messaging gateway: the modules in the order in which a message meets them.
//!
//! ```text
//! accept → recv → wire (bytes ↔ frames) → protocol (frames ↔ words) → session (may it? what does it mean?)
//!       → hub on the channel's home shard (order, history) ─mailbox→ every shard with subscribers
//!       → fan-out (encode once per shard and format) → outbox → one coalesced send per conn and tick
//! ```
//!
//! `shard` is where they meet; everything it calls but `ring` is sans-IO: values in, values out, time as
//! an argument. `control` is the tokio side. `docs/ARCHITECTURE.md` is the map.

pub mod model;

pub mod clock;
pub mod config;
pub mod cores;
pub mod limits;
pub mod patience;
pub mod time;
pub mod vital;

pub mod ring;

pub mod shard;

pub mod wire;

pub mod protocol;

pub mod work;

pub mod session;

pub mod store;

pub mod hub;

pub mod delivery;

pub mod outbox;

pub mod broker;

pub mod events;

pub mod auth;

pub mod control;

pub mod cluster;

pub mod roles;

pub mod node;

pub mod access_log;
pub mod event_log;
pub mod log;

pub mod doctor;

pub mod cli;

/// The version that clients and `--version` are told.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
