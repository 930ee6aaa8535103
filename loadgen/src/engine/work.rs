//! What is done once the clients of the plan are there.

use super::arrivals::Arrivals;
use super::receiving::Receiving;
use super::recovery::Recovery;
use super::slow::Slow;
use super::storm::Storm;
use crate::chat::Chat;
use crate::fault::Faults;
use crate::inbox::Inbox;
use crate::plan::{Load, Plan};
use crate::share::Share;
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
    /// The same, and their subscribers say how far they are; from the first client on, since each has its floor.
    Receiving(Box<Receiving>),
    /// More clients.
    Arrivals(Arrivals),
    /// Many clients at once.
    Storm(Storm),
    /// Clients that recover at once; from the first client on, since it must know where everybody stands.
    Recovery(Box<Recovery>),
    /// A chat's day; from the first client on, since it must know where everybody is.
    Chat(Box<Chat>),
    /// Devices that receive at least once; from the first client on, since each has its floor.
    Inbox(Box<Inbox>),
}

impl Work {
    /// What there is of a plan's work while its clients come.
    ///
    /// Whether the server knows what is said of what was received is its protocol's.
    pub(super) fn prepare(plan: &Plan, knows_received: bool) -> Self {
        match plan.load {
            Load::Chat(day) => Self::Chat(Box::new(Chat::new(plan, day))),
            Load::Inbox(inbox) => Self::Inbox(Box::new(Inbox::new(inbox))),
            Load::Receive(receive) => Self::Receiving(Box::new(Receiving::new(receive, knows_received))),
            Load::Recover(recovery) => Self::Recovery(Box::new(Recovery::new(recovery))),
            _ => Self::Nothing,
        }
    }

    /// The work of a share of the plan that it was prepared for begins at `now_ns`; what happens once happens at `measured_ns`.
    /// Whether messages are answered is the protocol's.
    pub(super) fn begin(&mut self, share: &Share, is_answered: bool, now_ns: u64, measured_ns: u64) {
        let plan = &share.plan;
        let traffic = |pace| {
            let mut traffic = Traffic::new(share, pace, now_ns);
            traffic.is_answered = is_answered;
            traffic
        };
        *self = match plan.load {
            Load::Idle => Self::Nothing,
            Load::Publish(pace) | Load::Ping(pace) => Self::Traffic(Box::new(traffic(pace))),
            Load::Slow(slow) => Self::Slow(Box::new(Slow::new(&slow, traffic(slow.pace), measured_ns))),
            Load::Receive(receive) => {
                let Self::Receiving(receiving) = self else { unreachable!("it is prepared before its clients come") };
                return receiving.begin(traffic(receive.pace), &share.clients, now_ns);
            }
            Load::Connect { rate_per_s, stay_ns } => {
                let further_client = plan.clients.len() as u32;
                Self::Arrivals(Arrivals::new(rate_per_s, stay_ns, further_client, share.part, now_ns))
            }
            Load::Storm(storm) => Self::Storm(Storm::new(&storm, share, measured_ns)),
            Load::Recover(_) => {
                let Self::Recovery(recovery) = self else { unreachable!("it is prepared before its clients come") };
                return recovery.begin(measured_ns);
            }
            Load::Chat(_) => {
                let Self::Chat(chat) = self else { unreachable!("a chat is prepared before its users come") };
                return chat.begin(now_ns);
            }
            Load::Inbox(_) => {
                let Self::Inbox(inbox) = self else { unreachable!("it is prepared before its clients come") };
                return inbox.begin(now_ns);
            }
        }
    }

    /// The messages, if there are any.
    pub(super) fn traffic(&self) -> Option<&Traffic> {
        match self {
            Self::Traffic(traffic) => Some(traffic),
            Self::Slow(slow) => Some(&slow.traffic),
            Self::Receiving(receiving) => receiving.traffic(),
            _ => None,
        }
    }

    /// The messages, if there are any.
    pub(super) fn traffic_mut(&mut self) -> Option<&mut Traffic> {
        match self {
            Self::Traffic(traffic) => Some(traffic),
            Self::Slow(slow) => Some(&mut slow.traffic),
            Self::Receiving(receiving) => receiving.traffic_mut(),
            _ => None,
        }
    }

    /// When something is due next.
    pub(super) fn next_due_ns(&self) -> u64 {
        match self {
            Self::Nothing => u64::MAX,
            Self::Traffic(traffic) => traffic.next_due_ns().unwrap_or(u64::MAX),
            Self::Slow(slow) => slow.next_due_ns(),
            Self::Receiving(receiving) => receiving.next_due_ns(),
            Self::Arrivals(arrivals) => arrivals.next_due_ns(),
            Self::Storm(storm) => storm.next_due_ns(),
            Self::Recovery(recovery) => recovery.next_due_ns(),
            Self::Chat(chat) => chat.next_due_ns(),
            Self::Inbox(inbox) => inbox.next_due_ns(),
        }
    }

    /// How much was begun and has not come to its end.
    pub(super) fn under_way(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Traffic(traffic) => traffic.under_way(),
            Self::Slow(slow) => slow.traffic.under_way(),
            Self::Receiving(receiving) => receiving.under_way(),
            Self::Arrivals(arrivals) => arrivals.under_way() as u64,
            Self::Storm(storm) => storm.under_way() as u64,
            Self::Recovery(recovery) => recovery.under_way(),
            Self::Chat(chat) => chat.under_way(),
            Self::Inbox(inbox) => inbox.under_way(),
        }
    }

    /// Whether all that was to happen once has happened.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Nothing
            | Self::Traffic(_)
            | Self::Slow(_)
            | Self::Receiving(_)
            | Self::Arrivals(_)
            | Self::Chat(_)
            | Self::Inbox(_) => false,
            Self::Storm(storm) => storm.is_over(),
            Self::Recovery(recovery) => recovery.is_over(),
        }
    }

    /// How often clients could not connect that tried again later.
    pub(super) fn attempts_failed(&self) -> u64 {
        match self {
            Self::Storm(storm) => storm.attempts_failed(),
            _ => 0,
        }
    }

    /// What became of subscribers that stopped reading.
    pub(super) fn fates(&self) -> Fates {
        match self {
            Self::Slow(slow) => slow.fates().clone(),
            _ => Fates::default(),
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
            Self::Receiving(receiving) => {
                receiving.finish(faults);
                receiving.behind(end_ns)
            }
            Self::Arrivals(arrivals) => {
                arrivals.finish(faults);
                arrivals.behind(end_ns)
            }
            Self::Storm(storm) => {
                storm.finish(faults);
                0
            }
            Self::Recovery(recovery) => {
                recovery.finish(faults);
                0
            }
            Self::Chat(chat) => {
                chat.finish(faults);
                chat.behind()
            }
            Self::Inbox(inbox) => {
                inbox.finish(faults);
                inbox.behind()
            }
        }
    }
}
