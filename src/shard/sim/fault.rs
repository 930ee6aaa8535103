//! Faults that are planted into the simulated world, to see that they are found. None is in the node's own code.

use rand::Rng;
use rand::rngs::StdRng;

use crate::store::sim::fault as disk;

/// What goes wrong now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A socket that takes bytes again is not reported.
    LosesWritable,
    /// An event reaches the conn that has the place of one that is gone.
    ReportsTheDead,
    /// What was sent first comes second.
    ReordersSends,
    /// What was sent comes twice.
    SendsTwice,
    /// Bytes that were received are not reported.
    LosesReceived,
    /// Bytes that were received are reported twice.
    ReceivesTwice,
    /// The end of a peer is not reported.
    LosesEnd,
    /// A letter to another shard disappears.
    DropsLetter,
    /// A shard that sleeps is not woken.
    LosesWake,
    /// The timer never elapses again.
    LosesTimer,
    /// A receive buffer does not come back.
    KeepsBuffer,
    /// A receive that was ended by the kernel is said to go on.
    HidesEndOfReceive,
    /// A socket that is shut down loses what was sent before.
    BreaksAtShutdown,
    /// The timer elapses seconds late.
    DelaysTimer,
    /// What has come is reported seconds later.
    DelaysReceived,
    /// The disk has one.
    Disk(disk::Fault),
}

impl Fault {
    pub(super) const ALL: [Self; 20] = [
        Self::LosesWritable,
        Self::ReportsTheDead,
        Self::ReordersSends,
        Self::SendsTwice,
        Self::LosesReceived,
        Self::ReceivesTwice,
        Self::LosesEnd,
        Self::DropsLetter,
        Self::LosesWake,
        Self::LosesTimer,
        Self::KeepsBuffer,
        Self::HidesEndOfReceive,
        Self::BreaksAtShutdown,
        Self::DelaysTimer,
        Self::DelaysReceived,
        Self::Disk(disk::Fault::TellsTooEarly),
        Self::Disk(disk::Fault::IgnoresFailedSync),
        Self::Disk(disk::Fault::NeverTells),
        Self::Disk(disk::Fault::ForgetsLast),
        Self::Disk(disk::Fault::TakesTailForWhole),
    ];
}

/// The fault that a world has, if any.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Planted(pub(super) Option<Fault>);

impl Planted {
    /// Whether the fault shows this time: once in fifty.
    pub(super) fn strikes(self, fault: Fault, random: &mut StdRng) -> bool {
        self.0 == Some(fault) && random.random_bool(0.02)
    }
}
