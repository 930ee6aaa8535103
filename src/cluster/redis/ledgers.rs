//! The ledgers of channels of at least once: members, their devices with a floor each, and read positions.
//!
//! What a ledger keeps to stands at [`model::ledger`](crate::model::ledger). Names that are longer than nodes share are nobody's.

use std::collections::BTreeMap;
use std::sync::Arc;

use redis::Value;

use super::bucket::{Generation, Stand};
use super::fault::Fault;
use super::functions::{Functions, Incarnation};
use super::leases::Leases;
use super::letters::publications;
use super::pack::{Packed, Unpack, clip, list, string};
use crate::limits::{MEMBERS_PER_CALL, NOTES_PER_CALL, REDIS_BATCH_BYTES, REDIS_PAGE_BYTES, SHARED_USER_BYTES_MAX};
use crate::model::Life;
use crate::model::ledger::{
    Attach, Attached, DeviceName, Enlist, Happened, LedgerMember, LetterBody, MemberPositions, MembersPage, Note,
    Noted, Requeued, Row,
};
use crate::model::refusal::{Error, ErrorKind};

/// A device's mark: it has missed something.
const HAS_LOST: u8 = 1;

/// A device's mark: nobody looks at it.
const IS_BACKGROUND: u8 = 2;

/// Whether nodes share a user of this name.
fn is_shared(user: &str) -> bool {
    (1..=SHARED_USER_BYTES_MAX).contains(&user.len())
}

fn is_known(name: &DeviceName) -> bool {
    is_shared(&name.user) && name.device.len() <= SHARED_USER_BYTES_MAX
}

fn too_many(what: &str) -> Error {
    ErrorKind::LimitExceeded.because(format!("limit exceeded: {what}"))
}

fn pack_attach(attach: &Attach) -> Vec<u8> {
    let enlists = match attach.enlist {
        Enlist::No => 0,
        Enlist::FromBeginning => 1,
        Enlist::FromTop => 2,
    };
    let seconds = u32::try_from(attach.device_ttl_ms / 1000).unwrap_or(u32::MAX);
    let asks = Packed::default().six(attach.meta_ttl_ms).four(seconds).four(attach.devices_max);
    let asks = asks.four(attach.members_max).four(attach.founded_max).byte(enlists);
    asks.short(attach.name.user.as_bytes()).short(attach.name.device.as_bytes()).end()
}

fn pack_note(channel: &str, note: &Note) -> Vec<u8> {
    let what = match &note.what {
        Happened::Floor { .. } => 0,
        Happened::Read(_) => 1,
        Happened::GivenUp(_) => 2,
        Happened::Resolved(_) => 3,
        Happened::Tried { .. } => 4,
    };
    let life = note.life.unwrap_or_default();
    let packed = Packed::default().byte(what).byte(note.life.is_some().into()).bytes(&Generation::of(life).0);
    let packed = packed.six(clip(life.created)).short(channel.as_bytes());
    let packed = packed.short(note.name.user.as_bytes()).short(note.name.device.as_bytes());
    let packed = match &note.what {
        Happened::Floor { floor, received, noticed, failed, has_lost, is_background } => {
            let marks = (u8::from(*has_lost) * HAS_LOST) | (u8::from(*is_background) * IS_BACKGROUND);
            packed.six(clip(*floor)).six(clip(*received)).two(*failed).byte(marks).six(clip(*noticed))
        }
        Happened::Tried { offset, attempts } => packed.six(clip(*offset)).two(*attempts),
        Happened::Read(offset) | Happened::Resolved(offset) => packed.six(clip(*offset)),
        Happened::GivenUp(given_up) => {
            let (letter, time) = (&given_up.letter, |unix_ms: i64| clip(unix_ms.max(0) as u64));
            let packed = packed.six(clip(letter.offset)).six(time(letter.time_unix_ms));
            packed.two(given_up.attempts).six(time(given_up.at_unix_ms)).bytes(&letter.body)
        }
    };
    packed.end()
}

