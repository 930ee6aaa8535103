//! Transparent huge pages: who gets them.

use std::fs;

use super::Finding;

pub(super) fn check() -> Finding {
    let text = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok();
    // The command has switched them off for itself, as the node does.
    let is_off = rustix::thread::transparent_huge_pages_are_disabled().unwrap_or(false);
    judge(text.as_deref().and_then(chosen), is_off)
}

fn judge(chosen: Option<&str>, is_off: bool) -> Finding {
    const CHECK: &str = "huge pages";
    match chosen {
        None | Some("never") => Finding::ok(CHECK, "none", "memory is taken as it is used"),
        Some(other) if is_off => Finding::ok(CHECK, other, "but none for this process: memory is taken as it is used"),
        Some("always") => Finding::warn(
            CHECK,
            "always",
            "memory is taken 2 MiB at a time, and a shard may have to wait until it is found",
            "sudo tuning/huge-pages.sh apply",
            page!("tuning/huge-pages.sh"),
        ),
        Some(other) => {
            let meaning =
                "the allocator asks for them, and the node may not switch them off: memory is taken 2 MiB at a time";
            Finding::ok(CHECK, other, meaning).see(page!("tuning/huge-pages.sh"))
        }
    }
}

/// The word in brackets of `always [madvise] never`.
fn chosen(text: &str) -> Option<&str> {
    text.split_once('[')?.1.split_once(']').map(|(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn huge_pages_for_all_memory_are_said() {
        assert_eq!(judge(chosen("[always] madvise never\n"), false).verdict, Verdict::Warn);
        assert_eq!(judge(chosen("always [madvise] never\n"), false).verdict, Verdict::Ok);
        assert_eq!(judge(chosen(""), false).value, "none");
    }

    #[test]
    fn a_node_that_asks_for_none_gets_none() {
        let finding = judge(chosen("[always] madvise never\n"), true);
        assert_eq!((finding.verdict, finding.see), (Verdict::Ok, None));
    }
}
