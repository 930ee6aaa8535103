//! How long a topic is tried that takes nothing although Kafka is there: it was deleted, or the node may not write to it.
//!
//! What must be written before others go on is written again for as long as Kafka is away. Where it refuses instead, those behind wait
//! once for a while; after that a record is tried once, until the topic takes one again. So nobody waits for it for ever.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::fault::Fault;

/// How long a topic may refuse before records go on without it: somebody may be about to mend it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a topic has refused for too long, and has taken nothing since.
#[derive(Debug, Default)]
pub struct Refusals(AtomicBool);

/// The tries of some records that are written together.
#[derive(Debug)]
pub struct Tries<'r> {
    of: &'r Refusals,
    refused_since: Option<Instant>,
}

impl Refusals {
    /// Begins to write some.
    pub fn begin(&self) -> Tries<'_> {
        Tries { of: self, refused_since: None }
    }
}

impl Tries<'_> {
    /// Whether they are to be written again that were not taken for this fault.
    pub fn go_on(&mut self, fault: &Fault) -> bool {
        if fault.passes_by_itself() {
            return true;
        }
        if *fault == Fault::TooLarge {
            return false;
        }
        let since = self.refused_since.get_or_insert_with(Instant::now);
        let goes_on = !self.of.0.load(Relaxed) && since.elapsed() < PATIENCE;
        if !goes_on {
            self.of.0.store(true, Relaxed);
        }
        goes_on
    }

    /// All were taken.
    pub fn end(self) {
        self.of.0.store(false, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Fault {
        Fault::NoTopic("unknown".into())
    }

    #[test]
    fn while_kafka_is_away_there_is_no_end_of_tries() {
        let refusals = Refusals::default();
        let mut tries = Tries { of: &refusals, refused_since: Instant::now().checked_sub(2 * PATIENCE) };
        assert!([Fault::Late, Fault::Crowded, Fault::FewReplicas].iter().all(|fault| tries.go_on(fault)));
        assert!(!tries.go_on(&Fault::TooLarge) && refusals.begin().go_on(&refused()), "that is no fault of the topic");
    }

    #[test]
    fn a_topic_that_refuses_is_waited_for_once_and_again_after_it_has_taken_something() {
        let refusals = Refusals::default();
        assert!(refusals.begin().go_on(&refused()));
        let mut tries = Tries { of: &refusals, refused_since: Instant::now().checked_sub(PATIENCE) };
        assert!(!tries.go_on(&refused()));
        assert!(!refusals.begin().go_on(&refused()), "nobody waits a second time");
        refusals.begin().end();
        assert!(refusals.begin().go_on(&refused()));
    }
}
