//! Calls of the methods `inbox.…`, and their answers: JSON in either encoding.

use ringpost::protocol::centrifuge::client::Publication;
use serde::Deserialize;
use serde_json::json;

use crate::protocol::words::{Heard, InboxCall, InboxPosition, InboxUnread, Violation};

/// Method and data of a call.
pub(super) fn call(channel: &str, call: InboxCall) -> (&'static str, String) {
    let (method, data) = match call {
        InboxCall::Received { offset } => ("inbox.received", json!({ "channel": channel, "offset": offset })),
        InboxCall::Read { offset } => ("inbox.read", json!({ "channel": channel, "offset": offset })),
        InboxCall::Unread => ("inbox.unread", json!({ "channel": channel })),
        InboxCall::Positions => ("inbox.positions", json!({ "channel": channel })),
    };
    (method, data.to_string())
}

/// A call that nobody answers, by its method and data.
pub(super) fn sent(method: &str, data: &str) -> String {
    format!(r#"{{"method":"{method}","data":{data}}}"#)
}

/// Which attempt a publication is; the first says nothing of it.
pub(super) fn attempt(publication: &Publication<'_>) -> u32 {
    let tag = publication.tags.iter().find(|(key, _)| key == "attempt");
    tag.and_then(|(_, attempt)| attempt.parse().ok()).unwrap_or(1)
}

/// What any of the methods answers. It does not say which one was called: that is known by what there is.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    read: u64,
    unread: Option<u64>,
    #[serde(borrow)]
    users: Option<Vec<InboxPosition<'a>>>,
}

/// Reads what was answered.
pub(super) fn read(id: u32, data: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<(), Violation> {
    let answer: Answer<'_> = serde_json::from_slice(data).map_err(|error| Violation::Word(error.to_string()))?;
    let Answer { offset, read, unread, users } = answer;
    match (unread, users) {
        (Some(unread), _) => hear(Heard::Unread { id, unread: InboxUnread { offset, read, unread } }),
        (None, Some(users)) => hear(Heard::Positions { id, users: &users }),
        (None, None) => hear(Heard::Acknowledged { id }),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(data: &str) -> Result<String, Violation> {
        let mut heard = String::new();
        read(7, data.as_bytes(), &mut |word| heard = format!("{word:?}"))?;
        Ok(heard)
    }

    #[test]
    fn answers_are_known_by_what_they_hold() {
        assert_eq!(heard("{}").unwrap(), "Acknowledged { id: 7 }");
        let unread = heard(r#"{"epoch":"life","offset":9,"read":4,"unread":5}"#).unwrap();
        assert_eq!(unread, "Unread { id: 7, unread: InboxUnread { offset: 9, read: 4, unread: 5 } }");
        let positions = heard(r#"{"epoch":"life","offset":9,"users":[{"user":"ada","received":9,"read":4}]}"#).unwrap();
        assert!(positions.starts_with("Positions { id: 7, users: [InboxPosition { user: \"ada\""), "{positions}");
        assert!(heard("[").is_err());
    }

    #[test]
    fn a_publication_without_a_tag_is_the_first_attempt() {
        let tags = |attempt: &'static str| vec![("attempt".into(), attempt.into())];
        let of = |tags| attempt(&Publication { tags, ..Publication::default() });
        assert_eq!([of(vec![]), of(tags("3")), of(tags("many"))], [1, 3, 1]);
    }
}