/// How many notes go by the next call, of those that are left.
fn next_notes(packed: &[Vec<u8>]) -> usize {
    let mut bytes = 0;
    let fits = |(at, note): &(usize, &Vec<u8>)| {
        bytes += note.len();
        // One that is larger than a call goes alone.
        bytes <= REDIS_BATCH_BYTES || *at == 0
    };
    packed.iter().take(NOTES_PER_CALL).enumerate().take_while(fits).count()
}

impl Functions {
    /// Devices subscribe to channels of one bucket: their rows, or why not.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn ledger_attach(
        &self,
        bucket: u16,
        attaches: &[(&str, &Attach)],
        leases: &Leases,
    ) -> Result<Vec<Result<Attached, Error>>, Fault> {
        let known: Vec<_> = attaches.iter().filter(|(_, attach)| is_known(&attach.name)).collect();
        let mut values = Vec::new().into_iter();
        if !known.is_empty() {
            let bytes = REDIS_PAGE_BYTES as usize / known.len();
            // Who is a member by the channel's name becomes it again.
            let makes_members = known.iter().any(|(_, attach)| attach.enlist == Enlist::FromTop);
            let finish = |command: &mut redis::Cmd| {
                command.arg(leases.pack_living()).arg(leases.newest()).arg(bytes);
                for (channel, attach) in known {
                    command.arg(pack_attach(attach)).arg(channel);
                }
            };
            let answer = match makes_members {
                true => self.numbered_and_copied("ledger_attach", bucket, finish).await?,
                false => self.numbered("ledger_attach", bucket, finish).await?,
            };
            values = list(answer)?.into_iter();
            values.next().ok_or(Fault::Garbled)?;
        }
        let mut next = || values.next().ok_or(Fault::Garbled);
        let attached = attaches.iter().map(|(_, attach)| match is_known(&attach.name) {
            true => attached(Unpack::of(next()?)?, next()?),
            false => Ok(Err(too_many("the user's name is too long for several nodes"))),
        });
        attached.collect()
    }

    /// Devices, by channel, user and id, have left channels of one bucket here.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn ledger_detach(&self, bucket: u16, names: &[(&str, &DeviceName)]) -> Result<(), Fault> {
        let known = names.iter().filter(|(_, name)| is_known(name));
        let arguments: Vec<&str> = known.flat_map(|(channel, name)| [*channel, &*name.user, &*name.device]).collect();
        match arguments.is_empty() {
            true => Ok(()),
            false => self.changing("ledger_detach", bucket, &arguments).await,
        }
    }

    /// What has become of devices and positions of channels of one bucket, in order: what came of each.
    ///
    /// # Errors
    /// What went wrong; the first of them may be kept.
    pub async fn ledger_note(&self, bucket: u16, notes: &[(&str, &Note)]) -> Result<Vec<Noted>, Fault> {
        let known = notes.iter().filter(|(_, note)| is_known(&note.name));
        let packed: Vec<_> = known.map(|(channel, note)| pack_note(channel, note)).collect();
        let (mut verdicts, mut left) = (Vec::with_capacity(packed.len()), &packed[..]);
        while !left.is_empty() {
            let (now, later) = left.split_at(next_notes(left));
            let answer = self.numbered_and_copied("ledger_note", bucket, |command| {
                command.arg(now);
            });
            let mut from = Unpack::of(answer.await?)?;
            Stand::unpack(&mut from)?;
            for _ in now {
                verdicts.push(noted(from.byte()?)?);
            }
            left = later;
        }
        let mut verdicts = verdicts.into_iter();
        let all = notes.iter().map(|(_, note)| match is_known(&note.name) {
            true => verdicts.next().ok_or(Fault::Garbled),
            false => Ok(Noted::NoMember),
        });
        all.collect()
    }

    /// Has this node told of each position that moves in a channel of many members, for so many milliseconds. How many members it
    /// has.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn ledger_watch(&self, bucket: u16, channel: &str, ttl_ms: u64) -> Result<u32, Fault> {
        let answer = self.numbered("ledger_watch", bucket, |command| {
            command.arg(channel).arg(ttl_ms);
        });
        let mut from = Unpack::of(answer.await?)?;
        Stand::unpack(&mut from)?;
        from.four()
    }

    /// Users belong to a channel from now on, each with whether it is to receive the stream from its beginning.
    ///
    /// # Errors
    /// What went wrong; the first of them may belong to it.
    pub async fn ledger_add<'a>(
        &self,
        bucket: u16,
        channel: &str,
        users: impl Iterator<Item = (&'a str, bool)>,
        members_max: u32,
        meta_ttl_ms: u64,
    ) -> Result<Result<(), Error>, Fault> {
        let (known, strangers): (Vec<_>, Vec<_>) = users.partition(|(user, _)| is_shared(user));
        let packed = known.iter().map(|(user, begins)| [&[u8::from(*begins)][..], user.as_bytes()].concat());
        for users in packed.collect::<Vec<_>>().chunks(MEMBERS_PER_CALL) {
            let answer = self.numbered_and_copied("ledger_add", bucket, |command| {
                command.arg(members_max).arg(meta_ttl_ms).arg(channel).arg(users);
            });
            let mut from = Unpack::of(answer.await?)?;
            Stand::unpack(&mut from)?;
            if (from.four()? as usize) < users.len() {
                return Ok(Err(too_many("the channel has too many members")));
            }
        }
        Ok(match strangers.is_empty() {
            true => Ok(()),
            false => Err(too_many("a user's name is too long for several nodes")),
        })
    }

    /// Users belong to a channel no longer.
    ///
    /// # Errors
    /// What went wrong; the first of them may be gone.
    pub async fn ledger_remove<'a>(
        &self,
        bucket: u16,
        channel: &str,
        users: impl Iterator<Item = &'a str>,
    ) -> Result<(), Fault> {
        let known: Vec<_> = users.filter(|user| is_shared(user)).collect();
        for users in known.chunks(MEMBERS_PER_CALL) {
            let answer = self.numbered_and_copied("ledger_remove", bucket, |command| {
                command.arg(channel).arg(users);
            });
            answer.await?;
        }
        Ok(())
    }

    /// So many of a channel's members whose names follow this one, in the order of bytes.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn ledger_members(
        &self,
        channel: &str,
        after: &str,
        limit: u32,
        leases: &Leases,
    ) -> Result<MembersPage, Fault> {
        let mut page = MembersPage { life: Life::default(), top: 0, members: 0, users: Vec::new() };
        loop {
            let count = (limit as usize - page.users.len()).min(MEMBERS_PER_CALL);
            let mut command = self.function("ledger_members", self.keys().bucket_of(channel));
            let last = page.users.last().map_or(after, |last| &last.user);
            command.arg(channel).arg(last).arg(count);
            let mut values = list(self.plain(command).await?)?.into_iter();
            (page.life, page.top, page.members) = place(&mut Unpack::of(values.next().ok_or(Fault::Garbled)?)?)?;
            let found = values.len() / 2;
            while let (Some(user), Some(positions)) = (values.next(), values.next()) {
                let user = Unpack::new(string(user)?).rest_text()?.into();
                page.users.push(positions_of(user, Unpack::of(positions)?, leases)?);
            }
            if found < count || page.users.len() >= limit as usize {
                return Ok(page);
            }
        }
    }

    /// One member of a channel, with all devices; `None` where the user is none.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn ledger_member(
        &self,
        channel: &str,
        user: &str,
        leases: &Leases,
    ) -> Result<Option<LedgerMember>, Fault> {
        if !is_shared(user) {
            return Ok(None);
        }
        let mut command = self.function("ledger_member", self.keys().bucket_of(channel));
        command.arg(channel).arg(user);
        let [head, row] = <[Value; 2]>::try_from(list(self.plain(command).await?)?).map_err(|_| Fault::Garbled)?;
        let (life, top, members) = place(&mut Unpack::of(head)?)?;
        let mut row = Unpack::of(row)?;
        if row.is_empty() {
            return Ok(None);
        }
        let (_life, received, read, _forgotten) = (row.four()?, row.six()?, row.six()?, row.six()?);
        let mut devices = Vec::new();
        while !row.is_empty() {
            let (id, floor) = (row.text()?.into(), row.six()?);
            let (_seen, _failed, _marks) = (row.four()?, row.two()?, row.byte()?);
            devices.push((id, floor, has_one_that_lives(Unpack::new(row.short()?), leases)?));
        }
        Ok(Some(LedgerMember { life, top, members, received, read, devices }))
    }
}

