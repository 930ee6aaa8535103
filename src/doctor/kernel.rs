//! The kernel's version.

use super::Finding;

/// What the rings use, with the kernel that brought it: io_uring_setup(2), io_uring_register(2), io_uring_enter(2).
const FEATURES: [(&str, (u32, u32)); 3] = [
    ("provided buffer rings and multishot accept", (5, 19)),
    ("multishot receive", (6, 0)),
    ("SINGLE_ISSUER and DEFER_TASKRUN", (6, 1)),
];

pub(super) fn check() -> Finding {
    judge(&rustix::system::uname().release().to_string_lossy())
}

/// The version of the kernel that runs, unless it calls itself something else.
pub(super) fn running() -> Option<(u32, u32)> {
    version(&rustix::system::uname().release().to_string_lossy())
}

fn judge(release: &str) -> Finding {
    const CHECK: &str = "kernel";
    let Some(version) = version(release) else {
        return Finding::unknown(CHECK, format!("the kernel calls itself \"{release}\"; a node needs Linux 6.1"));
    };
    let missing: Vec<_> = FEATURES
        .iter()
        .filter(|(_, since)| version < *since)
        .map(|(name, (major, minor))| format!("{name} ({major}.{minor})"))
        .collect();
    if missing.is_empty() {
        return Finding::ok(CHECK, release, "it has all that the rings use");
    }
    Finding::fail(
        CHECK,
        release,
        format!("it is too old for a node: {} missing", missing.join(", ")),
        "run Linux 6.1 or newer: Debian 12, Ubuntu 24.04 and later have it",
        page!("docs/OPERATIONS.md"),
    )
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|char: char| !char.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn kernels_from_6_1_on_will_do() {
        for release in ["6.1.0-37-amd64", "6.10.2", "7.0-rc1", "10.0"] {
            assert_eq!(judge(release).verdict, Verdict::Ok, "{release}");
        }
    }

    #[test]
    fn an_older_kernel_fails_with_what_it_lacks() {
        let finding = judge("5.15.0-91-generic");
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.meaning.contains("multishot receive (6.0)"), "{finding:?}");
        assert!(!judge("6.0.1").meaning.contains("multishot receive"));
    }

    #[test]
    fn a_version_that_cannot_be_read_does_not_stop_a_node() {
        assert_eq!(judge("custom").verdict, Verdict::Warn);
    }
}
