//! What records may call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A method of the API that records of `cluster.kafka.topics.calls` may call: those that change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallMethod {
    /// Put a message into a channel.
    Publish,
    /// Put the same message into many channels.
    Broadcast,
    /// Subscribe a user's sessions to a channel.
    Subscribe,
    /// End a subscription of a user's sessions.
    Unsubscribe,
    /// End a user's sessions.
    Disconnect,
    /// Say anew when a user's sessions expire.
    Refresh,
    /// Say something of a user's sessions.
    SessionAttributes,
    /// Call tokens back.
    TokensRevoke,
    /// Forget a channel's past publications.
    HistoryRemove,
    /// Do not publish what is scheduled.
    ScheduledCancel,
    /// Make users members of a channel.
    MembersAdd,
    /// End the membership of users in a channel.
    MembersRemove,
    /// Forget publications that were given up.
    DeadLettersPurge,
}

impl CallMethod {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Publish,
        Self::Broadcast,
        Self::Subscribe,
        Self::Unsubscribe,
        Self::Disconnect,
        Self::Refresh,
        Self::SessionAttributes,
        Self::TokensRevoke,
        Self::HistoryRemove,
        Self::ScheduledCancel,
        Self::MembersAdd,
        Self::MembersRemove,
        Self::DeadLettersPurge,
    ];

    /// As the API names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Broadcast => "broadcast",
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Disconnect => "disconnect",
            Self::Refresh => "refresh",
            Self::SessionAttributes => "session_attributes",
            Self::TokensRevoke => "tokens_revoke",
            Self::HistoryRemove => "history_remove",
            Self::ScheduledCancel => "scheduled_cancel",
            Self::MembersAdd => "members_add",
            Self::MembersRemove => "members_remove",
            Self::DeadLettersPurge => "dead_letters_purge",
        }
    }

    /// The one of this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name().eq_ignore_ascii_case(name))
    }

    /// Whether it takes an `idempotency_key`.
    pub fn has_key(self) -> bool {
        matches!(self, Self::Publish | Self::Broadcast)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_configuration() {
        for method in CallMethod::ALL {
            assert_eq!(serde_json::to_value(method).unwrap(), method.name());
            assert_eq!(CallMethod::named(&method.name().to_uppercase()), Some(method));
        }
        assert_eq!(CallMethod::named("dead_letters_requeue"), None);
    }
}
