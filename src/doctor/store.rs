//! The store: whether its directory can be a node's. Looks where it is already; a node makes it.

use std::path::Path;

use rustix::fs::statvfs;

use super::Finding;
use crate::config::StoreConfig;
use crate::store::StoreError;
use crate::store::directory::look_at_file_system;

const CHECK: &str = "store";

pub(super) fn check(config: &StoreConfig, shards: usize) -> Option<Finding> {
    if !config.is_set() {
        return None;
    }
    let path = Path::new(&config.path);
    // A directory that is not there lies on the file system of one above it.
    let there = path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
    let free = statvfs(there).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
    // The segment that a shard writes to, the next one, and what is not discarded yet.
    Some(judge(config, look_at_file_system(there), free, 2 * shards as u64 * config.segment_size))
}

fn judge(config: &StoreConfig, looked: Result<(), StoreError>, free: u64, least: u64) -> Finding {
    let page = page!("docs/decisions/store.md");
    let path = &config.path;
    match looked {
        Err(problem) => {
            let fix = "give `store.path` a directory on a local disk, of the node's user: StateDirectory= in the systemd unit";
            Finding::fail(CHECK, path, problem.to_string(), fix, page)
        }
        Ok(()) if free < least => Finding::warn(
            CHECK,
            path,
            format!("{free} bytes are free, and a first start takes {least}: two segments a shard"),
            "make room, or lower `store.segment_size`",
            page,
        ),
        Ok(()) if free < config.max_size => Finding::warn(
            CHECK,
            path,
            format!("{free} bytes are free, and the store may take {}", config.max_size),
            "lower `store.max_size` to what is there: a full disk can refuse what makes room",
            page,
        ),
        Ok(()) => Finding::ok(CHECK, path, "the file system writes and syncs at once, and has room"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn config(path: &Path) -> StoreConfig {
        StoreConfig { path: path.to_str().unwrap().into(), max_size: 1 << 22, ..StoreConfig::default() }
    }

    #[test]
    fn a_directory_that_can_be_made_on_a_local_disk_is_well_and_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/store");
        let finding = check(&StoreConfig { segment_size: 4096, ..config(&path) }, 1).unwrap();
        assert_eq!(finding.verdict, Verdict::Ok, "{finding}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn where_nothing_can_be_written_fails() {
        let finding = check(&config(Path::new("/proc/store")), 1).unwrap();
        assert_eq!(finding.verdict, Verdict::Fail, "{finding}");
    }

    #[test]
    fn less_room_than_the_store_may_take_is_told() {
        let config = config(Path::new("/store"));
        for (free, expected) in [(10, Verdict::Warn), (1 << 21, Verdict::Warn), (1 << 22, Verdict::Ok)] {
            assert_eq!(judge(&config, Ok(()), free, 1 << 20).verdict, expected, "{free}");
        }
    }

    #[test]
    fn a_node_without_a_store_is_not_told_of_it() {
        assert!(check(&StoreConfig::default(), 1).is_none());
    }
}
