//! How many conns the node takes, how fast, and what each may be.
//!
//! A *stranger* is a conn of which nothing is known yet; a *client* carries a session that is connected; a *caller* came
//! through the internal port. All shards of the node share its common places, one for each client. Beside them every shard
//! has some of its own for strangers and for callers. A stranger takes one of the shard's own places, or where those are
//! taken, a common one; who wants to become a client needs a common one. So strangers can use what clients leave, and
//! no client finds the node full of them.
//!
//! Decides only: who gives way to whom is `give_way`'s.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustix::process::{Resource, getrlimit};

use crate::config::ClientConfig;
use crate::limits::{CALLERS_PER_SHARD, descriptors_reserved, strangers_reserved};
use crate::time::Now;

/// Why a client is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// As many as allowed are connected.
    TooMany,
    /// More came this second than allowed.
    TooFast,
}

impl NoPlace {
    /// For the person who reads it.
    pub fn message(self) -> &'static str {
        match self {
            Self::TooMany => "connection limit reached",
            Self::TooFast => "connection rate limit reached",
        }
    }
}

/// What a conn counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The common places of the node.
    Common,
    /// The shard's own places for strangers.
    Stranger,
    /// The shard's own places for callers.
    Caller,
    /// Nothing: it is about to go, and its place is another's already.
    Given,
}

/// What the shards of a node share.
#[derive(Debug, Default)]
pub struct Places {
    /// Common places that are taken.
    taken: AtomicUsize,
    /// Those of them that clients have.
    clients: AtomicUsize,
    /// Common places that were asked for in vain, on a shard that had no stranger to take one from.
    wanted: AtomicUsize,
}

#[cfg(test)]
impl Places {
    /// Whether nobody has a common place.
    pub(super) fn are_free(&self) -> bool {
        [&self.taken, &self.clients].iter().all(|number| number.load(Relaxed) == 0)
    }
}

/// One shard's part in the node's bounds. Common places are counted over all shards; what else there is, is split
/// evenly, as the kernel splits the connections.
#[derive(Debug)]
pub struct Admission {
    places: Arc<Places>,
    shards: u16,
    common_max: usize,
    strangers_max: usize,
    strangers: usize,
    callers: usize,
    /// Conns whose place was given to another and that have not gone yet.
    given: usize,
    /// New clients a second on this shard, in thousandths; 0 is no bound.
    rate_milli: u64,
    /// Clients that may come at once, in millionths: what a millisecond earns is then a whole number.
    credit_micro: u64,
    credited_ms: u64,
}

impl Admission {
    /// The configured bounds, for one of `shards` shards that share `places`.
    pub fn new(places: Arc<Places>, config: &ClientConfig, shards: u16, now: Now) -> Self {
        let mut admission = Self {
            places,
            shards,
            common_max: 0,
            strangers_max: 0,
            strangers: 0,
            callers: 0,
            given: 0,
            rate_milli: 0,
            credit_micro: 0,
            credited_ms: now.mono_ms,
        };
        admission.configure(config);
        admission.credit_micro = burst_micro(admission.rate_milli);
        admission
    }

    /// Takes other bounds on. Who is in stays.
    pub fn configure(&mut self, config: &ClientConfig) {
        let allowed = descriptors_allowed();
        let shards = usize::from(self.shards);
        self.common_max = clients_max(config, allowed, shards);
        self.strangers_max = (strangers_reserved(allowed) / shards).max(1);
        self.rate_milli = u64::from(config.connection_rate_limit) * 1000 / u64::from(self.shards);
    }

    /// A place for a stranger who comes; nothing where all are taken, but for those that are kept.
    pub fn stranger(&mut self) -> Option<Place> {
        if self.strangers < self.strangers_max {
            self.strangers += 1;
            return Some(Place::Stranger);
        }
        self.take_common(self.common_max - self.kept()).then_some(Place::Common)
    }

    /// A place for a caller who comes; nothing where all are taken.
    pub fn caller(&mut self) -> Option<Place> {
        (self.callers < CALLERS_PER_SHARD).then(|| {
            self.callers += 1;
            Place::Caller
        })
    }

    /// Moves a stranger to a common place. False when none is free; where there are many `strangers` on the shard, those
    /// that are kept count as taken, since one of them can give way.
    pub fn promote(&mut self, place: &mut Place, strangers: usize) -> bool {
        if *place != Place::Common {
            let in_common = strangers.saturating_sub(self.strangers);
            let are_many = in_common > (self.kept() / usize::from(self.shards)).max(1);
            if !self.take_common(if are_many { self.common_max - self.kept() } else { self.common_max }) {
                return false;
            }
            self.give_back(*place);
            *place = Place::Common;
        }
        true
    }

