//! Tokens that were called back, as nodes share them: kept in the bucket of the user, or of the token's id, until they are over.
//!
//! Every node has all of them: it reads them when it begins and after a hole, and hears of each ([`told`]). An announcement that
//! was lost opens nothing for long: beside the nodes it is counted in which bucket there was one ([`Functions::revoked_since`]).
//! Those of users and devices are looked at by [`Functions::session_put`] besides.

use bytes::Bytes;
use redis::Value;

use super::fault::Fault;
use super::functions::Functions;
use super::library;
use super::pack::{Packed, Unpack, list, number, string};
use crate::auth::{Revocation, Subject};
use crate::limits::REVOCATIONS_PER_CALL;

/// What six bytes can say; as a time of issue, whenever that was.
const LATEST: i64 = (1 << 48) - 1;

/// Until when tokens may be called back, Unix seconds: what is beyond ends then, as far as Redis goes.
pub const UNTIL_MAX_UNIX_S: i64 = LATEST / 1000;

/// A revocation's bucket goes by this.
fn place(subject: &Subject) -> &str {
    match subject {
        Subject::All => "",
        Subject::Token(name) | Subject::User(name) | Subject::Device { user: name, .. } => name,
    }
}

fn pack(subject: &Subject) -> Vec<u8> {
    match subject {
        Subject::All => b"a".to_vec(),
        Subject::Token(id) => format!("t{id}").into(),
        Subject::User(user) => format!("u{user}").into(),
        Subject::Device { user, device } => {
            let packed = Packed::default().byte(b'd').two(user.len() as u16);
            packed.bytes(user.as_bytes()).bytes(device.as_bytes()).end()
        }
    }
}

fn unpack(mut from: Unpack) -> Result<Subject, Fault> {
    let text = |bytes: Bytes| String::from_utf8(bytes.into()).map(String::into_boxed_str).map_err(|_| Fault::Garbled);
    Ok(match from.byte()? {
        b'a' => Subject::All,
        b't' => Subject::Token(text(from.rest())?),
        b'u' => Subject::User(text(from.rest())?),
        b'd' => {
            let user = from.two().and_then(|length| from.take(length.into()))?;
            Subject::Device { user: text(user)?, device: text(from.rest())? }
        }
        _ => return Err(Fault::Garbled),
    })
}

/// A revocation as items bring it ([`Kind::Revoked`](super::bucket::Kind::Revoked)).
///
/// # Errors
/// [`Fault::Garbled`].
pub fn told(body: Bytes) -> Result<Revocation, Fault> {
    let mut from = Unpack::new(body);
    let (until_unix_s, issued) = (from.six()? as i64 / 1000, from.six()? as i64);
    let issued_before_unix_s = if issued == LATEST { i64::MAX } else { issued };
    Ok(Revocation { subject: unpack(from)?, issued_before_unix_s, until_unix_s })
}

impl Functions {
    /// The bucket in which it is kept that tokens of a subject were called back.
    pub fn bucket_of_subject(&self, subject: &Subject) -> u16 {
        self.keys().bucket_of(place(subject))
    }

    /// Calls tokens back, and tells all nodes. One of the same subject is widened.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn revoke(&self, revocation: &Revocation) -> Result<(), Fault> {
        let arguments = [
            pack(&revocation.subject),
            revocation.until_unix_s.saturating_mul(1000).clamp(0, LATEST).to_string().into(),
            revocation.issued_before_unix_s.clamp(0, LATEST).to_string().into(),
        ];
        let bucket = self.bucket_of_subject(&revocation.subject);
        self.changing_and_copied("revoke", bucket, &arguments).await?;
        // After it is there: who is told of the bucket reads it.
        let mut command = library::function("revoked_in", &self.keys().nodes());
        command.arg(bucket);
        self.plain(command).await.map(drop)
    }

    /// How often tokens were called back by now, and in which buckets they were since they had been so often. In all where any
    /// ever were, where the server has lost count.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn revoked_since(&self, count: u64) -> Result<(u64, Vec<u16>), Fault> {
        let mut command = library::function("revoked_since", &self.keys().nodes());
        command.arg(count);
        let mut answer = list(self.plain(command).await?)?.into_iter();
        let count = number(&answer.next().ok_or(Fault::Garbled)?)?;
        let bucket = |value| u16::try_from(number(&value)?).map_err(|_| Fault::Garbled);
        let buckets = answer.map(bucket).collect::<Result<Vec<_>, _>>()?;
        Ok((count, buckets.into_iter().filter(|bucket| *bucket < self.keys().buckets()).collect()))
    }

    /// A page of what is called back in a bucket, and the cursor of the next: 0 begins and ends. Some may come twice.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn revocations(&self, bucket: u16, cursor: u64) -> Result<(u64, Vec<Revocation>), Fault> {
        let mut command = self.function("revocations", bucket);
        command.arg(cursor).arg(REVOCATIONS_PER_CALL);
        let [next, entries] = <[Value; 2]>::try_from(list(self.plain(command).await?)?).map_err(|_| Fault::Garbled)?;
        let mut entries = list(entries)?.into_iter();
        let mut found = Vec::new();
        while let (Some(subject), Some(reach)) = (entries.next(), entries.next()) {
            found.push(told([string(reach)?, string(subject)?].concat().into())?);
        }
        Ok((number(&next)?, found))
    }
}
