//! The server beside: what its process uses, and what it says about itself.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use procfs::WithCurrentSystemInfo as _;
use procfs::process::Process;

use crate::limits::SCRAPE_TIMEOUT_MS;

/// Where the load generator looks at the server.
#[derive(Debug)]
pub struct Probe {
    processes: Vec<Process>,
    metrics: Option<(ureq::Agent, String)>,
}

/// One look at a process of the server, or at all of them; sums since it began, but for memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Processor time of all threads, nanoseconds.
    pub cpu_ns: u64,
    /// Of that, in user mode; to a tick of the kernel (10 ms).
    pub user_ns: u64,
    /// Of that, in the kernel; to a tick of the kernel (10 ms).
    pub system_ns: u64,
    /// Memory that is in RAM, bytes.
    pub resident_bytes: u64,
    /// Of that, what the process holds for itself: neither code nor files.
    pub anonymous_bytes: u64,
    /// Times that a thread waited of its own will.
    pub voluntary_switches: u64,
    /// Times that a thread was made to wait.
    pub involuntary_switches: u64,
}

impl Usage {
    /// With what another process has used.
    fn plus(self, other: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns + other.cpu_ns,
            user_ns: self.user_ns + other.user_ns,
            system_ns: self.system_ns + other.system_ns,
            resident_bytes: self.resident_bytes + other.resident_bytes,
            anonymous_bytes: self.anonymous_bytes + other.anonymous_bytes,
            voluntary_switches: self.voluntary_switches + other.voluntary_switches,
            involuntary_switches: self.involuntary_switches + other.involuntary_switches,
        }
    }
}

/// Metrics by name, summed over their labels.
pub type Metrics = BTreeMap<String, f64>;

impl Probe {
    /// Looks at processes, and at a URL that answers in the text format of Prometheus; each where it is given.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn new(pids: &[i32], metrics_url: Option<&str>) -> anyhow::Result<Self> {
        let process = |pid: &i32| Process::new(*pid).with_context(|| format!("there is no process {pid} (--pid)"));
        let timeout = Some(Duration::from_millis(SCRAPE_TIMEOUT_MS));
        let agent = || ureq::Agent::config_builder().timeout_global(timeout).build().new_agent();
        let metrics = metrics_url.map(|url| (agent(), url.to_owned()));
        let probe = Self { processes: pids.iter().map(process).collect::<anyhow::Result<_>>()?, metrics };
        if !pids.is_empty() {
            probe.usage().context("the process (--pid) cannot be looked at: is it of another user?")?;
        }
        if let Some(url) = metrics_url {
            probe.metrics().with_context(|| format!("no metrics came from {url} (--metrics)"))?;
        }
        Ok(probe)
    }

    /// What the processes have used together; `None` without any, or when one is gone.
    pub fn usage(&self) -> Option<Usage> {
        self.processes.iter().map(usage).reduce(|sum, usage| Some(sum?.plus(usage?)))?
    }

    /// What the server says about itself; `None` without a URL, or when it does not answer.
    pub fn metrics(&self) -> Option<Metrics> {
        let (agent, url) = self.metrics.as_ref()?;
        let text = agent.get(url).call().ok()?.body_mut().read_to_string().ok()?;
        Some(parse(&text))
    }
}

/// What a process has used; `None` when it is gone.
fn usage(process: &Process) -> Option<Usage> {
    let (stat, status) = (process.stat().ok()?, process.status().ok()?);
    let tick_ns = 1_000_000_000 / procfs::ticks_per_second();
    let kib = |kib: Option<u64>| kib.unwrap_or(0) * 1024;
    let mut usage = Usage {
        user_ns: stat.utime * tick_ns,
        system_ns: stat.stime * tick_ns,
        resident_bytes: stat.rss_bytes().get(),
        anonymous_bytes: kib(status.rssanon),
        ..Usage::default()
    };
    for task in process.tasks().ok()?.flatten() {
        // A thread that has just ended is left out.
        if let (Ok(schedule), Ok(status)) = (task.schedstat(), task.status()) {
            usage.cpu_ns += schedule.sum_exec_runtime;
            usage.voluntary_switches += status.voluntary_ctxt_switches.unwrap_or(0);
            usage.involuntary_switches += status.nonvoluntary_ctxt_switches.unwrap_or(0);
        }
    }
    Some(usage)
}

