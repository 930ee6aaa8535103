//! The control plane: one tokio thread beside the shards.

pub mod order;
