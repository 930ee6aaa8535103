//! Who is in channels at home here, listed, and encoded as replies bring it: once until that changes, not once per question.
//!
//! Invariants: what is kept is the list of now, since whoever comes, leaves or is seen anew has it forgotten; all that is
//! kept together is bounded. Only lists that somebody has asked for are here.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::limits::{LISTED_BYTES, MEMBER_LISTS_BYTES_MAX};
use crate::model::ClientInfo;
use crate::model::refusal::{Error, ErrorKind};
use crate::protocol::centrifuge::Encoding;
use crate::protocol::word::ReplyBody;

/// Who is in a channel, by client id.
pub(in crate::broker) type Clients = Arc<[Arc<ClientInfo>]>;

/// The list of one channel, as backends ask for it, and in the encodings that clients have asked for.
#[derive(Debug, Default)]
struct Kept {
    clients: Option<Clients>,
    encoded: [Option<Arc<[u8]>>; Encoding::COUNT],
}

impl Kept {
    /// What it takes in memory, about.
    fn bytes(&self, channel: &str) -> usize {
        let encoded = self.encoded.iter().flatten().map(|encoded| bytes_of(channel, encoded.len()));
        let clients = self.clients.iter().map(|clients| bytes_of(channel, size_of_val(&**clients)));
        encoded.chain(clients).sum()
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct MemberLists {
    by_channel: HashMap<Box<str>, Kept>,
    bytes: usize,
}

impl MemberLists {
    /// The list of a channel, if it is kept.
    pub(super) fn clients(&self, channel: &str) -> Option<Clients> {
        self.by_channel.get(channel)?.clients.clone()
    }

    /// Keeps the list of a channel.
    pub(super) fn keep_clients(&mut self, channel: &str, clients: &Clients) {
        if let Some(kept) = self.room_for(channel, clients, size_of_val(&**clients)) {
            kept.clients = Some(clients.clone());
        }
    }

    /// The list of a channel in an encoding, if it is kept.
    pub(super) fn find(&self, channel: &str, encoding: Encoding) -> Option<Arc<[u8]>> {
        self.by_channel.get(channel)?.encoded[encoding.index()].clone()
    }

    /// Encodes the list of a channel, and keeps it.
    pub(super) fn keep(&mut self, channel: &str, encoding: Encoding, clients: &[Arc<ClientInfo>]) -> Arc<[u8]> {
        let encoded = encode(encoding, clients);
        if let Some(kept) = self.room_for(channel, clients, encoded.len()) {
            kept.encoded[encoding.index()] = Some(encoded.clone());
        }
        encoded
    }

    /// Where to keep so many bytes more of a channel's list, if they may be kept. Where that makes too much, all others go: who
    /// alternates between more than there is room for pays for the making.
    fn room_for(&mut self, channel: &str, clients: &[Arc<ClientInfo>], bytes: usize) -> Option<&mut Kept> {
        let bytes = bytes_of(channel, bytes);
        if clients.is_empty() || bytes > MEMBER_LISTS_BYTES_MAX {
            // Nobody would leave, so that it would stay for ever: names are cheap.
            return None;
        }
        if self.bytes + bytes > MEMBER_LISTS_BYTES_MAX {
            *self = Self::default();
        }
        self.bytes += bytes;
        Some(self.by_channel.entry(channel.into()).or_default())
    }

    /// The list of a channel has changed.
    pub(super) fn forget(&mut self, channel: &str) {
        if self.by_channel.is_empty() {
            // Most often.
            return;
        }
        if let Some(kept) = self.by_channel.remove(channel) {
            self.bytes -= kept.bytes(channel);
        }
    }
}

/// What somebody is told who may not be given so long a list.
pub(super) fn too_long(bytes_max: usize) -> Error {
    let why = format!("limit exceeded: presence takes more than {bytes_max} bytes; presence_stats counts");
    ErrorKind::LimitExceeded.because(why)
}

/// A list, as a reply brings it.
pub(super) fn encode(encoding: Encoding, clients: &[Arc<ClientInfo>]) -> Arc<[u8]> {
    let mut encoded = Vec::with_capacity(clients.iter().map(|info| info.weight()).sum());
    encoding.write_body(&ReplyBody::Presence(clients), &mut encoded);
    encoded.into()
}

/// What a kept list of so many bytes takes in memory, about.
fn bytes_of(channel: &str, bytes: usize) -> usize {
    LISTED_BYTES + channel.len() + bytes
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
        lists.keep_clients("a", &[client(100)].into());
        lists.forget("b");
        assert!(lists.clients("a").is_some() && lists.clients("b").is_none());
        assert!(lists.find("a", Encoding::Protobuf).is_some());
        lists.forget("a");
        assert_eq!(lists.bytes, 0);
        assert!(lists.find("a", Encoding::Json).is_none());
    }
}