/// Where a stream stands, and how many members its channel has.
fn place(from: &mut Unpack) -> Result<(Life, u64, u32), Fault> {
    let (generation, created) = (Generation(from.eight()?), from.six()?);
    Ok((generation.life(created), from.six()?, from.four()?))
}

/// How much of what was received was noticed: all, as far as Functions of earlier versions can tell.
fn noticed(received: u64, from: &mut Unpack) -> Result<u64, Fault> {
    if from.is_empty() { Ok(received) } else { from.six() }
}

/// Whether one of these incarnations lives.
fn has_one_that_lives(mut owners: Unpack, leases: &Leases) -> Result<bool, Fault> {
    let mut lives = false;
    while !owners.is_empty() {
        lives |= leases.may_live(Incarnation::unpack(&mut owners)?);
    }
    Ok(lives)
}

/// A member, but for the devices: received, read, noticed, and to whom devices are attached at which nobody looks.
fn positions_of(user: Arc<str>, mut from: Unpack, leases: &Leases) -> Result<MemberPositions, Fault> {
    let (received, read) = (from.six()?, from.six()?);
    let noticed = noticed(received, &mut from)?;
    let is_background = has_one_that_lives(from, leases)?;
    Ok(MemberPositions { user, received, read, noticed, is_background })
}

