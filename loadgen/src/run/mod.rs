//! Runs: a scenario once, or again and again at higher and higher rates.

mod disturber;
mod order;
mod progress;
mod ramp;
mod watcher;

use std::sync::atomic::AtomicBool;

pub use self::order::Order;
pub use self::progress::Progress;
use crate::record::Record;

/// Runs a scenario; `watch` is told how far it has come.
///
/// # Errors
/// When the run cannot be made. What the server does wrong while it is made is in the record.
pub fn run(order: &Order, watch: impl FnMut(Progress)) -> anyhow::Result<Record> {
    run_until(order, &AtomicBool::new(false), watch)
}

/// The same, but the load ends soon after `stop` is set; the record tells what was measured until then.
///
/// # Errors
/// When the run cannot be made, or is stopped before anything was measured.
pub fn run_until(order: &Order, stop: &AtomicBool, mut watch: impl FnMut(Progress)) -> anyhow::Result<Record> {
    match &order.scenario.ramp {
        Some(ramp) => ramp::climb(ramp, order, stop, &mut watch),
        None => watcher::run_once(order, stop, &mut watch),
    }
}