    /// A stranger with a common place is a client from now on.
    pub fn client_comes(&mut self) {
        self.places.clients.fetch_add(1, Relaxed);
    }

    /// A client has gone; its place is given back beside.
    pub fn client_goes(&mut self) {
        let before = self.places.clients.fetch_sub(1, Relaxed);
        assert!(before > 0, "who goes has come");
    }

    /// Whether clients have all common places, so that nobody could give way on any shard.
    pub fn is_full(&self) -> bool {
        self.places.clients.load(Relaxed) >= self.common_max
    }

    /// One that is about to go leaves its place to another at once. False when so many are about to go that their
    /// descriptors would be too many.
    pub fn may_give(&self) -> bool {
        self.given < self.strangers_max
    }

    /// Notes that a conn's place is another's from now on; returns the place.
    pub fn give(&mut self, place: &mut Place) -> Place {
        self.given += 1;
        std::mem::replace(place, Place::Given)
    }

    /// A conn has gone.
    pub fn give_back(&mut self, place: Place) {
        match place {
            Place::Common => {
                let before = self.places.taken.fetch_sub(1, Relaxed);
                assert!(before > 0, "who goes had a place");
            }
            Place::Stranger => self.strangers -= 1,
            Place::Caller => self.callers -= 1,
            Place::Given => self.given -= 1,
        }
    }

    /// Somebody finds no common place here: strangers of other shards may have some.
    pub fn want_common(&self) {
        // Who is refused comes again; more than a turn's worth would only be forgotten late.
        if self.places.wanted.load(Relaxed) < self.strangers_max {
            self.places.wanted.fetch_add(1, Relaxed);
        }
    }

    /// How many common places other shards lack.
    pub fn wanted(&self) -> usize {
        self.places.wanted.load(Relaxed)
    }

    /// So many common places will be given back for those that were wanted.
    pub fn grant(&self, number: usize) {
        let _ = self.places.wanted.fetch_update(Relaxed, Relaxed, |wanted| Some(wanted.saturating_sub(number)));
    }

    /// Takes one client at the configured rate.
    ///
    /// # Errors
    /// [`NoPlace::TooFast`].
    pub fn pace(&mut self, now: Now) -> Result<(), NoPlace> {
        if self.rate_milli != 0 {
            let elapsed_ms = now.mono_ms - self.credited_ms;
            self.credited_ms = now.mono_ms;
            let earned_micro = elapsed_ms.saturating_mul(self.rate_milli);
            self.credit_micro = self.credit_micro.saturating_add(earned_micro).min(burst_micro(self.rate_milli));
            if self.credit_micro < CLIENT_MICRO {
                return Err(NoPlace::TooFast);
            }
        }
        Ok(())
    }

    /// A client was taken.
    pub fn spend(&mut self) {
        self.credit_micro = self.credit_micro.saturating_sub(CLIENT_MICRO);
    }

    /// Common places that strangers leave free, so that a client finds one on whichever shard it comes to.
    fn kept(&self) -> usize {
        (self.common_max / 16).max(1)
    }

    /// Takes a common place where fewer than so many are taken.
    fn take_common(&self, max: usize) -> bool {
        let taken = self.places.taken.fetch_add(1, Relaxed) < max;
        if !taken {
            self.places.taken.fetch_sub(1, Relaxed);
        }
        taken
    }
}

