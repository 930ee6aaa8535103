//! Runs: a scenario once, or again and again at higher and higher rates.

mod order;
mod progress;
mod ramp;
mod watcher;

pub use self::order::Order;
pub use self::progress::Progress;
use crate::record::Record;

/// Runs a scenario; `watch` is told how far it has come.
///
/// # Errors
/// When the run cannot be made. What the server does wrong while it is made is in the record.
pub fn run(order: &Order, mut watch: impl FnMut(Progress)) -> anyhow::Result<Record> {
    match &order.scenario.ramp {
        Some(ramp) => ramp::climb(ramp, order, &mut watch),
        None => watcher::run_once(order, &mut watch),
    }
}
