//! What a slow reader may lose.

/// What may become of a frame that a slow reader has not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(u32);

impl Tag {
    /// It must be delivered, or the conn be closed.
    pub const KEEP: Self = Self(u32::MAX);

    /// It is delivered even then: a goodbye, a control frame.
    pub const CONTROL: Self = Self(u32::MAX - 1);

    /// What the client has asked for itself: it does not count as slowness, and is bounded by asking no more.
    pub const ANSWER: Self = Self(u32::MAX - 2);

    pub(super) fn is_replaceable(self) -> bool {
        self.0 < Self::ANSWER.0
    }

    /// A newer frame of the same channel, by number, replaces it.
    pub fn latest_of(channel: u32) -> Self {
        assert!(channel < Self::ANSWER.0);
        Self(channel)
    }
}