/// Descriptors that the process may open.
fn descriptors_allowed() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Most clients of the node: as configured, and no more than the descriptors allow.
fn clients_max(config: &ClientConfig, allowed: usize, shards: usize) -> usize {
    let room = allowed.saturating_sub(descriptors_reserved(allowed, shards)).max(1);
    if config.connection_limit == 0 { room } else { config.connection_limit.min(room) }
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

    fn admit(admission: &mut Admission, now: Now) -> Result<(), NoPlace> {
        admission.pace(now)?;
        let mut place = admission.stranger().ok_or(NoPlace::TooMany)?;
        if !admission.promote(&mut place, 0) {
            admission.give_back(place);
            return Err(NoPlace::TooMany);
        }
        admission.spend();
        Ok(())
    }

    #[test]
    fn the_bound_holds_over_all_shards_and_a_place_can_be_taken_again() {
        let places = Arc::new(Places::default());
        let mut one = Admission::new(places.clone(), &bounds(2, 0), 2, at(0));
        let mut two = Admission::new(places, &bounds(2, 0), 2, at(0));
        assert_eq!(admit(&mut one, at(0)), Ok(()));
        assert_eq!(admit(&mut two, at(0)), Ok(()));
        assert_eq!(admit(&mut one, at(0)), Err(NoPlace::TooMany));
        two.give_back(Place::Common);
        assert_eq!(admit(&mut one, at(0)), Ok(()));
    }

    #[test]
    fn strangers_take_their_shards_own_places_first_then_what_clients_leave_and_no_more() {
        let places = Arc::new(Places::default());
        let config = bounds(500, 0);
        let mut shards = [0, 1].map(|_| Admission::new(places.clone(), &config, 2, at(0)));
        let own = shards[0].strangers_max;
        let mut taken = Vec::new();
        while let Some(place) = shards[0].stranger() {
            taken.push(place);
        }
        assert_eq!(taken.len(), own + 500 - 500 / 16);
        assert!(taken[..own].iter().all(|place| *place == Place::Stranger));
        assert!(taken[own..].iter().all(|place| *place == Place::Common));
        let there = (0..1000).filter(|_| shards[1].stranger().is_some()).count();
        assert_eq!(there, shards[1].strangers_max, "every shard has its own");
    }

    #[test]
    fn a_limit_of_connections_never_takes_the_descriptors_that_the_node_needs() {
        let most = clients_max(&bounds(0, 0), 20_000, 2);
        assert!((19_000..20_000).contains(&most), "{most}");
        assert_eq!(clients_max(&bounds(usize::MAX, 0), 20_000, 2), most);
        assert_eq!(clients_max(&bounds(500, 0), 20_000, 2), 500);
        assert!(clients_max(&bounds(0, 0), 20_000, 64) < most);
    }

    #[test]
    fn callers_have_places_of_their_own() {
        let mut admission = Admission::new(Arc::default(), &bounds(1, 0), 1, at(0));
        while admission.stranger().is_some() {}
        assert_eq!(admission.caller(), Some(Place::Caller));
        let more = (0..1000).filter(|_| admission.caller().is_some()).count();
        assert_eq!(more, CALLERS_PER_SHARD - 1);
        admission.give_back(Place::Caller);
        assert_eq!(admission.caller(), Some(Place::Caller));
    }

    #[test]
    fn a_rate_lets_a_second_worth_through_at_once_and_then_as_time_passes() {
        let mut admission = Admission::new(Arc::default(), &bounds(0, 20), 2, at(0));
        let admitted = |admission: &mut Admission, ms| (0..100).filter(|_| admit(admission, at(ms)).is_ok()).count();
        assert_eq!(admitted(&mut admission, 0), 10);
        assert_eq!(admitted(&mut admission, 500), 5);
        assert_eq!(admitted(&mut admission, 100_000), 10);
    }

    #[test]
    fn a_rate_below_one_client_a_second_and_shard_still_lets_clients_in() {
        let mut admission = Admission::new(Arc::default(), &bounds(0, 1), 4, at(0));
        assert_eq!(admit(&mut admission, at(0)), Ok(()));
        assert_eq!(admit(&mut admission, at(3_900)), Err(NoPlace::TooFast));
        assert_eq!(admit(&mut admission, at(8_000)), Ok(()));
    }

    #[test]
    fn who_knocks_all_the_time_does_not_keep_the_others_out() {
        let mut admission = Admission::new(Arc::default(), &bounds(0, 3), 4, at(0));
        let admitted = (0..=20_100).filter(|ms| admit(&mut admission, at(*ms)).is_ok()).count();
        assert_eq!(admitted, 1 + 15);
    }

    #[test]
    fn other_bounds_hold_for_those_who_come_after() {
        let mut admission = Admission::new(Arc::default(), &bounds(2, 0), 1, at(0));
        assert_eq!([admit(&mut admission, at(0)), admit(&mut admission, at(0))], [Ok(()); 2]);
        admission.configure(&bounds(1, 0));
        assert_eq!(admit(&mut admission, at(0)), Err(NoPlace::TooMany));
        admission.configure(&bounds(3, 0));
        assert_eq!(admit(&mut admission, at(0)), Ok(()));
    }
}