/// Dead letters that were requeued for a device, by offset, with how often each was sent since then.
fn requeued(letters: Value, mut tried: Unpack) -> Result<Vec<Requeued>, Fault> {
    let mut attempts = BTreeMap::new();
    while !tried.is_empty() {
        attempts.insert(tried.six()?, tried.two()?);
    }
    let letters = publications(letters)?.into_iter();
    let with_attempts =
        |letter: LetterBody| Requeued { attempts: attempts.get(&letter.offset).copied().unwrap_or_default(), letter };
    let mut requeued: Vec<_> = letters.map(with_attempts).collect();
    requeued.sort_unstable_by_key(|one| one.letter.offset);
    Ok(requeued)
}

fn attached(mut from: Unpack, letters: Value) -> Result<Result<Attached, Error>, Fault> {
    let verdict = from.byte()?;
    let life = Generation(from.eight()?).life(from.six()?);
    let members = from.four()?;
    Ok(match verdict {
        0 => {
            let (received, read, floor) = (from.six()?, from.six()?, from.six()?);
            let (failed, has_lost) = (from.two()?, from.byte()? & HAS_LOST != 0);
            let noticed = noticed(received, &mut from)?;
            let requeued = requeued(letters, from)?;
            let row = Row { received, read, noticed, floor, failed, has_lost, requeued };
            Ok(Attached { life, members, row: Some(row) })
        }
        1 => Ok(Attached { life, members, row: None }),
        2 => Err(too_many("the user has too many devices")),
        3 => Err(too_many("the channel has too many members")),
        4 => Err(too_many("the user was the first member in too many channels")),
        _ => return Err(Fault::Garbled),
    })
}

fn noted(verdict: u8) -> Result<Noted, Fault> {
    Ok(match verdict {
        0 => Noted::Kept,
        1 => Noted::NoMember,
        2 => Noted::NoDevice,
        3 => Noted::OtherLife,
        4 => Noted::Beyond,
        _ => return Err(Fault::Garbled),
    })
}
