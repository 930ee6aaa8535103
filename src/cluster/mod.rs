//! Several nodes: what they share, and how they reach it. On the control plane's side: no file of it is called by a shard, and
//! none waits for one.

pub mod redis;
