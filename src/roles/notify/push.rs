//! A push as it is read: a message of which users are to be told; or up to which they are to be told of none any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::marks::Mark;
use crate::events::{self, PushKind, PushOffline};
use crate::limits::{NOTIFY_DATA_BYTES_MAX, NOTIFY_NAME_BYTES_MAX, NOTIFY_RECORD_USERS_MAX};

/// See the module.
#[derive(Debug)]
pub(super) struct Push {
    /// The record it was read from.
    pub(super) mark: Mark,
    /// When the record was written.
    pub(super) written_unix_ms: i64,
    /// The record's own name, the same when it is written twice.
    pub(super) id: String,
    /// Whether users have received or read all up to the message, and are to be told of none of these.
    pub(super) is_withdrawal: bool,
    /// The message's channel.
    pub(super) channel: Arc<str>,
    /// Which life of the channel's stream.
    pub(super) epoch: String,
    /// The message's place in it.
    pub(super) offset: u64,
    /// When it was published, Unix milliseconds.
    pub(super) time_unix_ms: i64,
    /// Who published it; empty where a backend did.
    pub(super) sender: String,
    /// What it says.
    pub(super) said: Said,
    /// Names and values beside it.
    pub(super) tags: BTreeMap<String, String>,
    /// Whether there are more of these than a webhook carries, so that none is there.
    pub(super) lacks_tags: bool,
    /// Whom to tell.
    pub(super) users: Vec<PushUser>,
}

/// What a message says.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// JSON.
    Json(Box<RawValue>),
    /// Anything else, or only how it begins.
    Bytes {
        /// What there is of it.
        bytes: Bytes,
        /// Whether there is more.
        is_truncated: bool,
    },
}

/// One of a push's users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PushUser {
    /// Who.
    pub(super) name: Arc<str>,
    /// What the user has unread in the channel.
    pub(super) unread: u64,
    /// Why the user is told by a push: `away` or `background`.
    pub(super) reason: String,
}

impl Push {
    /// What a record says.
    ///
    /// # Errors
    /// Why nothing can be made of it.
    pub(super) fn new(event: PushOffline, mark: Mark, written_unix_ms: i64) -> Result<Self, Unusable> {
        let kind = PushKind::of(&event.kind).ok_or(Unusable::Kind)?;
        let is_name = |name: &str| !name.is_empty() && name.len() <= NOTIFY_NAME_BYTES_MAX;
        if !is_name(&event.channel) || !event.users.iter().all(|user| is_name(&user.user)) {
            return Err(Unusable::Name);
        }
        if event.users.len() > NOTIFY_RECORD_USERS_MAX {
            return Err(Unusable::Users);
        }
        let tags = event.tags.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let names =
            [&event.id, &event.epoch, &event.sender].into_iter().chain(event.users.iter().map(|user| &user.reason));
        if names.map(String::len).max() > Some(NOTIFY_NAME_BYTES_MAX) {
            return Err(Unusable::Beside);
        }
        let lacks_tags = tags > NOTIFY_DATA_BYTES_MAX;
        let user = |user: events::PushUser| PushUser {
            name: user.user.into(),
            // What Lua's numbers and apps can hold.
            unread: user.unread.min(u32::MAX.into()),
            reason: user.reason,
        };
        Ok(Self {
            mark,
            written_unix_ms,
            id: event.id,
            is_withdrawal: kind == PushKind::Withdrawn,
            channel: event.channel.into(),
            epoch: event.epoch,
            offset: event.offset,
            time_unix_ms: event.time_unix_ms,
            sender: event.sender,
            said: Said::new(&event.data, event.b64data, event.truncated),
            // Half of them might say something else than all.
            tags: if lacks_tags { BTreeMap::new() } else { event.tags },
            lacks_tags,
            users: event.users.into_iter().map(user).collect(),
        })
    }

