//! Several nodes: what they share, how they reach it, and the bridge between it and this node's shards; and the Kafka that tells
//! the rest of the company.

pub mod announced;
pub mod bridge;
pub mod complaints;
pub mod kafka;
pub mod once;
pub mod redis;
pub mod seldom;
