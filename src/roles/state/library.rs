//! The Functions of the role in Redis: their source, how they get there, and how one is called.

use redis::{Cmd, FromRedisValue as _, Value};

use crate::cluster::redis::fault::Fault;
use crate::cluster::redis::link::Link;

/// The source, as it is loaded.
const SOURCE: &str = include_str!("library.lua");

/// Which edition of the source this is. It goes up with every change that processes of the version before can live with; others
/// need a new layout, and with it new names of keys and Functions.
const REVISION: u64 = 1;

/// Calls a Function. A Redis that was emptied, or replaced, is given the Functions first.
///
/// # Errors
/// What went wrong.
pub(super) async fn call(link: &Link, command: &Cmd) -> Result<Value, Fault> {
    match link.call(command).await {
        Err(Fault::NoLibrary) => {
            load(link).await?;
            link.call(command).await
        }
        answer => answer,
    }
}

/// Sees that every primary has the Functions, in this revision or a later one.
///
/// # Errors
/// What went wrong; at a missing right as well.
pub(super) async fn load(link: &Link) -> Result<(), Fault> {
    let revision = redis::cmd("FCALL").arg("ringpost_state_1_revision").arg(0).to_owned();
    match link.call_all(&revision).await {
        Ok(answers) => {
            let revisions = answers.iter().map(|answer| u64::from_redis_value_ref(answer).unwrap_or_default());
            if revisions.min().unwrap_or_default() >= REVISION {
                return Ok(());
            }
        }
        Err(Fault::NoLibrary) => {}
        Err(fault) => return Err(fault),
    }
    link.call_all(redis::cmd("FUNCTION").arg("LOAD").arg("REPLACE").arg(SOURCE)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use regex::Regex;

    use super::*;

    /// The rights that a page lists behind these words.
    fn rights<'a>(page: &'a str, behind: &str) -> BTreeSet<&'a str> {
        let (_, said) = page.split_once(behind).expect("they are listed");
        let (said, _) = said.split_once('`').expect("the list ends");
        said.split_whitespace().filter_map(|right| right.strip_prefix('+')).collect()
    }

    #[test]
    fn the_docs_name_every_command_that_the_functions_call_beside_those_of_the_nodes() {
        let nodes = include_str!("../../../docs/decisions/redis.md");
        let nodes = rights(nodes, "what the Functions call, `");
        let said = rights(include_str!("../../../docs/decisions/state.md"), "beside\nthose of [redis](redis.md): `");
        let call = Regex::new(r"redis\.call\('([A-Z]+)'").expect("it is one");
        let called: BTreeSet<_> = call.captures_iter(SOURCE).map(|found| found[1].to_lowercase()).collect();
        let beside = called.iter().map(String::as_str).filter(|right| !nodes.contains(right));
        assert!(beside.eq(said), "{called:?}");
        assert_eq!(SOURCE.matches("redis.call(").count(), call.find_iter(SOURCE).count(), "none is hidden");
    }

    #[test]
    fn the_functions_say_the_revision_of_the_code() {
        assert!(SOURCE.contains(&format!("local REVISION = {REVISION}\n")));
    }
}
