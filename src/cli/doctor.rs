//! `ringpost doctor`: tells what the host lacks, and how to give it.

use std::process::ExitCode;

use clap::Args;

use super::print::print;
use super::source::Source;
use crate::doctor::{Finding, Verdict, examine, raise_limits};

/// Look at the host: kernel, io_uring, limits, cores, memory, network, power; each with how to mend it
///
/// Ends with code 1 if something would keep a node from running.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    source: Source,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.source.load()?;
        // As `serve` does, so that both see the same; where the kernel refuses, the findings say what is short.
        let _ = raise_limits();
        let findings = examine(&config);
        let worst = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok);
        if self.json {
            print(&format!("{:#}\n", serde_json::json!({ "verdict": worst, "findings": findings })))?;
        } else {
            print(&report(&findings))?;
        }
        Ok(if worst == Verdict::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn report(findings: &[Finding]) -> String {
    let lines: String = findings.iter().map(|finding| format!("{}  {finding}\n", mark(finding.verdict))).collect();
    let named = |verdict| {
        let names = findings.iter().filter(|finding| finding.verdict == verdict).map(|finding| finding.check);
        names.collect::<Vec<_>>().join(", ")
    };
    let summary = match (named(Verdict::Fail), named(Verdict::Warn)) {
        (failures, _) if !failures.is_empty() => format!("a node cannot run here: {failures}"),
        (_, warnings) if !warnings.is_empty() => format!("a node runs here; it could be better: {warnings}"),
        _ => "a node runs here as it should".into(),
    };
    format!("{lines}\n{summary}\n")
}

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok  ",
        Verdict::Warn => "warn",
        Verdict::Fail => "FAIL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(check: &'static str, verdict: Verdict) -> Finding {
        Finding {
            check,
            verdict,
            value: "1".into(),
            meaning: "little".into(),
            fix: Some("add more".into()),
            see: Some("tuning/README.md"),
        }
    }

    #[test]
    fn the_report_ends_with_what_stands_in_the_way() {
        let mut findings = vec![finding("memlock", Verdict::Warn), finding("cores", Verdict::Ok)];
        assert!(report(&findings).ends_with("\na node runs here; it could be better: memlock\n"));
        findings.push(finding("kernel", Verdict::Fail));
        let report = report(&findings);
        assert!(report.contains("FAIL  kernel: 1: little\n      fix: add more\n"), "{report}");
        assert!(report.ends_with("\na node cannot run here: kernel\n"), "{report}");
    }
}
