//! What is done once the clients of the plan are there.

use super::arrivals::Arrivals;
use super::slow::Slow;
use super::storm::Storm;
use crate::fault::Faults;
use crate::plan::{Load, Plan};
use crate::slow::Fates;
use crate::traffic::Traffic;

/// What is done once the clients of the plan are there.
#[derive(Debug)]
pub(super) enum Work {
    /// Nothing, or nothing yet.
    Nothing,
    /// Messages.
    Traffic(Box<Traffic>),
    /// The same, and some do not read.
    Slow(Box<Slow>),
    /// More clients.
    Arrivals(Arrivals),
    /// Many clients at once.
    Storm(Storm),
}

impl Work {
    /// The work of a plan, from `now_ns` on; what happens once happens at `measured_ns`. Whether messages are answered is
    /// the protocol's.
    pub(super) fn new(plan: &Plan, is_answered: bool, now_ns: u64, measured_ns: u64) -> Self {
        let further_client = plan.clients.len() as u32;
        let traffic = |pace| {
            let mut traffic = Traffic::new(plan, pace, now_ns);
            traffic.is_answered = is_answered;
            traffic
        };
        match plan.load {
            Load::Idle => Self::Nothing,
            Load::Publish(pace) => Self::Traffic(Box::new(traffic(pace))),
            Load::Slow(slow) => Self::Slow(Box::new(Slow::new(&slow, traffic(slow.pace), measured_ns))),
            Load::Connect { rate_per_s, stay_ns } => {
                Self::Arrivals(Arrivals::new(rate_per_s, stay_ns, further_client, now_ns))
            }
            Load::Storm(storm) => Self::Storm(Storm::new(&storm, further_client, measured_ns)),
        }
    }

    /// The messages, if there are any.
    pub(super) fn traffic_mut(&mut self) -> Option<&mut Traffic> {
        match self {
            Self::Traffic(traffic) => Some(traffic),
            Self::Slow(slow) => Some(&mut slow.traffic),
            Self::Nothing | Self::Arrivals(_) | Self::Storm(_) => None,
        }
    }

    /// When something is due next.
    pub(super) fn next_due_ns(&self) -> u64 {
        match self {
            Self::Nothing => u64::MAX,
            Self::Traffic(traffic) => traffic.next_due_ns().unwrap_or(u64::MAX),
            Self::Slow(slow) => slow.next_due_ns(),
            Self::Arrivals(arrivals) => arrivals.next_due_ns(),
            Self::Storm(storm) => storm.next_due_ns(),
        }
    }

    /// How much was begun and has not come to its end.
    pub(super) fn under_way(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Traffic(traffic) => traffic.under_way(),
            Self::Slow(slow) => slow.traffic.under_way(),
            Self::Arrivals(arrivals) => arrivals.under_way() as u64,
            Self::Storm(storm) => storm.under_way() as u64,
        }
    }

    /// Whether all that was to happen once has happened.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Nothing | Self::Traffic(_) | Self::Slow(_) | Self::Arrivals(_) => false,
            Self::Storm(storm) => storm.is_over(),
        }
    }

    /// How often clients could not connect that tried again later.
    pub(super) fn attempts_failed(&self) -> u64 {
        match self {
            Self::Nothing | Self::Traffic(_) | Self::Slow(_) | Self::Arrivals(_) => 0,
            Self::Storm(storm) => storm.attempts_failed(),
        }
    }

    /// What became of subscribers that stopped reading.
    pub(super) fn fates(&self) -> Fates {
        match self {
            Self::Slow(slow) => slow.fates().clone(),
            Self::Nothing | Self::Traffic(_) | Self::Arrivals(_) | Self::Storm(_) => Fates::default(),
        }
    }

    /// What has not come to its end now never will. How much was due before `end_ns` and was not begun.
    pub(super) fn finish(&self, end_ns: u64, faults: &mut Faults) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Traffic(traffic) => {
                traffic.finish(faults);
                traffic.behind(end_ns)
            }
            Self::Slow(slow) => {
                slow.traffic.finish(faults);
                slow.traffic.behind(end_ns)
            }
            Self::Arrivals(arrivals) => {
                arrivals.finish(faults);
                arrivals.behind(end_ns)
            }
            Self::Storm(storm) => {
                storm.finish(faults);
                0
            }
        }
    }
}