    /// Bytes of what its users are told, once for each.
    pub(super) fn bytes(&self) -> usize {
        let data = match &self.said {
            Said::Json(json) => json.get().len(),
            Said::Bytes { bytes, .. } => bytes.len(),
        };
        let names = self.id.len() + self.channel.len() + self.epoch.len() + self.sender.len();
        let each = data + names + self.tags.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let users = self.users.iter().map(|user| each + user.name.len() + user.reason.len());
        users.sum()
    }

    /// Whether it withdraws this message.
    pub(super) fn withdraws(&self, message: &Self) -> bool {
        self.is_withdrawal
            && message.offset <= self.offset
            && message.epoch == self.epoch
            && message.channel == self.channel
    }
}

impl Said {
    fn new(json: &Bytes, bytes: Bytes, is_truncated: bool) -> Self {
        let is_whole = !json.is_empty() && json.len() <= NOTIFY_DATA_BYTES_MAX;
        let text = is_whole.then(|| std::str::from_utf8(json).ok()).flatten();
        if let Some(json) = text.and_then(|text| serde_json::from_str(text).ok()) {
            return Self::Json(json);
        }
        let bytes = if json.is_empty() { bytes } else { json.clone() };
        let kept = bytes.len().min(NOTIFY_DATA_BYTES_MAX);
        // What is kept must not hold the whole record.
        Self::Bytes { bytes: Bytes::copy_from_slice(&bytes[..kept]), is_truncated: is_truncated || kept < bytes.len() }
    }
}

/// Why nothing can be made of a record that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    /// Of a later version, perhaps.
    #[error("its `kind` is not known")]
    Kind,
    /// A channel or a user is missing, or has too long a name.
    #[error("`channel` and each `user` must have 1 to {NOTIFY_NAME_BYTES_MAX} bytes")]
    Name,
    /// What stands beside the message is too long: everybody would be told it.
    #[error("`id`, `epoch`, `sender` and each `reason` must have at most {NOTIFY_NAME_BYTES_MAX} bytes")]
    Beside,
    /// Too many users.
    #[error("it has more than {NOTIFY_RECORD_USERS_MAX} users")]
    Users,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(change: impl FnOnce(&mut PushOffline)) -> Result<Push, Unusable> {
        let user = |name: &str| events::PushUser { user: name.into(), ..events::PushUser::default() };
        let mut event = PushOffline {
            kind: "offline".into(),
            channel: "chat:7".into(),
            users: vec![user("ann"), user("ben")],
            data: "1".into(),
            ..PushOffline::default()
        };
        change(&mut event);
        Push::new(event, Mark { partition: 0, term: 0, offset: 0 }, 0)
    }

    #[test]
    fn what_stands_beside_a_message_is_bounded_since_each_user_is_told_it() {
        let long = |bytes: usize| "x".repeat(bytes);
        let whole = read(|event| {
            event.tags = [("k".into(), long(NOTIFY_DATA_BYTES_MAX - 1))].into();
            event.users[1].reason = long(NOTIFY_NAME_BYTES_MAX);
        });
        let bytes = 2 * (1 + "chat:7".len() + NOTIFY_DATA_BYTES_MAX + "ann".len()) + NOTIFY_NAME_BYTES_MAX;
        assert_eq!(whole.unwrap().bytes(), bytes, "the message counts for each of its users");
        let changes: [fn(&mut PushOffline, String); 4] = [
            |event, text| event.id = text,
            |event, text| event.epoch = text,
            |event, text| event.sender = text,
            |event, text| event.users[1].reason = text,
        ];
        for change in changes {
            assert_eq!(read(|event| change(event, long(NOTIFY_NAME_BYTES_MAX + 1))).unwrap_err(), Unusable::Beside);
        }
    }

    #[test]
    fn of_more_tags_than_a_webhook_carries_there_is_none_and_users_are_told_all_the_same() {
        let text = "x".repeat(NOTIFY_DATA_BYTES_MAX);
        let push = read(|event| event.tags = [("k".into(), text), ("kind".into(), "call".into())].into()).unwrap();
        assert!(push.tags.is_empty() && push.lacks_tags && push.users.len() == 2);
        assert!(!read(|event| event.tags = [("kind".into(), "call".into())].into()).unwrap().lacks_tags);
    }
}
