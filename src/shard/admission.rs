//! How many clients the node takes, and how fast.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustix::process::{Resource, getrlimit};

use crate::config::ClientConfig;
use crate::limits::DESCRIPTORS_RESERVED;
use crate::time::Now;

/// Why a client is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// As many as allowed are connected.
    TooMany,
    /// More came this second than allowed.
    TooFast,
}

impl Refusal {
    /// For the person who reads it.
    pub fn message(self) -> &'static str {
        match self {
            Self::TooMany => "connection limit reached",
            Self::TooFast => "connection rate limit reached",
        }
    }
}

/// One shard's part in the node's bounds. The number of clients is counted over all shards; the rate is split
/// evenly, as the kernel splits the connections.
#[derive(Debug)]
pub struct Admission {
    clients: Arc<AtomicUsize>,
    shards: u16,
    clients_max: usize,
    /// New clients a second on this shard, in thousandths; 0 is no bound.
    rate_milli: u64,
    /// Clients that may come at once, in millionths: what a millisecond earns is then a whole number.
    credit_micro: u64,
    credited_ms: u64,
}

impl Admission {
    /// The configured bounds, for one of `shards` shards that count `clients` together.
    pub fn new(clients: Arc<AtomicUsize>, config: &ClientConfig, shards: u16, now: Now) -> Self {
        let mut admission =
            Self { clients, shards, clients_max: 0, rate_milli: 0, credit_micro: 0, credited_ms: now.mono_ms };
        admission.configure(config);
        admission.credit_micro = burst_micro(admission.rate_milli);
        admission
    }

    /// Takes other bounds on. Who is in stays.
    pub fn configure(&mut self, config: &ClientConfig) {
        self.clients_max = clients_max(config);
        self.rate_milli = u64::from(config.connection_rate_limit) * 1000 / u64::from(self.shards);
    }

    /// Takes one client in.
    ///
    /// # Errors
    /// Which bound forbids it.
    pub fn admit(&mut self, now: Now) -> Result<(), Refusal> {
        if self.rate_milli != 0 {
            let elapsed_ms = now.mono_ms - self.credited_ms;
            self.credited_ms = now.mono_ms;
            let earned_micro = elapsed_ms.saturating_mul(self.rate_milli);
            self.credit_micro = self.credit_micro.saturating_add(earned_micro).min(burst_micro(self.rate_milli));
            if self.credit_micro < CLIENT_MICRO {
                return Err(Refusal::TooFast);
            }
        }
        if self.clients.fetch_add(1, Relaxed) >= self.clients_max {
            self.clients.fetch_sub(1, Relaxed);
            return Err(Refusal::TooMany);
        }
        self.credit_micro = self.credit_micro.saturating_sub(CLIENT_MICRO);
        Ok(())
    }

    /// A client that was taken in has gone.
    pub fn release(&mut self) {
        let before = self.clients.fetch_sub(1, Relaxed);
        assert!(before > 0, "who goes was admitted");
    }
}

/// Most clients of the node: as configured, else what the descriptors allow.
fn clients_max(config: &ClientConfig) -> usize {
    if config.connection_limit != 0 {
        return config.connection_limit;
    }
    let descriptors = getrlimit(Resource::Nofile).current;
    let descriptors = descriptors.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    descriptors.saturating_sub(DESCRIPTORS_RESERVED).max(1)
}

const CLIENT_MICRO: u64 = 1_000_000;

/// A second's worth, and one client at least.
fn burst_micro(rate_milli: u64) -> u64 {
    (rate_milli * 1000).max(CLIENT_MICRO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(connection_limit: usize, connection_rate_limit: u32) -> ClientConfig {
        ClientConfig { connection_limit, connection_rate_limit, ..ClientConfig::default() }
    }

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, unix_ms: 0 }
    }

    #[test]
    fn the_bound_holds_over_all_shards_and_a_place_can_be_taken_again() {
        let clients = Arc::new(AtomicUsize::new(0));
        let mut one = Admission::new(clients.clone(), &bounds(2, 0), 2, at(0));
        let mut two = Admission::new(clients, &bounds(2, 0), 2, at(0));
        assert_eq!(one.admit(at(0)), Ok(()));
        assert_eq!(two.admit(at(0)), Ok(()));
        assert_eq!(one.admit(at(0)), Err(Refusal::TooMany));
        two.release();
        assert_eq!(one.admit(at(0)), Ok(()));
    }

    #[test]
    fn a_rate_lets_a_second_worth_through_at_once_and_then_as_time_passes() {
        let mut admission = Admission::new(Arc::default(), &bounds(0, 20), 2, at(0));
        let admitted = |admission: &mut Admission, ms| (0..100).filter(|_| admission.admit(at(ms)).is_ok()).count();
        assert_eq!(admitted(&mut admission, 0), 10);
        assert_eq!(admitted(&mut admission, 500), 5);
        assert_eq!(admitted(&mut admission, 100_000), 10);
    }

    #[test]
    fn a_rate_below_one_client_a_second_and_shard_still_lets_clients_in() {
        let mut admission = Admission::new(Arc::default(), &bounds(0, 1), 4, at(0));
        assert_eq!(admission.admit(at(0)), Ok(()));
        assert_eq!(admission.admit(at(3_900)), Err(Refusal::TooFast));
        assert_eq!(admission.admit(at(8_000)), Ok(()));
    }

    #[test]
    fn who_knocks_all_the_time_does_not_keep_the_others_out() {
        let mut admission = Admission::new(Arc::default(), &bounds(0, 3), 4, at(0));
        let admitted = (0..=20_100).filter(|ms| admission.admit(at(*ms)).is_ok()).count();
        assert_eq!(admitted, 1 + 15);
    }

    #[test]
    fn other_bounds_hold_for_those_who_come_after() {
        let mut admission = Admission::new(Arc::default(), &bounds(2, 0), 1, at(0));
        assert_eq!([admission.admit(at(0)), admission.admit(at(0))], [Ok(()); 2]);
        admission.configure(&bounds(1, 0));
        assert_eq!(admission.admit(at(0)), Err(Refusal::TooMany));
        admission.configure(&bounds(3, 0));
        assert_eq!(admission.admit(at(0)), Ok(()));
    }
}
