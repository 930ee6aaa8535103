//! Transparent huge pages: who gets them.

use std::fs;

use super::Finding;

pub(super) fn check() -> Finding {
    let text = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok();
    judge(text.as_deref().and_then(chosen))
}

fn judge(chosen: Option<&str>) -> Finding {
    const CHECK: &str = "huge pages";
    match chosen {
        None => Finding::ok(CHECK, "none", "the kernel makes none by itself"),
        Some("always") => Finding::warn(
            CHECK,
            "always",
            "memory is taken 2 MiB at a time, and a shard may have to wait until it is found",
            "sudo tuning/huge-pages.sh apply",
            page!("tuning/huge-pages.sh"),
        ),
        Some(other) => Finding::ok(CHECK, other, "memory is taken as it is used"),
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
        assert_eq!(judge(chosen("[always] madvise never\n")).verdict, Verdict::Warn);
        assert_eq!(judge(chosen("always [madvise] never\n")).verdict, Verdict::Ok);
        assert_eq!(judge(chosen("")).verdict, Verdict::Ok);
    }
}
