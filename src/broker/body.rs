//! What nodes tell each other of a channel, as bytes in a bucket.
//!
//! A version, a kind, then the fields; what has a length says it before, and a publication's data is the rest. They come from
//! a server: what cannot be read is an error, and no more is kept of it than the bytes that are there.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use uuid::Uuid;

use crate::model::{ClientId, ClientInfo, Payload, PayloadKind, Tags};

const VERSION: u8 = 1;

const PUBLICATION: u8 = 0;
const JOIN: u8 = 1;
const LEAVE: u8 = 2;

/// Which optional fields a publication has, as bits.
const BINARY: u8 = 1;
const INFO: u8 = 2;
const TAGS: u8 = 4;
const EXCLUDE: u8 = 8;
const TTL: u8 = 16;

/// Something that all who listen to a channel are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A message.
    Publication {
        /// What the application sent.
        data: Payload,
        /// The publishing client, if one did.
        info: Option<Arc<ClientInfo>>,
        /// What a backend has added.
        tags: Option<Tags>,
        /// The session that does not get it.
        exclude: Option<ClientId>,
        /// How long it is given to who recovers or reads, milliseconds; `None` is as long as it is kept.
        ttl_ms: Option<u64>,
    },
    /// Somebody came, or left.
    Announcement {
        /// As it is seen by others.
        info: Arc<ClientInfo>,
        /// Came, or left.
        joined: bool,
    },
}

/// What cannot be read: it is cut off, wrong, or a later version's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of another node cannot be read")]
pub struct Unreadable;

impl From<bytes::TryGetError> for Unreadable {
    fn from(_: bytes::TryGetError) -> Self {
        Self
    }
}

impl Told {
    /// As bytes.
    pub fn pack(&self) -> Bytes {
        let mut into = Vec::with_capacity(self.bytes());
        into.put_u8(VERSION);
        match self {
            Self::Announcement { info, joined } => {
                into.put_u8(if *joined { JOIN } else { LEAVE });
                put_info(info, &mut into);
            }
            Self::Publication { data, info, tags, exclude, ttl_ms } => {
                let bit = |bit, is_set| if is_set { bit } else { 0 };
                let binary = bit(BINARY, data.kind == PayloadKind::Binary);
                into.put_u8(PUBLICATION);
                let extra = bit(EXCLUDE, exclude.is_some()) | bit(TTL, ttl_ms.is_some());
                into.put_u8(binary | bit(INFO, info.is_some()) | bit(TAGS, tags.is_some()) | extra);
                if let Some(exclude) = exclude {
                    into.put_u128(exclude.as_u128());
                }
                if let Some(ttl_ms) = ttl_ms {
                    into.put_u64(*ttl_ms);
                }
                if let Some(info) = info {
                    put_info(info, &mut into);
                }
                if let Some(tags) = tags {
                    into.put_u32(tags.len() as u32);
                    for text in tags.iter().flat_map(|(key, value)| [key, value]) {
                        put_bytes(text.as_bytes(), &mut into);
                    }
                }
                into.put_slice(&data.bytes);
            }
        }
        into.into()
    }

    /// About as many as it is packed in.
    fn bytes(&self) -> usize {
        match self {
            Self::Announcement { info, .. } => 2 + bytes_of(info),
            Self::Publication { data, info, tags, .. } => {
                let tags = tags.iter().flatten().map(|(key, value)| 8 + key.len() + value.len());
                31 + data.bytes.len() + info.as_ref().map_or(0, |info| bytes_of(info)) + tags.sum::<usize>()
            }
        }
    }

