//! Whether the process may use io_uring at all: by sysctl, by seccomp, by trying.

use std::io;

use io_uring::IoUring;
use rustix::io::Errno;

use super::{Finding, proc};
use crate::patience::{lacks_memory, patiently};

const SWITCH: &str = "/proc/sys/kernel/io_uring_disabled";

pub(super) fn check() -> Finding {
    // The flags of the shards' rings. A kernel before 6.6 has no switch.
    let make = || IoUring::builder().setup_single_issuer().setup_defer_taskrun().build(8);
    let ring: io::Result<IoUring> = patiently(make, |error| lacks_memory(error.raw_os_error()));
    judge(proc::read(SWITCH).ok(), ring.map(drop))
}

fn judge(switch: Option<u8>, ring: io::Result<()>) -> Finding {
    const CHECK: &str = "io_uring";
    let Err(error) = ring else { return Finding::ok(CHECK, "usable", "a ring with the flags of a shard can be made") };
    let (meaning, fix, see) = match (switch, Errno::from_io_error(&error)) {
        (Some(switch @ 1..), Some(Errno::PERM)) => (
            format!("the sysctl kernel.io_uring_disabled is {switch}: the host forbids rings to this process"),
            "sudo sysctl -w kernel.io_uring_disabled=0",
            page!("tuning/io-uring.sh"),
        ),
        (_, Some(Errno::PERM | Errno::NOSYS)) => (
            "a seccomp filter or the kernel's build forbids rings; container runtimes filter them by default".into(),
            "allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile, or run the container \
             with --security-opt seccomp=tuning/seccomp.json",
            page!("tuning/seccomp.json"),
        ),
        (_, Some(Errno::INVAL)) => (
            "the kernel does not know the flags SINGLE_ISSUER and DEFER_TASKRUN".into(),
            "run Linux 6.1 or newer",
            page!("docs/OPERATIONS.md"),
        ),
        (_, Some(Errno::NOMEM)) => (
            "the memory that a ring locks is more than the process may lock".into(),
            "raise the memlock limit: `ulimit -l unlimited`, or LimitMEMLOCK=infinity in the systemd unit",
            page!("tuning/limits.conf"),
        ),
        (_, Some(Errno::MFILE | Errno::NFILE)) => (
            "no descriptor is left".into(),
            "raise the descriptor limit: `ulimit -n 1048576`",
            page!("tuning/limits.conf"),
        ),
        _ => (
            "a ring cannot be made".into(),
            "look for io_uring in the kernel's log: sudo dmesg | grep -i uring",
            page!("docs/OPERATIONS.md"),
        ),
    };
    Finding::fail(CHECK, error, meaning, fix, see)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn refused(switch: Option<u8>, errno: Errno) -> Finding {
        let finding = judge(switch, Err(errno.into()));
        assert_eq!(finding.verdict, Verdict::Fail);
        finding
    }

    #[test]
    fn a_ring_that_can_be_made_will_do_whatever_the_switch_says() {
        assert_eq!(judge(Some(1), Ok(())).verdict, Verdict::Ok);
        assert_eq!(judge(None, Ok(())).verdict, Verdict::Ok);
    }

    #[test]
    fn the_sysctl_is_named_where_it_is_the_reason() {
        let finding = refused(Some(2), Errno::PERM);
        assert!(finding.fix.unwrap().contains("kernel.io_uring_disabled=0"));
        assert_eq!(finding.see, Some("tuning/io-uring.sh"));
    }

    #[test]
    fn a_filter_is_named_where_the_sysctl_is_not_the_reason() {
        assert!(refused(Some(0), Errno::PERM).meaning.contains("seccomp"));
        let finding = refused(None, Errno::NOSYS);
        assert!(finding.meaning.contains("seccomp"));
        assert_eq!(finding.see, Some("tuning/seccomp.json"));
    }

    #[test]
    fn other_refusals_lead_to_their_own_remedies() {
        assert!(refused(None, Errno::INVAL).fix.unwrap().contains("6.1"));
        assert!(refused(None, Errno::NOMEM).fix.unwrap().contains("ulimit -l"));
        assert!(refused(None, Errno::MFILE).fix.unwrap().contains("ulimit -n"));
    }
}
