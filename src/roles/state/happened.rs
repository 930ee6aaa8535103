//! A record of `user.login.log`, as the role takes it.

use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;
use uuid::Uuid;

use super::buckets::Happening;
use crate::cluster::kafka::headers::header;
use crate::events::{self, CONTENT_TYPE, LoginKind, UserLogin};
use crate::limits::{DEVICE_NAME_BYTES_MAX, STATE_USER_BYTES_MAX};

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A session of a user begins or ends.
    Happened(Happening),
    /// Somebody was refused, or has no name: nothing of a user's state.
    Nothing,
    /// It cannot be used.
    Unusable,
}

/// A record, and where it lies.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) said: Said,
}

impl Taken {
    pub(super) fn of(message: &BorrowedMessage<'_>) -> Self {
        let (partition, offset) = (message.partition(), message.offset());
        let value = message.payload().unwrap_or_default();
        let said = match events::decode::<UserLogin>(header(message, CONTENT_TYPE), value) {
            Ok(event) => said(event, offset),
            Err(unreadable) => {
                tracing::debug!(partition, offset, %unreadable, "a record of the login log cannot be read");
                Said::Unusable
            }
        };
        Self { partition, offset, said }
    }
}

fn said(event: UserLogin, offset: i64) -> Said {
    let begins = match LoginKind::of(&event.kind) {
        Some(LoginKind::Connected) => true,
        Some(LoginKind::Disconnected) => false,
        // Of what only a later version knows no session begins or ends.
        Some(LoginKind::Refused) | None => return Said::Nothing,
    };
    if event.user.is_empty() {
        return Said::Nothing;
    }
    let Ok(client) = event.client.parse::<Uuid>() else { return Said::Unusable };
    if event.user.len() > STATE_USER_BYTES_MAX {
        return Said::Unusable;
    }
    let device = event.device.map(|device| device.id).unwrap_or_default();
    let device = if device.len() > DEVICE_NAME_BYTES_MAX { String::new() } else { device };
    // A node without Redis has no lease, and no incarnation.
    let has_lease = event.slot != 0 && event.incarnation != 0;
    let owner = if has_lease { format!("{}.{}", event.slot, event.incarnation) } else { "0.0".into() };
    let at = event.at_unix_ms.max(0);
    Said::Happened(Happening { offset, begins, at, user: event.user, client: client.to_string(), owner, device })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::LoginDevice;

    const CLIENT: &str = "7e1b3a1c-5d0e-4f2b-9c3a-2f6d8e4b1a90";

    fn login(kind: &str) -> UserLogin {
        UserLogin {
            kind: kind.into(),
            user: "ann".into(),
            client: CLIENT.into(),
            at_unix_ms: 5,
            slot: 2,
            incarnation: 60,
            device: Some(LoginDevice { id: "phone".into(), kind: String::new() }),
            ..UserLogin::default()
        }
    }

    #[test]
    fn sessions_begin_and_end_by_records_and_all_else_says_nothing() {
        let Said::Happened(begun) = said(login("connected"), 7) else { panic!("a session begins") };
        assert_eq!((begun.offset, begun.begins, begun.at), (7, true, 5));
        assert_eq!((begun.owner.as_str(), begun.device.as_str()), ("2.60", "phone"));
        assert!(matches!(said(login("disconnected"), 8), Said::Happened(ended) if !ended.begins));
        assert_eq!(said(login("refused"), 9), Said::Nothing);
        assert_eq!(said(login("forwarded"), 9), Said::Nothing, "a later version's");
        assert_eq!(said(UserLogin { user: String::new(), ..login("connected") }, 9), Said::Nothing);
    }

    #[test]
    fn what_no_node_writes_is_of_no_use_and_nodes_without_a_lease_have_none() {
        assert_eq!(said(UserLogin { client: "7".into(), ..login("connected") }, 0), Said::Unusable);
        let long = "u".repeat(STATE_USER_BYTES_MAX + 1);
        assert_eq!(said(UserLogin { user: long, ..login("connected") }, 0), Said::Unusable);
        let alone = UserLogin { slot: 0, incarnation: 0, at_unix_ms: -3, ..login("connected") };
        assert!(matches!(said(alone, 0), Said::Happened(of) if of.owner == "0.0" && of.at == 0));
        let upper = UserLogin { client: CLIENT.to_uppercase(), ..login("connected") };
        assert!(matches!(said(upper, 0), Said::Happened(of) if of.client == CLIENT), "one name for one session");
    }
}
