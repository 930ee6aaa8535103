//! Channels of which members may have to be told of something by a push: kept until somebody has looked, whichever nodes are there then.
//!
//! Before something is published in such a channel it is *armed*: after a while it is *due*, to one node at a time; when that has
//! looked it says so, and up to where members were told. A node that dies meanwhile is followed by another.

use redis::Value;

use super::bucket::Generation;
use super::fault::Fault;
use super::functions::Functions;
use super::pack::{Packed, Unpack, clip, list, string};
use crate::model::Life;

/// Channels are kept in so many buckets, so that nodes have few to ask. All nodes, and all later versions, must say the same.
pub const PUSH_PLACES: u16 = 16;

/// Up to where members were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldUpTo {
    /// In this life of the stream.
    pub life: Life,
    /// Up to this offset.
    pub offset: u64,
}

/// A channel that is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuePushes {
    /// The channel.
    pub channel: String,
    /// When it was armed first, since it was last forgotten: nothing before waits. Unix milliseconds by the clock of Redis.
    pub since_unix_ms: u64,
    /// Up to where members were told since then, if they were.
    pub told: Option<ToldUpTo>,
}

/// When a channel is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// After so many milliseconds.
    After(u64),
    /// When something is published, as far as is known.
    WhenArmed,
}

impl Functions {
    /// The place of a channel among those that are asked.
    fn push_place(&self, channel: &str) -> u16 {
        self.keys().bucket_of(channel) % self.push_places()
    }

    /// How many places there are to ask.
    pub fn push_places(&self) -> u16 {
        PUSH_PLACES.min(self.keys().buckets())
    }

    /// Something is about to be published in channels, each with after how many milliseconds it is looked at.
    ///
    /// # Errors
    /// What went wrong; they may be armed.
    pub async fn push_arm(&self, channels: &[(&str, u64)]) -> Result<(), Fault> {
        let mut placed: Vec<_> = channels.iter().map(|channel| (self.push_place(channel.0), channel)).collect();
        placed.sort_unstable_by_key(|(place, _)| *place);
        for here in placed.chunk_by(|(place, _), (next, _)| place == next) {
            let mut command = self.function("push_arm", here[0].0);
            for (_, (channel, after_ms)) in here {
                command.arg(*channel).arg(clip(*after_ms));
            }
            self.plain(command).await?;
        }
        Ok(())
    }

    /// So many channels of a place that are to be looked at now. Nobody else is given them for so many milliseconds.
    ///
    /// # Errors
    /// What went wrong; they may be given to nobody for that time.
    pub async fn push_due(&self, place: u16, count: u32, lease_ms: u64) -> Result<Vec<DuePushes>, Fault> {
        let mut command = self.function("push_due", place);
        command.arg(count).arg(lease_ms);
        let mut values = list(self.plain(command).await?)?.into_iter();
        values.next().ok_or(Fault::Garbled)?;
        let mut due = Vec::new();
        while let (Some(channel), Some(about)) = (values.next(), values.next()) {
            due.push(unpack(channel, about)?);
        }
        Ok(due)
    }

    /// A channel was looked at: when it is again, after how many milliseconds what is published there is, and up to where members
    /// were told.
    ///
    /// # Errors
    /// What went wrong; it is looked at again.
    pub async fn push_done(
        &self,
        channel: &str,
        again: Again,
        after_ms: u64,
        told: Option<ToldUpTo>,
    ) -> Result<(), Fault> {
        let again_ms = match again {
            Again::After(ms) => clip(ms.max(1)),
            Again::WhenArmed => 0,
        };
        let mut command = self.function("push_done", self.push_place(channel));
        command.arg(channel).arg(again_ms).arg(clip(after_ms)).arg(pack(told));
        self.plain(command).await.map(drop)
    }
}

fn pack(told: Option<ToldUpTo>) -> Vec<u8> {
    let Some(ToldUpTo { life, offset }) = told else { return Vec::new() };
    Packed::default().bytes(&Generation::of(life).0).six(clip(life.created)).six(clip(offset)).end()
}

fn unpack(channel: Value, about: Value) -> Result<DuePushes, Fault> {
    let channel = Unpack::new(string(channel)?).rest_text()?;
    let mut about = Unpack::of(about)?;
    let (_last, since_unix_ms) = (about.six()?, about.six()?);
    let told = match about.is_empty() {
        true => None,
        false => {
            let life = Generation(about.eight()?).life(about.six()?);
            Some(ToldUpTo { life, offset: about.six()? })
        }
    };
    Ok(DuePushes { channel, since_unix_ms, told })
}
