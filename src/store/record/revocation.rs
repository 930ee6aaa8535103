//! A revocation of tokens as a record.

use serde::Serialize;

use super::fields::{Fields, Unreadable, put_bytes, put_i64};

/// Tokens that are called back, until a time. Every shard has its own record of every revocation. One of the same tokens that
/// comes later widens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RevocationRecord<'a> {
    /// Whose tokens; empty where that does not matter.
    pub user: &'a str,
    /// Of which device of the user; empty for all.
    pub device: &'a str,
    /// The only token that is meant; empty for all.
    pub id: &'a str,
    /// Those issued before, Unix seconds.
    pub issued_before_unix_s: i64,
    /// Until when, Unix seconds.
    pub until_unix_s: i64,
}

impl<'a> RevocationRecord<'a> {
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        put_bytes(into, self.user.as_bytes());
        put_bytes(into, self.device.as_bytes());
        put_bytes(into, self.id.as_bytes());
        put_i64(into, self.issued_before_unix_s);
        put_i64(into, self.until_unix_s);
    }

    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        Ok(Self {
            user: fields.text()?,
            device: fields.text()?,
            id: fields.text()?,
            issued_before_unix_s: fields.i64()?,
            until_unix_s: fields.i64()?,
        })
    }
}
