//! What the kernel tells in files.

use std::fs;
use std::str::FromStr;

/// The first word of a file.
///
/// # Errors
/// That it cannot be read or is not what was looked for, with its path.
pub(super) fn read<T: FromStr>(path: &str) -> Result<T, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))?;
    let word = text.split_whitespace().next().unwrap_or_default();
    word.parse().map_err(|_| format!("{path} says \"{}\"", text.trim()))
}

/// A file of this process's group in the unified hierarchy (cgroup v2), which is where containers and systemd
/// set limits. `None` where there is no such limit or no such hierarchy.
pub(super) fn cgroup(file: &str) -> Option<String> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    fs::read_to_string(format!("/sys/fs/cgroup{}/{file}", group.trim_end_matches('/'))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_from_its_file() {
        assert!(read::<u64>("/proc/sys/fs/nr_open").unwrap() > 0);
    }

    #[test]
    fn a_file_that_is_missing_or_says_something_else_is_named() {
        assert!(read::<u64>("/proc/sys/no/such").unwrap_err().starts_with("/proc/sys/no/such cannot be read"));
        assert!(read::<u64>("/proc/sys/kernel/ostype").unwrap_err().contains("says \"Linux\""));
    }
}
