//! What becomes of a record of the topic of calls.

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Outcome {
    /// It was carried out.
    #[error("done")]
    Done,
    /// It is no call.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Its method is none of `cluster.kafka.call_methods`.
    #[error("the method \"{0}\" is none of `cluster.kafka.call_methods`")]
    NotAllowed(String),
    /// The method refused it, and always will.
    #[error("refused with {0}")]
    Refused(String),
    /// The method refused it for the time being, for longer than `cluster.kafka.call_retry`.
    #[error("given up after `cluster.kafka.call_retry`: refused with {0}")]
    GivenUp(String),
}

impl Outcome {
    /// What metrics call them.
    pub(super) const NAMES: [&'static str; 5] = ["done", "unreadable", "not_allowed", "refused", "given_up"];

    /// What metrics call it.
    pub(super) fn name(&self) -> &'static str {
        Self::NAMES[match self {
            Self::Done => 0,
            Self::Unreadable(_) => 1,
            Self::NotAllowed(_) => 2,
            Self::Refused(_) => 3,
            Self::GivenUp(_) => 4,
        }]
    }
}
