//! The Redis (or Valkey) that nodes share: the way to it, the Functions that run in it, and what a node knows of what they said.
//!
//! ```text
//! streams, fleeting, moves, ledgers, presence, sessions, leases   a method per Function: borrowed requests, parsed answers
//!   → functions                         one numbered call in flight per bucket, repeated until it is answered
//!     → link ← reach                    one Redis, one behind Sentinels, or a Cluster
//!     → copies ← link                   the same, answered once replicas have it, where that is asked for
//! listener ← link, Kafka                what is published to this node, checked for gaps
//!   → comparisons                       which buckets are asked what they have sent
//! ```
//!
//! `library/` is what runs in Redis. `docs/decisions/redis.md` has the keys, each Function's contract, and what each failure
//! does.

pub mod asks;
pub mod bucket;
mod comparisons;
pub mod copies;
mod crowded;
pub mod examine;
pub mod fault;
mod fleeting;
pub mod foreign;
pub mod functions;
pub mod keys;
pub mod leases;
pub mod ledgers;
pub mod letters;
pub mod library;
pub mod link;
pub mod listener;
pub mod moves;
pub mod news;
mod pack;
pub mod presence;
pub mod pushes;
mod reach;
mod reap;
pub mod relayed;
pub mod revocations;
pub mod schedules;
pub mod sessions;
mod slots;
pub mod streams;
