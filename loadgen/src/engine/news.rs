//! What a load thread tells while it runs, and what it is told: the same words whether it runs in this process or in
//! another.

use serde::{Deserialize, Serialize};

use crate::fault::Faults;
use crate::measure::Interval;
use crate::nodes::NodeUse;
use crate::slow::Fates;
use crate::traffic::Tally;

/// What a load thread tells. After [`News::Ready`], [`News::Loaded`] and [`News::Settled`] it waits for a [`Cue`].
#[derive(Debug, Serialize, Deserialize)]
pub enum News {
    /// So many clients are there.
    Gathered(u64),
    /// All of its clients are there. It goes on by [`Cue::Load`].
    Ready,
    /// The warm-up is over: what happens from now on counts.
    Measuring,
    /// A second is over, or what was left of one. Clear the interval and send it back when it was read.
    Interval(Box<Interval>),
    /// Nothing more is sent: so much was. It goes on by [`Cue::Drain`].
    Loaded(Tally),
    /// So many replies and deliveries are still to come.
    Draining(u64),
    /// Everything has arrived, or will not; so much was sent and refused. It goes on, and its connections stay open,
    /// until [`Cue::Finish`].
    Settled(Tally),
    /// The last word: what came of it, or why nothing did.
    Ended(Result<Outcome, String>),
}

/// What a load thread is told, in this order; [`Cue::Stop`] at any time. What others have sent is in it, as far as they
/// have told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Cue {
    /// Everybody is ready: the load begins at this time of the common clock, nanoseconds.
    Load(u64),
    /// The load ends at this time of the common clock, nanoseconds, where it has not ended before.
    Stop(u64),
    /// Nobody sends any more.
    Drain(Tally),
    /// Everybody has settled, and the server was looked at.
    Finish(Tally),
}

/// What came of a run.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// What the server did wrong.
    pub faults: Faults,
    /// What was due and was not sent.
    pub behind: u64,
    /// How often clients could not connect that tried again later.
    pub attempts_failed: u64,
    /// What became of subscribers that stopped reading.
    pub fates: Fates,
    /// What came of each of the server's nodes, in the order of their numbers.
    pub nodes: Vec<NodeUse>,
}

impl Outcome {
    /// Adds what came of another part of the same run.
    pub fn add(&mut self, other: Self) {
        self.faults.add(other.faults);
        self.behind += other.behind;
        self.attempts_failed += other.attempts_failed;
        self.fates.add(other.fates);
        if self.nodes.is_empty() {
            self.nodes = other.nodes;
        } else {
            self.nodes.iter_mut().zip(other.nodes).for_each(|(node, other)| node.add(other));
        }
    }
}
