//! A publication as a record: all that its channel needs to have it again.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::fields::{Fields, Unreadable, put_bytes, put_i64, put_kind, put_option, put_u64};
use crate::model::{ClientInfo, Payload, PayloadKind, Publication, Tags};

/// A publication that its channel's home has put in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicationRecord<'a> {
    /// The channel.
    pub channel: &'a str,
    /// Which life of the channel its offset belongs to.
    pub epoch: &'a str,
    /// Its place in the channel's order, from 1.
    pub offset: u64,
    /// When the home took it, Unix milliseconds: what its age is counted from, also where clients are not told.
    pub time_unix_ms: i64,
    /// Whether clients are told the time.
    pub tells_time: bool,
    /// What the application sent.
    pub data: PayloadOf<'a>,
    /// The publishing client; `None` when a backend published.
    pub info: Option<InfoOf<'a>>,
    /// Names and values that a backend added.
    pub tags: Option<TagsOf<'a>>,
    /// The key that a retry of the publish comes with.
    pub idempotency_key: Option<&'a str>,
    /// Which state of a thing it tells.
    pub version: Option<VersionOf<'a>>,
}

/// A payload, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadOf<'a> {
    /// How to read the bytes.
    pub kind: PayloadKind,
    /// The bytes.
    pub bytes: &'a [u8],
}

impl<'a> PayloadOf<'a> {
    /// That of a payload.
    pub fn of(payload: &'a Payload) -> Self {
        Self { kind: payload.kind, bytes: &payload.bytes }
    }

    /// A copy that can be shared.
    pub fn to_payload(self) -> Payload {
        Payload { kind: self.kind, bytes: bytes::Bytes::copy_from_slice(self.bytes) }
    }

    pub(super) fn encode(into: &mut Vec<u8>, payload: Self) {
        put_kind(into, payload.kind);
        put_bytes(into, payload.bytes);
    }

    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        Ok(Self { kind: fields.kind()?, bytes: fields.bytes()? })
    }
}

/// As people read it: JSON as it is, other bytes as a string in base64.
impl Serialize for PayloadOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.kind, serde_json::from_slice::<&RawValue>(self.bytes)) {
            (PayloadKind::Json, Ok(json)) => json.serialize(serializer),
            _ => serializer.serialize_str(&STANDARD.encode(self.bytes)),
        }
    }
}

/// Who published, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InfoOf<'a> {
    /// The user, empty when anonymous.
    pub user: &'a str,
    /// The session.
    pub client: Uuid,
    /// `info` of the connection token.
    pub conn_info: Option<PayloadOf<'a>>,
    /// `info` of the subscription.
    pub chan_info: Option<PayloadOf<'a>>,
}

impl<'a> InfoOf<'a> {
    fn of(info: &'a ClientInfo) -> Self {
        Self {
            user: &info.user,
            client: info.client,
            conn_info: info.conn_info.as_deref().map(PayloadOf::of),
            chan_info: info.chan_info.as_deref().map(PayloadOf::of),
        }
    }

    fn to_info(self) -> ClientInfo {
        let payload = |payload: PayloadOf<'_>| Box::new(payload.to_payload());
        ClientInfo {
            user: self.user.into(),
            client: self.client,
            conn_info: self.conn_info.map(payload),
            chan_info: self.chan_info.map(payload),
        }
    }

    fn encode(into: &mut Vec<u8>, info: Self) {
        put_bytes(into, info.user.as_bytes());
        into.extend_from_slice(info.client.as_bytes());
        put_option(into, info.conn_info, PayloadOf::encode);
        put_option(into, info.chan_info, PayloadOf::encode);
    }

    fn decode(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        Ok(Self {
            user: fields.text()?,
            client: fields.uuid()?,
            conn_info: fields.option(PayloadOf::decode)?,
            chan_info: fields.option(PayloadOf::decode)?,
        })
    }
}

