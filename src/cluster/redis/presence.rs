//! Who is in a channel. Entries name the incarnation that put them; they count while its lease lives, which the caller knows.

use bytes::Bytes;
use redis::Value;

use super::fault::Fault;
use super::functions::{Functions, Incarnation};
use super::pack::{Packed, Unpack, list, number, string};
use crate::limits::SESSION_TTL_MS;

/// A client in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The client's id.
    pub client: String,
    /// Its user.
    pub user: String,
    /// What is told of it, as it was put.
    pub about: Bytes,
    /// Whose entry it is.
    pub of: Incarnation,
}

/// How many there are in a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Users, those of dead nodes included until they are reaped.
    pub users: u64,
    /// Clients by the slot of their node.
    pub clients: Vec<(u8, u64)>,
}

impl Functions {
    /// Puts clients into channels of one bucket: channel, client, user, and what is told of it. For 1,800 s; see
    /// [`Functions::presence_renew`].
    ///
    /// # Errors
    /// What went wrong.
    pub async fn presence_add(&self, bucket: u16, entries: &[(&str, &str, &str, &[u8])]) -> Result<(), Fault> {
        let mut arguments = vec![SESSION_TTL_MS.to_string().into_bytes()];
        for (channel, client, user, about) in entries {
            let entry = Packed::default().short(user.as_bytes()).bytes(about).end();
            arguments.extend([channel.as_bytes().to_vec(), client.as_bytes().to_vec(), entry]);
        }
        self.changing("presence_add", bucket, &arguments).await
    }

    /// Takes this incarnation's clients out of channels of one bucket: channel and client.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn presence_remove(&self, bucket: u16, entries: &[(&str, &str)]) -> Result<(), Fault> {
        let arguments: Vec<_> = entries.iter().flat_map(|(channel, client)| [*channel, *client]).collect();
        self.changing("presence_remove", bucket, &arguments).await
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

    /// A page of who is in a channel, about `count` of them, and the cursor of the next: 0 begins and ends. Who comes and
    /// goes meanwhile may be missing; some may come twice.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn presence_page(&self, channel: &str, cursor: u64, count: u32) -> Result<(u64, Vec<Presence>), Fault> {
        let mut command = self.function("presence_page", self.keys().bucket_of(channel));
        command.arg(channel).arg(cursor).arg(count);
        let [next, entries] = <[Value; 2]>::try_from(list(self.plain(command).await?)?).map_err(|_| Fault::Garbled)?;
        let mut entries = list(entries)?.into_iter();
        let mut found = Vec::new();
        while let (Some(client), Some(entry)) = (entries.next(), entries.next()) {
            let client = String::from_utf8(string(client)?.into()).map_err(|_| Fault::Garbled)?;
            let mut from = Unpack::of(entry)?;
            found.push(Presence {
                client,
                of: Incarnation::unpack(&mut from)?,
                user: from.text()?,
                about: from.rest(),
            });
        }
        Ok((number(&next)?, found))
    }

    /// How many are in a channel, in one call whose cost goes by the nodes in the channel.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn presence_stats(&self, channel: &str) -> Result<Numbers, Fault> {
        let mut command = self.function("presence_stats", self.keys().bucket_of(channel));
        command.arg(channel);
        let [users, slots] = <[Value; 2]>::try_from(list(self.plain(command).await?)?).map_err(|_| Fault::Garbled)?;
        let slots = list(slots)?;
        let clients = slots.chunks_exact(2).map(|pair| Ok((number(&pair[0])? as u8, number(&pair[1])?)));
        Ok(Numbers { users: number(&users)?, clients: clients.collect::<Result<_, Fault>>()? })
    }
}
