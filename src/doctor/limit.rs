//! Resource limits of the process (getrlimit(2)).

use std::{fmt, fs};

use rustix::process::{Resource, Rlimit, getrlimit, getuid, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};

/// A hard limit, which is what a node can raise its soft limit to. `u64::MAX` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Limit(pub u64);

impl Limit {
    pub(super) fn of(resource: Resource) -> Self {
        Self(getrlimit(resource).maximum.unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            u64::MAX => formatter.write_str("unlimited"),
            number => write!(formatter, "{number}"),
        }
    }
}

/// Whether the kernel lets the process past a limit, because it has one of these capabilities.
pub(super) fn is_exempt(by: CapabilitySet) -> bool {
    capabilities(None).is_ok_and(|own| own.effective.intersects(by)) && is_of_host()
}

/// Whether the process is root, who has no limit of threads.
pub(super) fn is_root() -> bool {
    getuid().is_root() && is_of_host()
}

/// Whether users and capabilities are those of the host: in a user namespace, as of a rootless container, root is a plain
/// user to the kernel's limits (user_namespaces(7)).
fn is_of_host() -> bool {
    fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| is_whole(&map))
}

fn is_whole(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Raises the soft limits of descriptors, locked memory and threads to the hard ones, as any process may.
///
/// # Errors
/// When the kernel refuses.
pub fn raise_limits() -> std::io::Result<()> {
    for resource in [Resource::Nofile, Resource::Memlock, Resource::Nproc] {
        let maximum = getrlimit(resource).maximum;
        setrlimit(resource, Rlimit { current: maximum, maximum })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_of_a_namespace_is_told_from_root_of_the_host() {
        assert!(is_whole("         0          0 4294967295\n"));
        assert!(!is_whole("         0       1000          1\n"));
        assert!(!is_whole("         0       1000          1\n         1     100000      65536\n"));
    }

    #[test]
    fn soft_limits_rise_to_the_hard_ones() {
        let limit = getrlimit(Resource::Nofile);
        let lowered = limit.maximum.unwrap_or(u64::MAX).min(limit.current.unwrap_or(u64::MAX)) - 1;
        setrlimit(Resource::Nofile, Rlimit { current: Some(lowered), ..limit }).unwrap();
        raise_limits().unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current, limit.maximum);
    }
}
