//! Channels: publishing, listening, reading.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use redis::Value;

use super::bucket::{Generation, Stand};
use super::fault::Fault;
use super::foreign::Foreign;
use super::functions::Functions;
use super::pack::{Packed, Unpack, list, string};
use crate::model::Keep;

/// A publication on its way.
#[derive(Clone, Copy, Debug)]
pub struct Publish<'a> {
    /// Where to.
    pub channel: &'a str,
    /// What listeners are to be told.
    pub body: &'a [u8],
    /// What is kept.
    pub keep: Keep,
    /// The idempotency key, and for how long it is remembered at least, milliseconds; twice that at the most.
    pub key: Option<(&'a str, u32)>,
    /// Whose message's id the key is, where it is a client's: of one sender so many are remembered at the most.
    pub sender: Option<&'a str>,
    /// Drops it where the channel has one that is as new: number above 0, and what the number counts within.
    pub version: Option<(u64, &'a str)>,
}

/// The verdict on what was published.
pub(super) const PUBLISHED: u8 = 0;

/// What stands before a window: the key says who has sent it.
const OF_SENDER: u32 = 1 << 31;

/// Sixteen bytes for a name of any length, which no other name has.
fn name_of(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest(&SHA256, name.as_bytes()).as_ref()[..16]);
    bytes
}

impl Publish<'_> {
    /// As the Function takes it, but for its body.
    pub(super) fn options(&self) -> Vec<u8> {
        self.packed(&self.told_key())
    }

    /// The same without the key: what publications of a channel have in common.
    pub(super) fn plan(&self) -> Vec<u8> {
        self.packed(&[])
    }

    /// Whether its plan is the other's, as far as that is seen at once.
    pub(super) fn is_planned_as(&self, other: &Self) -> bool {
        self.channel == other.channel
            && self.keep == other.keep
            && self.window() == other.window()
            && self.version.is_none()
            && other.version.is_none()
    }

    /// The key as a bucket is told it: which says who has sent it, where somebody has.
    pub(super) fn told_key(&self) -> Cow<'_, [u8]> {
        match (self.key, self.sender) {
            (None, _) => Cow::Borrowed(&[]),
            (Some((key, _)), None) => Cow::Borrowed(key.as_bytes()),
            (Some((key, _)), Some(sender)) => Cow::Owned([sender, key].map(name_of).concat()),
        }
    }

    fn window(&self) -> u32 {
        let (_, window) = self.key.unwrap_or_default();
        if self.sender.is_some() { window | OF_SENDER } else { window }
    }

    fn packed(&self, key: &[u8]) -> Vec<u8> {
        let (version, epoch) = self.version.unwrap_or_default();
        let head = Packed::default().four(self.keep.size).six(self.keep.ttl_ms).six(self.keep.meta_ttl_ms);
        let head = head.four(self.window()).four((version >> 32) as u32).four(version as u32);
        head.short(self.channel.as_bytes()).short(key).bytes(epoch.as_bytes()).end()
    }
}

/// What became of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was published.
    Published,
    /// One with this key was published before; the place is that one's.
    Repeated,
    /// The channel has one that is as new; the place is the stream's top.
    Passed,
    /// Its sender has as many ids remembered as may be; there is no place.
    TooMany,
    /// Something foreign lies where it would be kept, or looked up; there is no place, and others of the call are none the worse.
    Foreign(Foreign),
    /// The record was moved before ([`Functions::move_up`]).
    Moved,
}

impl Outcome {
    /// Whether the publication was refused for good.
    pub fn refuses(&self) -> bool {
        matches!(self, Self::TooMany | Self::Foreign(_))
    }
}

/// The answer to a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What became of it.
    pub outcome: Outcome,
    /// The generation in which it has its place.
    pub generation: Generation,
    /// Which creation of the stream; 0 where nothing is kept.
    pub created: u64,
    /// Its offset; 0 where nothing is kept.
    pub offset: u64,
}

/// Where a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bucket's generation.
    pub generation: Generation,
    /// Which creation of the stream in it; 0: there is none.
    pub created: u64,
    /// The offset of the newest publication.
    pub top: u64,
}

/// A kept publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its offset.
    pub offset: u64,
    /// When Redis took it, Unix milliseconds.
    pub time_ms: u64,
    /// What was published.
    pub body: Bytes,
}

/// A part of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where the stream stands.
    pub place: Place,
    /// What time it was, Unix milliseconds by the clock of Redis.
    pub now_ms: u64,
    /// Publications without a hole between them, in the order asked for.
    pub kept: Vec<Kept>,
}

/// Which part of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The first offset.
    pub from: u64,
    /// How many publications at the most.
    pub count: u32,
    /// How many bytes at the most; the first publication is given whatever it has.
    pub bytes: u32,
    /// From `from` down.
    pub is_reverse: bool,
}

/// A channel that a node begins to listen to.
#[derive(Clone, Copy, Debug)]
pub struct Join<'a> {
    /// The channel.
    pub channel: &'a str,
    /// Where it keeps a stream: how long offsets and epoch live, milliseconds.
    pub meta_ttl_ms: Option<u64>,
    /// Nobody listens, somebody reads: a stream that nothing was published to lives for ten minutes at the most by that.
    pub is_read: bool,
    /// What to read with it: what follows this offset of this creation, and bytes at the most.
    pub after: Option<(Generation, u64, u64, u32)>,
}

