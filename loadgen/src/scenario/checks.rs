//! What settings must be, with what to tell who set them otherwise.

use anyhow::{Context as _, ensure};

use crate::limits::{CLIENTS_MAX, PAIRS_MAX};

/// A number of 1 or more.
pub(super) fn positive(name: &str, value: u32) -> anyhow::Result<u32> {
    ensure!(value > 0, "`{name}` is 0: it must be 1 or more");
    Ok(value)
}

/// A rate above 0.
pub(super) fn positive_rate(name: &str, value: f64) -> anyhow::Result<f64> {
    ensure!(value.is_finite() && value > 0.0, "`{name}` is {value}: it must be above 0");
    Ok(value)
}

/// A time of 0 or more.
pub(super) fn nanoseconds(name: &str, seconds: f64) -> anyhow::Result<u64> {
    ensure!(seconds.is_finite() && seconds >= 0.0, "`{name}` is {seconds}: it must be 0 or more");
    Ok((seconds * 1e9) as u64)
}

/// Clients in turn over so many channels, each in one; over none, where there are none.
pub(super) fn spread(clients: u32, channels: u32) -> Vec<Vec<u32>> {
    (0..clients).map(|client| client.checked_rem(channels).into_iter().collect()).collect()
}

/// Multiplies what the user asked for, within the bounds.
pub(super) fn clients(factors: &[u32]) -> anyhow::Result<u32> {
    let product = factors.iter().try_fold(1u64, |product, factor| product.checked_mul((*factor).into()));
    let product = product.filter(|product| *product <= CLIENTS_MAX);
    let product = product.with_context(|| format!("more than {CLIENTS_MAX} clients are asked for"))?;
    Ok(product as u32)
}

/// Refuses more pairs of publisher and subscriber than can be verified.
pub(super) fn check_pairs(pairs: u64) -> anyhow::Result<()> {
    ensure!(
        pairs <= PAIRS_MAX,
        "more than {PAIRS_MAX} pairs of a publisher and a subscriber are asked for: each is verified for itself"
    );
    Ok(())
}
