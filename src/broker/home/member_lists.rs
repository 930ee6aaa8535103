//! Who is in channels at home here, encoded as replies bring it: once until the list changes, not once per question.
//!
//! Invariants: what is kept is the list of now, since whoever comes, leaves or is seen anew has it forgotten; all that is
//! kept together is bounded. Only lists that clients have asked for are here.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::limits::{LISTED_BYTES, MEMBER_LISTS_BYTES_MAX};
use crate::model::ClientInfo;
use crate::protocol::centrifuge::Encoding;
use crate::protocol::word::ReplyBody;

/// The list of one channel, in the encodings that were asked for.
type Encoded = [Option<Arc<[u8]>>; Encoding::COUNT];

/// See the module.
#[derive(Debug, Default)]
pub(super) struct MemberLists {
    by_channel: HashMap<Box<str>, Encoded>,
    bytes: usize,
}

impl MemberLists {
    /// The list of a channel, if it is kept.
    pub(super) fn find(&self, channel: &str, encoding: Encoding) -> Option<Arc<[u8]>> {
        self.by_channel.get(channel)?[encoding.index()].clone()
    }

    /// Encodes the list of a channel, and keeps it. Where that makes too much, all others go: who alternates between more
    /// than there is room for pays for the encoding.
    pub(super) fn keep(&mut self, channel: &str, encoding: Encoding, clients: &[Arc<ClientInfo>]) -> Arc<[u8]> {
        let weight = clients.iter().map(|info| info.weight()).sum();
        let mut encoded = Vec::with_capacity(weight);
        encoding.write_body(&ReplyBody::Presence(clients), &mut encoded);
        let encoded: Arc<[u8]> = encoded.into();
        let bytes = bytes_of(channel, &encoded);
        if clients.is_empty() || bytes > MEMBER_LISTS_BYTES_MAX {
            // Nobody would leave, so that it would stay for ever: names are cheap.
            return encoded;
        }
        if self.bytes + bytes > MEMBER_LISTS_BYTES_MAX {
            *self = Self::default();
        }
        self.bytes += bytes;
        self.by_channel.entry(channel.into()).or_default()[encoding.index()] = Some(encoded.clone());
        encoded
    }

    /// The list of a channel has changed.
    pub(super) fn forget(&mut self, channel: &str) {
        if self.by_channel.is_empty() {
            // Most often.
            return;
        }
        if let Some(encoded) = self.by_channel.remove(channel) {
            self.bytes -= encoded.iter().flatten().map(|encoded| bytes_of(channel, encoded)).sum::<usize>();
        }
    }
}

/// What a kept list takes in memory, about.
fn bytes_of(channel: &str, encoded: &[u8]) -> usize {
    LISTED_BYTES + channel.len() + encoded.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ClientId, Payload};

    fn client(info_bytes: usize) -> Arc<ClientInfo> {
        let conn_info = Some(Box::new(Payload::json(format!("\"{}\"", "i".repeat(info_bytes)))));
        Arc::new(ClientInfo { user: "ada".into(), client: ClientId::nil(), conn_info, chan_info: None })
    }

    #[test]
    fn what_is_kept_is_bounded_however_many_channels_are_asked_about() {
        let mut lists = MemberLists::default();
        let clients = [client(64 * 1024)];
        for number in 0..400 {
            lists.keep(&format!("room:{number}"), Encoding::Json, &clients);
            lists.keep(&format!("room:{number}"), Encoding::Protobuf, &clients);
            assert!(lists.bytes <= MEMBER_LISTS_BYTES_MAX, "{} bytes after {number} channels", lists.bytes);
        }
        assert!(lists.find("room:399", Encoding::Json).is_some(), "the newest is kept");
        let giant = [client(MEMBER_LISTS_BYTES_MAX)];
        assert!(lists.keep("giant", Encoding::Json, &giant).len() > MEMBER_LISTS_BYTES_MAX);
        assert!(lists.find("giant", Encoding::Json).is_none());
    }

    #[test]
    fn names_that_nobody_is_in_leave_nothing_behind() {
        let mut lists = MemberLists::default();
        for number in 0..1_000 {
            assert!(!lists.keep(&format!("room:{number}"), Encoding::Json, &[]).is_empty());
        }
        assert_eq!((lists.bytes, lists.by_channel.len()), (0, 0));
    }

    #[test]
    fn a_list_that_has_changed_gives_its_bytes_back() {
        let mut lists = MemberLists::default();
        lists.keep("a", Encoding::Json, &[client(100)]);
        lists.keep("a", Encoding::Protobuf, &[client(100)]);
        lists.forget("b");
        assert!(lists.find("a", Encoding::Protobuf).is_some());
        lists.forget("a");
        assert_eq!(lists.bytes, 0);
        assert!(lists.find("a", Encoding::Json).is_none());
    }
}
