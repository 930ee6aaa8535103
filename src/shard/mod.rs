//! One core: its sockets, its sessions, its channels.

pub mod core;
pub mod cores;
pub mod handle;
pub mod letter;
pub mod metrics;
pub mod waker;