/// What changed between two looks: counters (`_total`) by how much, others to what. Parts of histograms are left out.
pub fn change(before: &Metrics, after: &Metrics) -> Metrics {
    let is_part = |name: &str| ["_bucket", "_sum", "_count", "_created"].iter().any(|end| name.ends_with(end));
    let changed = |(name, value): (&String, &f64)| {
        let since = if name.ends_with("_total") { before.get(name).copied().unwrap_or(0.0) } else { 0.0 };
        (name.clone(), value - since)
    };
    after.iter().filter(|(name, _)| !is_part(name)).map(changed).collect()
}

/// Reads the text format of Prometheus, and OpenMetrics. Lines that are no samples are passed over.
fn parse(text: &str) -> Metrics {
    let mut metrics = Metrics::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        // An exemplar may follow, with labels of its own.
        let line = line.split(" # ").next().unwrap_or(line);
        let Some(name_end) = line.find(['{', ' ']) else { continue };
        let rest = line.rfind('}').map_or(&line[name_end..], |labels_end| &line[labels_end + 1..]);
        let Some(Ok(value)) = rest.split_ascii_whitespace().next().map(str::parse::<f64>) else { continue };
        *metrics.entry(line[..name_end].to_owned()).or_default() += value;
    }
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_over_their_labels() {
        let text = "# HELP conns Open sockets\n# TYPE conns gauge\nconns{shard=\"0\"} 3\nconns{shard=\"1\"} 4\n\
                    publishes_total{shard=\"0\",text=\"a } b\"} 10 1700000000\n\
                    ticks_bucket{le=\"+Inf\"} 7 # {trace=\"x\"} 0.5\nup 1\n\n# EOF\n";
        let expected = [("conns", 7.0), ("publishes_total", 10.0), ("ticks_bucket", 7.0), ("up", 1.0)];
        assert_eq!(parse(text), expected.map(|(name, value)| (name.to_owned(), value)).into());
    }

    #[test]
    fn what_is_no_sample_is_passed_over() {
        assert_eq!(parse("<html>\nname\nname x\n{} \n"), Metrics::new());
    }

    #[test]
    fn counters_are_told_by_their_growth_and_gauges_by_their_value() {
        let before = parse("a_total 5\nb 5\n");
        let after = parse("a_total 7\nb 6\nc_total 1\nd_bucket{le=\"1\"} 3\n");
        assert_eq!(change(&before, &after), parse("a_total 2\nb 6\nc_total 1\n"));
    }

    #[test]
    fn this_process_uses_memory_and_processor_time() {
        let probe = Probe::new(&[std::process::id() as i32], None).unwrap();
        let usage = probe.usage().unwrap();
        assert!(usage.cpu_ns > 0 && usage.anonymous_bytes > 0, "{usage:?}");
        assert!(usage.resident_bytes >= usage.anonymous_bytes, "{usage:?}");
    }

    #[test]
    fn what_several_processes_use_is_added_up() {
        let own = std::process::id() as i32;
        let [one, two] = [&[own][..], &[own, own]].map(|pids| Probe::new(pids, None).unwrap().usage().unwrap());
        // What each has used only grows; memory and threads may go meanwhile.
        assert!(one.user_ns > 0 && two.user_ns >= 2 * one.user_ns, "{one:?} {two:?}");
    }

    #[test]
    fn a_process_that_is_not_there_is_refused_by_its_number() {
        let error = Probe::new(&[i32::MAX], None).unwrap_err().to_string();
        assert!(error.contains(&i32::MAX.to_string()), "{error}");
    }
}
