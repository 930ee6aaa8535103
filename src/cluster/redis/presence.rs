//! Who is in a channel. Entries name the incarnation that put them; they count while its lease lives, which the caller knows.

use bytes::Bytes;
use redis::Value;

use super::bucket::{Generation, Stand};
use super::fault::Fault;
use super::functions::{Functions, Incarnation};
use super::leases::Leases;
use super::pack::{Packed, Unpack, list, number, string};
use crate::limits::SESSION_TTL_MS;

/// Bytes of a client's id, with which begins how it is seen.
const CLIENT_BYTES: usize = 16;

/// A client that comes, goes, or is seen anew.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The channel.
    pub channel: &'a str,
    /// How it is seen: its client's id (16 bytes), its user (with four bytes for its length), and more.
    pub info: &'a [u8],
    /// Whether those who listen are told that it comes and goes.
    pub is_announced: bool,
    /// In which generation it was listed before; that of none, if nobody was told of it.
    pub told_in: Generation,
}

impl Member<'_> {
    fn arguments(&self) -> [Vec<u8>; 4] {
        assert!(self.info.len() >= CLIENT_BYTES, "who is seen has an id");
        let (client, rest) = self.info.split_at(CLIENT_BYTES);
        let seen = Packed::default().byte(self.is_announced.into()).bytes(rest).end();
        [self.channel.as_bytes().to_vec(), client.to_vec(), self.told_in.0.to_vec(), seen]
    }
}

/// A client that is in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Whose entry it is.
    pub of: Incarnation,
    /// As [`Member::info`].
    pub info: Bytes,
}

impl Listed {
    fn unpack(client: &[u8], mut entry: Unpack) -> Result<Self, Fault> {
        let of = Incarnation::unpack(&mut entry)?;
        entry.byte()?;
        Ok(Self { of, info: Packed::default().bytes(client).bytes(&entry.rest()).end().into() })
    }
}

/// A page of who is in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The bucket's generation: in another one the list began anew.
    pub generation: Generation,
    /// The cursor of the next page; 0 ends.
    pub next: u64,
    /// Who is listed.
    pub listed: Vec<Listed>,
}

/// How many there are in a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// As [`Page::generation`].
    pub generation: Generation,
    /// Users, those of dead nodes included until they are reaped.
    pub users: u64,
    /// Clients by their node's incarnation.
    pub clients: Vec<(Incarnation, u64)>,
}

impl Numbers {
    /// Clients whose nodes live, and their users: no more than clients, where some are of a dead node.
    pub fn living(&self, leases: &Leases) -> (u64, u64) {
        let living = self.clients.iter().filter(|(of, _)| leases.may_live(*of));
        let clients = living.map(|(_, count)| count).sum();
        (clients, self.users.min(clients))
    }
}

impl Functions {
    /// Puts clients into channels of one bucket, or anew. For 1,800 s; see [`Functions::presence_renew`]. Where the bucket stood.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn presence_add(&self, bucket: u16, members: &[Member<'_>]) -> Result<Stand, Fault> {
        let answer = self.numbered("presence_add", bucket, |command| {
            command.arg(SESSION_TTL_MS).arg(members.iter().flat_map(Member::arguments).collect::<Vec<_>>());
        });
        Stand::unpack(&mut Unpack::of(answer.await?)?)
    }

    /// Takes this node's clients out of channels of one bucket, unless a later incarnation has put them. Where the bucket stood.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn presence_remove(&self, bucket: u16, members: &[Member<'_>]) -> Result<Stand, Fault> {
        let answer = self.numbered("presence_remove", bucket, |command| {
            command.arg(members.iter().flat_map(Member::arguments).collect::<Vec<_>>());
        });
        Stand::unpack(&mut Unpack::of(answer.await?)?)
    }

    /// Lets the presence of channels of one bucket live on for 1,800 s. False: it is no more, and is to be put anew.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn presence_renew(&self, bucket: u16, channels: &[&str]) -> Result<Vec<bool>, Fault> {
        self.renew("presence_renew", bucket, channels).await
    }

    pub(super) async fn renew(&self, name: &str, bucket: u16, names: &[&str]) -> Result<Vec<bool>, Fault> {
        let mut command = self.function(name, bucket);
        command.arg(SESSION_TTL_MS).arg(names);
        let answer = string(self.plain(command).await?)?;
        if answer.len() != names.len() {
            return Err(Fault::Garbled);
        }
        Ok(answer.iter().map(|letter| *letter == b'1').collect())
    }

    /// A page of who is in a channel, about `count` of them, from a cursor on; 0 begins. Who comes and goes meanwhile may be
    /// missing; some may come twice.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn presence_page(&self, channel: &str, cursor: u64, count: u32) -> Result<Page, Fault> {
        let mut command = self.function("presence_page", self.keys().bucket_of(channel));
        command.arg(channel).arg(cursor).arg(count);
        let answer = <[Value; 3]>::try_from(list(self.plain(command).await?)?).map_err(|_| Fault::Garbled)?;
        let [generation, next, entries] = answer;
        let mut entries = list(entries)?.into_iter();
        let mut listed = Vec::new();
        while let (Some(client), Some(entry)) = (entries.next(), entries.next()) {
            listed.push(Listed::unpack(&string(client)?, Unpack::of(entry)?)?);
        }
        let generation = Generation(Unpack::of(generation)?.eight()?);
        Ok(Page { generation, next: number(&next)?, listed })
    }

    /// How many are in a channel, in one call whose cost goes by the nodes in the channel.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn presence_stats(&self, channel: &str) -> Result<Numbers, Fault> {
        let mut command = self.function("presence_stats", self.keys().bucket_of(channel));
        command.arg(channel);
        let answer = <[Value; 3]>::try_from(list(self.plain(command).await?)?).map_err(|_| Fault::Garbled)?;
        let [generation, users, owners] = answer;
        let generation = Generation(Unpack::of(generation)?.eight()?);
        let mut numbers = Numbers { generation, users: number(&users)?, clients: Vec::new() };
        let mut owners = list(owners)?.into_iter();
        while let (Some(owner), Some(count)) = (owners.next(), owners.next()) {
            let mut owner = Unpack::of(owner)?;
            // The other one is the generation.
            if owner.len() == Incarnation::BYTES {
                numbers.clients.push((Incarnation::unpack(&mut owner)?, number(&count)?));
            }
        }
        Ok(numbers)
    }
}
