//! Publications that are to come: kept in the channel's bucket, and published once by whichever node calls when they are due.

use bytes::Bytes;

use super::bucket::{Generation, Item, Stand};
use super::fault::Fault;
use super::functions::Functions;
use super::pack::{Packed, Unpack, clip, list, string};
use super::streams::{Outcome, Publish, Receipt};
use crate::limits::REDIS_PAGE_BYTES;
use crate::model::ScheduledId;

/// What became of a publication that is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduled {
    /// It waits, or one with the same idempotency key does.
    Waits(ScheduledId),
    /// One with this key was published before.
    Published(Receipt),
    /// Too much waits.
    TooMuch,
}

/// When the next publication of a bucket is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// What time it is, Unix milliseconds by the clock of Redis.
    pub now_ms: u64,
    /// When it is due; `None` where nothing is to come.
    pub due_ms: Option<u64>,
}

impl Next {
    /// What an item brings ([`Kind::Due`](super::bucket::Kind::Due)).
    pub fn told(item: &Item) -> Self {
        Self { now_ms: item.time_ms, due_ms: Some(item.offset).filter(|due_ms| *due_ms > 0) }
    }

    fn unpack(from: &mut Unpack) -> Result<Self, Fault> {
        let (now_ms, due_ms) = (from.six()?, from.six()?);
        Ok(Self { now_ms, due_ms: Some(due_ms).filter(|due_ms| *due_ms > 0) })
    }
}

/// What has become of what was due in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// How many do not wait any longer.
    pub taken: u32,
    /// When the next is due.
    pub next: Next,
    /// How many of them were not published, since something foreign lies in the places of their channels.
    pub refused: u32,
}

fn pack_id(id: ScheduledId) -> Vec<u8> {
    Packed::default().six(clip(id.due_unix_ms.max(0) as u64)).six(clip(id.number)).four(id.life).end()
}

fn unpack_id(from: &mut Unpack) -> Result<ScheduledId, Fault> {
    Ok(ScheduledId { due_unix_ms: from.six()? as i64, number: from.six()?, life: from.four()? })
}

impl Functions {
    /// Has something published after so many milliseconds.
    ///
    /// # Errors
    /// What went wrong; after [`Fault::is_open`] it may wait.
    pub async fn schedule_add(&self, bucket: u16, delay_ms: u64, publish: &Publish<'_>) -> Result<Scheduled, Fault> {
        let answer = self.numbered_and_copied("schedule_add", bucket, |command| {
            command.arg(delay_ms).arg(publish.options()).arg(publish.body);
        });
        let mut from = Unpack::of(answer.await?)?;
        Stand::unpack(&mut from)?;
        Ok(match from.byte()? {
            0 => Scheduled::Waits(unpack_id(&mut from)?),
            1 => {
                let (generation, created) = (Generation(from.eight()?), from.six()?);
                Scheduled::Published(Receipt { outcome: Outcome::Repeated, generation, created, offset: from.six()? })
            }
            2 => Scheduled::TooMuch,
            _ => return Err(Fault::Garbled),
        })
    }

    /// Has something not published. False where it does not wait in this channel.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn schedule_cancel(&self, bucket: u16, channel: &str, id: ScheduledId) -> Result<bool, Fault> {
        let answer = self.numbered_and_copied("schedule_cancel", bucket, |command| {
            command.arg(channel).arg(pack_id(id));
        });
        let mut from = Unpack::of(answer.await?)?;
        Stand::unpack(&mut from)?;
        Ok(from.byte()? == 1)
    }

    /// What comes next in a channel, by when it is due: so many at the most, and no more than a page.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn schedule_list(&self, channel: &str, count: u32) -> Result<Vec<(ScheduledId, Bytes)>, Fault> {
        let mut found = Vec::new();
        if count == 0 {
            return Ok(found);
        }
        let mut command = self.function("schedule_list", self.keys().bucket_of(channel));
        command.arg(channel).arg(count).arg(REDIS_PAGE_BYTES);
        let mut values = list(self.plain(command).await?)?.into_iter();
        while let (Some(id), Some(body)) = (values.next(), values.next()) {
            found.push((unpack_id(&mut Unpack::of(id)?)?, string(body)?));
        }
        Ok(found)
    }

    /// When the next of a bucket is due.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn schedule_next(&self, bucket: u16) -> Result<Next, Fault> {
        Next::unpack(&mut Unpack::of(self.plain(self.function("schedule_next", bucket)).await?)?)
    }

    /// Publishes what is due in a bucket, some at a time.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn schedule_due(&self, bucket: u16) -> Result<Due, Fault> {
        let mut from = Unpack::of(self.numbered("schedule_due", bucket, |_| ()).await?)?;
        Stand::unpack(&mut from)?;
        let (taken, next) = (from.four()?, Next::unpack(&mut from)?);
        // Functions of earlier versions do not say it.
        Ok(Due { taken, next, refused: if from.is_empty() { 0 } else { from.four()? } })
    }
}