/// Tags, borrowed: from a publication, or from a record.
#[derive(Clone, Copy, Debug)]
pub enum TagsOf<'a> {
    /// A publication's.
    Held(&'a [(Box<str>, Box<str>)]),
    /// A record's: names and values behind their lengths. Checked when the record was read.
    Read(&'a [u8]),
}

impl<'a> TagsOf<'a> {
    /// A copy that can be shared.
    pub fn to_tags(self) -> Tags {
        self.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    /// Names and values, in the order in which they were given.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let (held, read) = match self {
            Self::Held(held) => (held, &[][..]),
            Self::Read(read) => (&[][..], read),
        };
        let mut fields = Fields(read);
        let read = std::iter::from_fn(move || Some((fields.text().ok()?, fields.text().ok()?)));
        held.iter().map(|(name, value)| (&**name, &**value)).chain(read)
    }

    pub(super) fn encode(into: &mut Vec<u8>, tags: Self) {
        let start = into.len();
        put_bytes(into, &[]);
        for (name, value) in tags.iter() {
            put_bytes(into, name.as_bytes());
            put_bytes(into, value.as_bytes());
        }
        let length = (into.len() - start - 4) as u32;
        into[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }

    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        let bytes = fields.bytes()?;
        let mut inner = Fields(bytes);
        while !inner.0.is_empty() {
            inner.text()?;
            inner.text()?;
        }
        Ok(Self::Read(bytes))
    }
}

impl Serialize for TagsOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl PartialEq for TagsOf<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for TagsOf<'_> {}

/// Which state of a thing, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct VersionOf<'a> {
    /// Grows with each state; above 0.
    pub number: u64,
    /// Which count the number belongs to.
    pub epoch: &'a str,
}

impl<'a> VersionOf<'a> {
    pub(super) fn encode(into: &mut Vec<u8>, version: Self) {
        put_u64(into, version.number);
        put_bytes(into, version.epoch.as_bytes());
    }

    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        Ok(Self { number: fields.u64()?, epoch: fields.text()? })
    }
}

impl<'a> PublicationRecord<'a> {
    /// The record of a publication that the home took at `time_unix_ms`, without key and version.
    pub fn of(channel: &'a str, epoch: &'a str, publication: &'a Publication, time_unix_ms: i64) -> Self {
        Self {
            channel,
            epoch,
            offset: publication.offset,
            time_unix_ms,
            tells_time: publication.time_unix_ms != 0,
            data: PayloadOf::of(&publication.data),
            info: publication.info.as_deref().map(InfoOf::of),
            tags: publication.tags.as_deref().map(TagsOf::Held),
            idempotency_key: None,
            version: None,
        }
    }

    /// The publication again. It shares nothing with others.
    pub fn to_publication(&self) -> Publication {
        Publication {
            offset: self.offset,
            data: self.data.to_payload(),
            info: self.info.map(|info| Arc::new(info.to_info())),
            tags: self.tags.map(TagsOf::to_tags),
            time_unix_ms: if self.tells_time { self.time_unix_ms } else { 0 },
        }
    }

    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        put_bytes(into, self.channel.as_bytes());
        put_bytes(into, self.epoch.as_bytes());
        put_u64(into, self.offset);
        put_i64(into, self.time_unix_ms);
        into.push(self.tells_time.into());
        PayloadOf::encode(into, self.data);
        put_option(into, self.info, InfoOf::encode);
        put_option(into, self.tags, TagsOf::encode);
        put_option(into, self.idempotency_key, |into, key| put_bytes(into, key.as_bytes()));
        put_option(into, self.version, VersionOf::encode);
    }

    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        Ok(Self {
            channel: fields.text()?,
            epoch: fields.text()?,
            offset: fields.u64()?,
            time_unix_ms: fields.i64()?,
            tells_time: fields.option(|_| Ok(()))?.is_some(),
            data: PayloadOf::decode(fields)?,
            info: fields.option(InfoOf::decode)?,
            tags: fields.option(TagsOf::decode)?,
            idempotency_key: fields.option(Fields::text)?,
            version: fields.option(VersionOf::decode)?,
        })
    }
}
