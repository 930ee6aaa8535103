//! Several nodes: what they share, how they reach it, and the bridge between it and this node's shards.

pub mod announced;
pub mod bridge;
pub mod redis;