impl Functions {
    /// Publishes to channels of one bucket, in order, all or nothing; answered once replicas have it, where that is asked for.
    ///
    /// # Errors
    /// What went wrong; after [`Fault::is_open`] they may have been published.
    pub async fn append(&self, bucket: u16, batch: &[Publish<'_>]) -> Result<Vec<Receipt>, Fault> {
        let answer = self.numbered_and_copied("append", bucket, |command| {
            for publish in batch {
                command.arg(publish.options()).arg(publish.body);
            }
        });
        let mut from = Unpack::of(answer.await?)?;
        Stand::unpack(&mut from)?;
        batch.iter().map(|_| receipt(&mut from)).collect()
    }

    /// Begins to listen to channels of one bucket, and reads their streams in the same step: what the pages do not have
    /// comes with the bucket's messages.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn join(&self, bucket: u16, joins: &[Join<'_>]) -> Result<(Stand, Vec<Page>), Fault> {
        let answer = self.numbered("join", bucket, |command| {
            for join in joins {
                let (generation, created, offset, bytes) = join.after.unwrap_or_default();
                let stream = u8::from(join.meta_ttl_ms.is_some()) * (1 + u8::from(join.is_read));
                let options = Packed::default().byte(stream);
                let options = options.six(join.meta_ttl_ms.unwrap_or_default()).bytes(&generation.0);
                command.arg(options.six(created).six(offset).four(bytes).end()).arg(join.channel);
            }
        });
        let mut parts = list(answer.await?)?.into_iter();
        let mut part = || parts.next().ok_or(Fault::Garbled);
        let stand = Stand::unpack(&mut Unpack::of(part()?)?)?;
        let pages = joins.iter().map(|_| page(part()?, part()?, false)).collect::<Result<_, _>>()?;
        Ok((stand, pages))
    }

    /// Ends listening.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn leave(&self, bucket: u16, channels: &[&str]) -> Result<(), Fault> {
        self.changing("leave", bucket, channels).await
    }

    /// Takes a stream's publications away, and tells who listens. Its offsets go on. Gives the offset of the newest that went; 0
    /// where there is no stream.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn remove(&self, bucket: u16, channel: &str) -> Result<u64, Fault> {
        let answer = self.numbered_and_copied("remove", bucket, |command| {
            command.arg(channel);
        });
        let mut from = Unpack::of(answer.await?)?;
        Stand::unpack(&mut from)?;
        from.six()
    }

    /// Reads a part of a stream.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn read(&self, channel: &str, part: Part) -> Result<Page, Fault> {
        let mut command = self.function("read", self.keys().bucket_of(channel));
        command.arg(channel).arg(part.from).arg(part.count).arg(part.bytes).arg(u8::from(part.is_reverse));
        let answer = <[Value; 2]>::try_from(list(self.plain(command).await?)?).map_err(|_| Fault::Garbled)?;
        let [place, kept] = answer;
        page(place, kept, part.is_reverse)
    }

    /// Where streams of one bucket stand. It is an access: they live on.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn position(&self, bucket: u16, meta_ttl_ms: u64, channels: &[&str]) -> Result<Vec<Place>, Fault> {
        let mut command = self.function("position", bucket);
        command.arg(meta_ttl_ms).arg(channels);
        let mut from = Unpack::of(self.plain(command).await?)?;
        channels.iter().map(|_| Ok(place(&mut from)?.0)).collect()
    }

    /// A numbered call whose answer is nothing but where the bucket stands.
    pub(super) async fn changing<A: redis::ToRedisArgs>(
        &self,
        name: &str,
        bucket: u16,
        arguments: &[A],
    ) -> Result<(), Fault> {
        let answer = self.numbered(name, bucket, |command| {
            command.arg(arguments);
        });
        answer.await.map(drop)
    }

    /// As [`Functions::changing`], and answered once replicas have it, where that is asked for.
    pub(super) async fn changing_and_copied<A: redis::ToRedisArgs>(
        &self,
        name: &str,
        bucket: u16,
        arguments: &[A],
    ) -> Result<(), Fault> {
        let answer = self.numbered_and_copied(name, bucket, |command| {
            command.arg(arguments);
        });
        answer.await.map(drop)
    }
}

pub(super) fn receipt(from: &mut Unpack) -> Result<Receipt, Fault> {
    let verdict = from.byte()?;
    result(verdict, from)
}

/// The result that comes with a verdict.
pub(super) fn result(verdict: u8, from: &mut Unpack) -> Result<Receipt, Fault> {
    let (generation, created, offset) = (Generation(from.eight()?), from.six()?, from.six()?);
    let outcome = match verdict {
        PUBLISHED => Outcome::Published,
        1 => Outcome::Repeated,
        2 => Outcome::Passed,
        3 => Outcome::TooMany,
        5 => {
            let outcome = Outcome::Foreign(Foreign::read(offset)?);
            return Ok(Receipt { outcome, generation, created: 0, offset: 0 });
        }
        _ => return Err(Fault::Garbled),
    };
    Ok(Receipt { outcome, generation, created, offset })
}

/// A place, and the offset of the first publication that comes with it.
fn place(from: &mut Unpack) -> Result<(Place, u64), Fault> {
    let generation = Generation(from.eight()?);
    Ok((Place { generation, created: from.six()?, top: from.six()? }, from.six()?))
}

fn page(head: Value, kept: Value, is_reverse: bool) -> Result<Page, Fault> {
    let mut head = Unpack::of(head)?;
    let ((place, first), now_ms) = (place(&mut head)?, head.six()?);
    let kept = list(kept)?.into_iter().zip(0..).map(|(kept, at)| {
        let mut from = Unpack::new(string(kept)?);
        let _expires_ms = from.six()?;
        let offset = if is_reverse { first.checked_sub(at) } else { first.checked_add(at) };
        Ok(Kept { offset: offset.ok_or(Fault::Garbled)?, time_ms: from.six()?, body: from.rest() })
    });
    Ok(Page { place, now_ms, kept: kept.collect::<Result<_, Fault>>()? })
}