    /// Reads what another node has packed. The data shares the memory of `body`.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn unpack(mut body: Bytes) -> Result<Self, Unreadable> {
        if body.try_get_u8()? != VERSION {
            return Err(Unreadable);
        }
        let told = match body.try_get_u8()? {
            PUBLICATION => return Self::unpack_publication(body),
            JOIN => Self::Announcement { info: read_info(&mut body)?, joined: true },
            LEAVE => Self::Announcement { info: read_info(&mut body)?, joined: false },
            _ => return Err(Unreadable),
        };
        if body.is_empty() { Ok(told) } else { Err(Unreadable) }
    }

    fn unpack_publication(mut body: Bytes) -> Result<Self, Unreadable> {
        let fields = body.try_get_u8()?;
        if fields & !(BINARY | INFO | TAGS | EXCLUDE | TTL) != 0 {
            return Err(Unreadable);
        }
        let exclude = if fields & EXCLUDE != 0 { Some(Uuid::from_u128(body.try_get_u128()?)) } else { None };
        let ttl_ms = if fields & TTL != 0 { Some(body.try_get_u64()?) } else { None };
        let info = if fields & INFO != 0 { Some(read_info(&mut body)?) } else { None };
        let tags = if fields & TAGS != 0 { Some(read_tags(&mut body)?) } else { None };
        let kind = if fields & BINARY != 0 { PayloadKind::Binary } else { PayloadKind::Json };
        Ok(Self::Publication { data: payload(body, kind)?, info, tags, exclude, ttl_ms })
    }
}

/// Who somebody is, as a bucket lists it: what follows version and kind where it came or left.
pub fn pack_info(info: &ClientInfo) -> Bytes {
    let mut into = Vec::with_capacity(bytes_of(info));
    put_info(info, &mut into);
    into.into()
}

/// Reads what another node has packed.
///
/// # Errors
/// [`Unreadable`].
pub fn unpack_info(mut info: Bytes) -> Result<Arc<ClientInfo>, Unreadable> {
    let read = read_info(&mut info)?;
    if info.is_empty() { Ok(read) } else { Err(Unreadable) }
}

/// As many as it is packed in.
fn bytes_of(info: &ClientInfo) -> usize {
    let infos = [&info.conn_info, &info.chan_info].into_iter().flatten().map(|info| 4 + info.bytes.len());
    22 + info.user.len() + infos.sum::<usize>()
}

fn put_bytes(bytes: &[u8], into: &mut Vec<u8>) {
    into.put_u32(bytes.len() as u32);
    into.put_slice(bytes);
}

fn put_info(info: &ClientInfo, into: &mut Vec<u8>) {
    into.put_u128(info.client.as_u128());
    put_bytes(info.user.as_bytes(), into);
    for info in [&info.conn_info, &info.chan_info] {
        match info {
            None => into.put_u8(0),
            Some(info) => {
                into.put_u8(if info.kind == PayloadKind::Json { 1 } else { 2 });
                put_bytes(&info.bytes, into);
            }
        }
    }
}

fn read_bytes(from: &mut Bytes) -> Result<Bytes, Unreadable> {
    let length = from.try_get_u32()? as usize;
    if length > from.len() { Err(Unreadable) } else { Ok(from.split_to(length)) }
}

fn read_text<T: for<'a> From<&'a str>>(from: &mut Bytes) -> Result<T, Unreadable> {
    let bytes = read_bytes(from)?;
    str::from_utf8(&bytes).map(T::from).map_err(|_| Unreadable)
}

fn read_info(from: &mut Bytes) -> Result<Arc<ClientInfo>, Unreadable> {
    let client = Uuid::from_u128(from.try_get_u128()?);
    let user = read_text(from)?;
    let mut infos = [None, None];
    for info in &mut infos {
        let kind = match from.try_get_u8()? {
            0 => continue,
            1 => PayloadKind::Json,
            2 => PayloadKind::Binary,
            _ => return Err(Unreadable),
        };
        // It outlives the message.
        *info = Some(Box::new(payload(Bytes::copy_from_slice(&read_bytes(from)?), kind)?));
    }
    let [conn_info, chan_info] = infos;
    Ok(Arc::new(ClientInfo { user, client, conn_info, chan_info }))
}

