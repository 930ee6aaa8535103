//! What the kernel says about this process.

use std::fs;

/// One look at `/proc/self`. What cannot be read is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ProcessStats {
    /// Processor time of all threads, user and system, seconds.
    pub(super) cpu_s: f64,
    /// Memory that is in RAM, bytes.
    pub(super) resident_bytes: u64,
    /// Descriptors that are open.
    pub(super) open_fds: u64,
    /// Most descriptors that may be open; `None` is no limit.
    pub(super) max_fds: Option<u64>,
}

impl ProcessStats {
    /// Looks.
    pub(super) fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        Self {
            cpu_s: cpu_ticks(&stat) as f64 / rustix::param::clock_ticks_per_second() as f64,
            resident_bytes: field(&statm, 1) * rustix::param::page_size() as u64,
            open_fds: fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64),
            max_fds: limit.current,
        }
    }
}

/// `utime` and `stime`: fields 14 and 15 (proc_pid_stat(5)). The second field is a name in parentheses and may
/// hold spaces, so counting begins behind it.
fn cpu_ticks(stat: &str) -> u64 {
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    field(after_name, 11) + field(after_name, 12)
}

fn field(text: &str, at: usize) -> u64 {
    text.split_ascii_whitespace().nth(at).and_then(|field| field.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194304 100 0 0 0 31 11 0 0 20 0 1 0 100 0 0";
        assert_eq!(cpu_ticks(stat), 42);
    }

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let stats = ProcessStats::read();
        assert!(stats.resident_bytes > 1 << 20 && stats.open_fds >= 3, "{stats:?}");
    }
}
