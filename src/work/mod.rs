//! What the work that a peer causes costs, and how much of it a peer may cause.
//!
//! Pure: no clock, no session, no socket. Work is counted in nanoseconds of a shard, by a table of prices rather than by
//! a clock: a busy host must not make a client's commands dearer, and a simulation must be able to repeat them.

mod allowance;
pub mod price;

pub use allowance::{Allowance, Limit};
