//! The Functions of the role in Redis.

use crate::cluster::redis::library::Library;

/// The source, as it is loaded.
const SOURCE: &str = include_str!("library.lua");

/// Which edition of the source this is. It goes up with every change that processes of the version before can live with; others
/// need a new layout, and with it new names of keys and Functions.
const REVISION: u64 = 7;

/// The Functions.
pub(super) const LIBRARY: Library =
    Library { source: SOURCE, revision: REVISION, tells_revision: "ringpost_state_1_revision" };

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
        let call = Regex::new(r"(?:redis\.p?call|needed)\('([A-Z]+)'").expect("it is one");
        let called: BTreeSet<_> = call.captures_iter(SOURCE).map(|found| found[1].to_lowercase()).collect();
        let beside = called.iter().map(String::as_str).filter(|right| !nodes.contains(right));
        assert!(beside.eq(said), "{called:?}");
        // Hidden in one place, through which `needed` goes.
        let all = ["redis.call(", "redis.pcall(", "needed("].map(|call| SOURCE.matches(call).count());
        assert_eq!(all.iter().sum::<usize>(), call.find_iter(SOURCE).count() + 2, "none is hidden");
    }

    #[test]
    fn the_functions_say_the_revision_of_the_code() {
        assert!(SOURCE.contains(&format!("local REVISION = {REVISION}\n")));
    }
}