fn read_tags(from: &mut Bytes) -> Result<Tags, Unreadable> {
    let count = from.try_get_u32()? as usize;
    // Each has two lengths at least: no more memory is asked for than there are bytes.
    if count > from.len() / 8 {
        return Err(Unreadable);
    }
    (0..count).map(|_| Ok((read_text(from)?, read_text(from)?))).collect()
}

/// JSON is on one line everywhere in the node: a line feed would begin another frame.
fn payload(bytes: Bytes, kind: PayloadKind) -> Result<Payload, Unreadable> {
    let is_broken = kind == PayloadKind::Json && memchr::memchr2(b'\n', b'\r', &bytes).is_some();
    if is_broken { Err(Unreadable) } else { Ok(Payload { bytes, kind }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> Arc<ClientInfo> {
        let conn_info = Some(Box::new(Payload::json("{\"name\":\"Ada\"}")));
        let chan_info = Some(Box::new(Payload::binary(vec![0, 255])));
        Arc::new(ClientInfo { user: "ada".into(), client: Uuid::from_u128(7), conn_info, chan_info })
    }

    fn examples() -> Vec<Told> {
        let data = Payload::json("{\"text\":\"hello\"}");
        let tags: Tags = [("k".into(), "v".into()), ("l".into(), "".into())].into();
        let exclude = Some(Uuid::from_u128(u128::MAX));
        vec![
            Told::Publication { data: data.clone(), info: None, tags: None, exclude: None, ttl_ms: None },
            Told::Publication { data, info: Some(info()), tags: Some(tags), exclude, ttl_ms: Some(u64::MAX) },
            Told::Publication {
                data: Payload::binary(b"\n\r".to_vec()),
                info: None,
                tags: None,
                exclude: None,
                ttl_ms: Some(0),
            },
            Told::Announcement { info: info(), joined: true },
            Told::Announcement { info: info(), joined: false },
        ]
    }

    #[test]
    fn what_is_packed_is_read_as_it_was() {
        for told in examples() {
            let packed = told.pack();
            assert!(packed.len() <= told.bytes(), "{} bytes in room for {}", packed.len(), told.bytes());
            assert_eq!(Told::unpack(packed), Ok(told));
        }
    }

    #[test]
    fn who_is_listed_is_packed_as_who_came_and_who_left() {
        let packed = pack_info(&info());
        assert_eq!(unpack_info(packed.clone()), Ok(info()));
        for (joined, kind) in [(true, &b"\x01\x01"[..]), (false, b"\x01\x02")] {
            // The Functions put these before what is listed (library/presence.lua).
            assert_eq!(Told::Announcement { info: info(), joined }.pack(), [kind, &packed].concat());
        }
        // And they look for the client, and for the user behind it.
        assert_eq!(
            (&packed[..16], &packed[16..20], &packed[20..23]),
            (&info().client.as_bytes()[..], &[0, 0, 0, 3][..], &b"ada"[..])
        );
        for length in 0..packed.len() {
            assert_eq!(unpack_info(packed.slice(..length)), Err(Unreadable), "{length}");
        }
        assert_eq!(unpack_info([&packed[..], b"x"].concat().into()), Err(Unreadable));
    }

    #[test]
    fn what_is_cut_off_in_its_fields_is_refused() {
        for told in examples() {
            let (packed, rest) =
                (told.pack(), if let Told::Publication { data, .. } = &told { data.bytes.len() } else { 0 });
            for length in 0..packed.len() - rest {
                assert_eq!(Told::unpack(packed.slice(..length)), Err(Unreadable), "{told:?} up to {length}");
            }
        }
    }

    #[test]
    fn json_on_several_lines_a_later_version_and_unknown_fields_are_refused() {
        for body in [
            &b"\x01\x00\x00{\n}"[..],
            b"\x02\x00\x00{}",
            b"\x01\x03",
            b"\x01\x00\x10{}",
            b"\x01\x00\x04\xff\xff\xff\xff",
        ] {
            assert_eq!(Told::unpack(Bytes::copy_from_slice(body)), Err(Unreadable));
        }
    }
}
