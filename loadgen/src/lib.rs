//! A load generator for servers of the Centrifugo client protocol, which also speaks those of the servers that it is
//! laid beside.
//!
//! ```text
//! scenario (TOML) → plan (who hears what, who publishes where) → shares of it, one for each load process
//!   → engine: a pinned thread with a ring ─ schedule → traffic → protocol → swarm (sockets) → the server
//!                                           measure, verify ← traffic ← protocol ← swarm  ←
//!   → crew: seconds of all load processes, added up
//!   → record (JSON), with what the server used → table, HTML, comparison
//!   → results: the records of many runs, with all that is needed to make them again
//! ```
//!
//! Beside all that stand `abuse`: clients that ask for too much, on the same swarm and protocols, which nobody measures;
//! and `crash`: a node that is killed while it is at work, and what it still knows when it is back.
//!
//! Schedule, traffic, verification and measuring are sans-IO: values in, values out, time as an argument.

pub mod limits;

pub mod scenario;

pub mod plan;
pub mod share;

pub(crate) mod advice;
pub mod chat;
pub mod clock;
pub mod commands;
pub(crate) mod dice;
pub mod fault;
pub mod inbox;
pub(crate) mod ledger;
pub mod measure;
pub mod missing;
pub mod nodes;
pub mod payload;
pub(crate) mod presence;
pub mod schedule;
pub(crate) mod shell;
pub mod slow;
pub mod traffic;
pub mod turns;

pub mod engine;
pub mod protocol;
pub mod swarm;
pub mod target;

pub mod abuse;
pub mod climb;
pub mod crash;
pub mod crew;
pub mod record;
pub mod report;
pub mod results;
pub mod run;
pub mod seconds;
pub mod server;

pub mod cli;
