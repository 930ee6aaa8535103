//! The Functions that run in Redis: their source, and how they get there.

use redis::{Cmd, FromRedisValue as _, RedisWrite as _, Value};

use super::fault::Fault;
use super::link::Link;

/// The source, as it is loaded.
pub const SOURCE: &str = concat!(
    include_str!("library/bucket.lua"),
    include_str!("library/stream.lua"),
    include_str!("library/publish.lua"),
    include_str!("library/move.lua"),
    include_str!("library/schedule.lua"),
    include_str!("library/listener.lua"),
    include_str!("library/presence.lua"),
    include_str!("library/session.lua"),
    include_str!("library/ledger.lua"),
    include_str!("library/letter.lua"),
    include_str!("library/device.lua"),
    include_str!("library/note.lua"),
    include_str!("library/member.lua"),
    include_str!("library/ask.lua"),
    include_str!("library/reap.lua"),
    include_str!("library/register.lua"),
    include_str!("library/push.lua"),
    include_str!("library/lease.lua"),
);

/// Which edition of the source this is. It goes up with every change that nodes of the version before can live with; others
/// need a new layout ([`BUCKET_LAYOUT`](crate::model::BUCKET_LAYOUT)), and with it new names of keys and Functions.
pub const REVISION: u64 = 16;

/// What was found in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// They were there, in this revision or a later one.
    Was(u64),
    /// They are there now.
    Now,
}

/// Functions that are loaded together.
#[derive(Clone, Copy, Debug)]
pub struct Library {
    /// The source, as it is loaded.
    pub source: &'static str,
    /// Which edition of the source this is.
    pub revision: u64,
    /// The Function that tells the revision of those that are there.
    pub tells_revision: &'static str,
}

/// Those of the nodes.
const OF_NODES: Library = Library { source: SOURCE, revision: REVISION, tells_revision: "ringpost_1_revision" };

impl Library {
    /// Sees that every primary has the Functions, in this revision or a later one: in a rolling upgrade the newest one's stay.
    ///
    /// A primary that has none is given these only if it still has none then, in one step: another node may have been faster, with
    /// later ones. Where some primary has later ones all are left as they are: whoever has loaded those brings the others up.
    ///
    /// # Errors
    /// What went wrong; at a missing right as well.
    pub async fn load(self, link: &Link) -> Result<Loaded, Fault> {
        let (found, was_added) = match self.revisions(link).await {
            Err(Fault::NoLibrary) => {
                let added = link.call_all(redis::cmd("FUNCTION").arg("LOAD").arg(self.source)).await;
                match (self.revisions(link).await, added) {
                    (Ok(found), _) => (found, true),
                    // What is there under this name tells no revision.
                    (Err(Fault::NoLibrary), Ok(_) | Err(Fault::Other(_))) => (Vec::new(), false),
                    (Err(Fault::NoLibrary), Err(fault)) | (Err(fault), _) => return Err(fault),
                }
            }
            found => (found?, false),
        };
        let oldest = found.iter().min().copied().unwrap_or_default();
        let is_superseded = found.iter().any(|revision| *revision > self.revision);
        if oldest < self.revision && !is_superseded {
            link.call_all(redis::cmd("FUNCTION").arg("LOAD").arg("REPLACE").arg(self.source)).await?;
            return Ok(Loaded::Now);
        }
        Ok(if was_added { Loaded::Now } else { Loaded::Was(oldest) })
    }

    /// The revision of the Functions at each primary.
    async fn revisions(self, link: &Link) -> Result<Vec<u64>, Fault> {
        let answers = link.call_all(redis::cmd("FCALL").arg(self.tells_revision).arg(0)).await?;
        Ok(answers.iter().map(|answer| u64::from_redis_value_ref(answer).unwrap_or_default()).collect())
    }

    /// Calls a Function. A Redis that was emptied, or replaced, is given the Functions first.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn call(self, link: &Link, command: &Cmd) -> Result<Value, Fault> {
        match link.call(command).await {
            Err(Fault::NoLibrary) => {
                Box::pin(self.load(link)).await?;
                link.call(command).await
            }
            answer => answer,
        }
    }
}

/// Sees that every primary has the nodes' Functions, as [`Library::load`] does.
///
/// # Errors
/// As there.
pub async fn load(link: &Link) -> Result<Loaded, Fault> {
    OF_NODES.load(link).await
}

/// Calls a Function of the nodes, as [`Library::call`] does.
///
/// # Errors
/// As there.
pub(super) async fn call(link: &Link, command: &Cmd) -> Result<Value, Fault> {
    OF_NODES.call(link, command).await
}

/// What most calls have room for: so many arguments beside the keys, so many bytes in them, and so many of the keys of a bucket.
const ARGUMENTS: usize = 8;
const ARGUMENTS_BYTES: usize = 512;
const HEAD_BYTES: usize = 48;

/// A call of a Function on the keys that begin with `head`.
pub(super) fn function(name: &str, head: &str) -> Cmd {
    function_of_all(name, [head])
}

/// As [`function`], on the keys that begin with any of these; all are with one server.
pub(super) fn function_of_all<'h>(
    name: &str,
    heads: impl IntoIterator<Item = &'h str, IntoIter: ExactSizeIterator>,
) -> Cmd {
    let heads = heads.into_iter();
    // Nothing of it is moved while it is written.
    let mut command = Cmd::with_capacity(ARGUMENTS + 2 * heads.len(), ARGUMENTS_BYTES + HEAD_BYTES * heads.len());
    command.arg("FCALL").write_arg_fmt(format_args!("ringpost_1_{name}"));
    command.arg(2 * heads.len());
    for head in heads {
        command.arg(head).write_arg_fmt(format_args!("{head}:-"));
    }
    command
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use regex::Regex;

    use super::*;
    use crate::limits::{CLIENT_MESSAGES_PER_USER_MAX, DEAD_LETTER_DEVICES_MAX, RECEIPT_MEMBERS_MAX};

    #[test]
    fn the_functions_go_by_the_revision_and_the_bounds_of_the_node() {
        for said in [
            format!("local REVISION = {REVISION}\n"),
            format!("local SMALL_ROOM = {RECEIPT_MEMBERS_MAX}\n"),
            format!("local LETTER_DEVICES_MAX = {DEAD_LETTER_DEVICES_MAX}\n"),
            format!("SHARE_MAX = 2147483648, {CLIENT_MESSAGES_PER_USER_MAX}\n"),
        ] {
            assert!(SOURCE.contains(&said), "{said}");
        }
    }

    #[test]
    fn the_docs_name_every_command_that_the_functions_call_among_the_rights_of_the_nodes_user() {
        let docs = include_str!("../../../docs/decisions/redis.md");
        let (_, said) = docs.split_once("what the Functions call, `").expect("they are listed");
        let (said, _) = said.split_once('`').expect("the list ends");
        let said: BTreeSet<_> = said.split_whitespace().filter_map(|right| right.strip_prefix('+')).collect();
        let call = Regex::new(r"(?:redis\.p?call|ours)\('([A-Z]+)'").expect("it is one");
        let called: BTreeSet<_> = call.captures_iter(SOURCE).map(|found| found[1].to_lowercase()).collect();
        assert!(called.iter().map(String::as_str).eq(said), "{called:?}");
        // Hidden in one place, through which `ours` goes.
        let all = ["redis.call(", "redis.pcall(", "ours("].map(|call| SOURCE.matches(call).count());
        assert_eq!(all.iter().sum::<usize>(), call.find_iter(SOURCE).count() + 2, "none is hidden");
    }
}
