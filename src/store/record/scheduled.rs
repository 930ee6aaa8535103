//! Publications that are to come, and publications with a time of their own, as records.

use serde::Serialize;
use uuid::Uuid;

use super::fields::{Fields, Unreadable, put_bytes, put_i64, put_option, put_u64};
use super::publication::{PayloadOf, PublicationRecord, TagsOf, VersionOf};
use crate::model::ScheduledId;

/// A publication that is to come: it gets its place when it is due, and is then written once more, as a publication that names
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScheduledRecord<'a> {
    /// The channel.
    pub channel: &'a str,
    /// By which it is called; when it is due.
    pub id: ScheduledId,
    /// What the application sent.
    pub data: PayloadOf<'a>,
    /// Names and values that a backend added.
    pub tags: Option<TagsOf<'a>>,
    /// Whether it is not to be kept in the channel's history.
    pub skips_history: bool,
    /// The key that a retry of the publish comes with.
    pub idempotency_key: Option<&'a str>,
    /// Which state of a thing it tells.
    pub version: Option<VersionOf<'a>>,
    /// How long it is given to who recovers or reads, milliseconds, from when it is published.
    pub ttl_ms: Option<u64>,
    /// The session that does not get it.
    pub exclude_client: Option<Uuid>,
}

/// A publication that ends by itself, or that was scheduled: with this record it is scheduled no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimedRecord<'a> {
    /// How long it is given to who recovers or reads, milliseconds, from its time on.
    pub ttl_ms: Option<u64>,
    /// What it was called while it was to come.
    pub scheduled: Option<ScheduledId>,
    /// The publication.
    pub publication: PublicationRecord<'a>,
}

fn put_text(into: &mut Vec<u8>, text: &str) {
    put_bytes(into, text.as_bytes());
}

pub(super) fn put_id(into: &mut Vec<u8>, id: ScheduledId) {
    put_i64(into, id.due_unix_ms);
    put_u64(into, id.number);
    into.extend_from_slice(&id.life.to_le_bytes());
}

pub(super) fn read_id(fields: &mut Fields<'_>) -> Result<ScheduledId, Unreadable> {
    Ok(ScheduledId { due_unix_ms: fields.i64()?, number: fields.u64()?, life: fields.u32()? })
}

impl<'a> ScheduledRecord<'a> {
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        put_text(into, self.channel);
        put_id(into, self.id);
        PayloadOf::encode(into, self.data);
        put_option(into, self.tags, TagsOf::encode);
        into.push(self.skips_history.into());
        put_option(into, self.idempotency_key, put_text);
        put_option(into, self.version, VersionOf::encode);
        put_option(into, self.ttl_ms, put_u64);
        put_option(into, self.exclude_client, |into, client| into.extend_from_slice(client.as_bytes()));
    }

    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        Ok(Self {
            channel: fields.text()?,
            id: read_id(fields)?,
            data: PayloadOf::decode(fields)?,
            tags: fields.option(TagsOf::decode)?,
            skips_history: fields.option(|_| Ok(()))?.is_some(),
            idempotency_key: fields.option(Fields::text)?,
            version: fields.option(VersionOf::decode)?,
            ttl_ms: fields.option(Fields::u64)?,
            exclude_client: fields.option(Fields::uuid)?,
        })
    }
}

impl<'a> TimedRecord<'a> {
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        put_option(into, self.ttl_ms, put_u64);
        put_option(into, self.scheduled, put_id);
        self.publication.encode(into);
    }

    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        Ok(Self {
            ttl_ms: fields.option(Fields::u64)?,
            scheduled: fields.option(read_id)?,
            publication: PublicationRecord::decode(fields)?,
        })
    }
}
