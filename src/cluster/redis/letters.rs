//! Dead letters of channels: publications that devices were given up on. Kept in the channel's bucket, bounded in number and bytes;
//! the oldest go.

use std::sync::Arc;

use redis::Value;

use super::bucket::{Generation, Stand};
use super::fault::Fault;
use super::functions::Functions;
use super::pack::{Packed, Unpack, clip, list, number};
use crate::limits::{LETTERS_PER_CALL, REDIS_PAGE_BYTES};
use crate::model::ledger::{DeviceName, Letter, LetterBody, LetterFilter, LetterPlace, Requeuing};

/// A letter's publication: offset, when it was published, and the rest.
pub(super) fn publication(mut from: Unpack) -> Result<LetterBody, Fault> {
    Ok(LetterBody { offset: from.six()?, time_unix_ms: from.six()? as i64, body: from.rest() })
}

/// A user and a device, each behind its length.
pub(super) fn device_name(from: &mut Unpack) -> Result<DeviceName, Fault> {
    Ok(DeviceName { user: from.text()?.into(), device: from.text()?.into() })
}

fn letter(offset: u64, mut from: Unpack) -> Result<Letter, Fault> {
    let (generation, created) = (Generation(from.eight()?), from.six()?);
    let (time_unix_ms, more) = (from.six()? as i64, from.four()?);
    let failures = (0..from.byte()?).map(|_| {
        let name = device_name(&mut from)?;
        Ok((name, from.two()?, from.six()? as i64))
    });
    let failures = failures.collect::<Result<_, Fault>>()?;
    let body = LetterBody { offset, time_unix_ms, body: from.rest() };
    Ok(Letter { life: generation.life(created), body, failures, more })
}

/// Its name in the bucket: the channel, a zero byte, the offset.
fn name_of(place: &LetterPlace) -> Vec<u8> {
    Packed::default().bytes(place.channel.as_bytes()).byte(0).six(clip(place.offset)).end()
}

fn place(mut name: Unpack) -> Result<LetterPlace, Fault> {
    let channel = name.take(name.len().checked_sub(7).ok_or(Fault::Garbled)?)?;
    let channel = Arc::from(Unpack::new(channel).rest_text()?);
    match name.byte()? {
        0 => Ok(LetterPlace { channel, offset: name.six()? }),
        _ => Err(Fault::Garbled),
    }
}

/// Dead letters of all channels of a bucket: those that one call has found.
#[derive(Debug, Default)]
pub struct LettersPage {
    /// By channel and offset, with their channels.
    pub letters: Vec<(Arc<str>, Letter)>,
    /// Behind which there may be more.
    pub next: Option<LetterPlace>,
}

impl Functions {
    /// Dead letters of all channels of a bucket, behind a place: a page of those that have a device of this user ("": anybody's)
    /// that was given up since then, Unix milliseconds. It may be empty although there are more.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn letters_of_bucket(
        &self,
        bucket: u16,
        after: Option<&LetterPlace>,
        (user, since_unix_ms): (&str, i64),
        limit: usize,
    ) -> Result<LettersPage, Fault> {
        let mut command = self.function("letters_of_bucket", bucket);
        command.arg(after.map(name_of).unwrap_or_default()).arg(user).arg(since_unix_ms.max(0));
        command.arg(limit).arg(LETTERS_PER_CALL).arg(REDIS_PAGE_BYTES);
        let mut values = list(self.plain(command).await?)?.into_iter();
        let next = Unpack::of(values.next().ok_or(Fault::Garbled)?)?;
        let next = if next.is_empty() { None } else { Some(place(next)?) };
        let mut letters = Vec::with_capacity(values.len() / 2);
        while let (Some(name), Some(value)) = (values.next(), values.next()) {
            let LetterPlace { channel, offset } = place(Unpack::of(name)?)?;
            letters.push((channel, letter(offset, Unpack::of(value)?)?));
        }
        Ok(LettersPage { letters, next })
    }

    /// Dead letters of a channel, by offset.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn letters(&self, channel: &str, filter: &LetterFilter) -> Result<Vec<Letter>, Fault> {
        let (mut found, mut after) = (Vec::new(), clip(filter.after));
        while found.len() < filter.limit as usize {
            let mut command = self.function("letters", self.keys().bucket_of(channel));
            command.arg(channel).arg(after).arg(&*filter.user).arg(filter.since_unix_ms.max(0));
            command.arg(filter.limit as usize - found.len()).arg(LETTERS_PER_CALL).arg(REDIS_PAGE_BYTES);
            let mut values = list(self.plain(command).await?)?.into_iter();
            let next = number(&values.next().ok_or(Fault::Garbled)?)?;
            while let (Some(offset), Some(value)) = (values.next(), values.next()) {
                found.push(letter(number(&offset)?, Unpack::of(value)?)?);
            }
            if next <= after {
                break;
            }
            after = next;
        }
        Ok(found)
    }

    /// Has a dead letter sent once more to its devices, and tells who listens.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn letter_requeue(&self, bucket: u16, channel: &str, offset: u64) -> Result<Requeuing, Fault> {
        let answer = self.numbered_and_copied("letter_requeue", bucket, |command| {
            command.arg(channel).arg(clip(offset));
        });
        let mut from = Unpack::of(answer.await?)?;
        Stand::unpack(&mut from)?;
        let (verdict, generation, created) = (from.byte()?, Generation(from.eight()?), from.six()?);
        Ok(match verdict {
            0 => Requeuing::None,
            1 => Requeuing::Again(generation.life(created)),
            2 => Requeuing::Anew(publication(from)?),
            3 => Requeuing::Nobody,
            _ => return Err(Fault::Garbled),
        })
    }

    /// Forgets the dead letter of an offset, or all of a channel, and tells who listens. How many those were.
    ///
    /// # Errors
    /// What went wrong; some may be forgotten.
    pub async fn letters_purge(&self, bucket: u16, channel: &str, offset: Option<u64>) -> Result<u64, Fault> {
        let mut purged = 0;
        loop {
            let answer = self.numbered_and_copied("letters_purge", bucket, |command| {
                let offset = offset.map(|offset| clip(offset).to_string()).unwrap_or_default();
                command.arg(channel).arg(offset).arg(LETTERS_PER_CALL);
            });
            let mut from = Unpack::of(answer.await?)?;
            Stand::unpack(&mut from)?;
            let (gone, more) = (from.four()?, from.byte()? == 1);
            purged += u64::from(gone);
            if !more || gone == 0 {
                return Ok(purged);
            }
        }
    }
}

/// Publications of an answer.
pub(super) fn publications(value: Value) -> Result<Vec<LetterBody>, Fault> {
    list(value)?.into_iter().map(|one| publication(Unpack::of(one)?)).collect()
}
