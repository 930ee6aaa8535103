//! Findings as they are told at a terminal: a line each, what mends it, and a summary.

use std::process::ExitCode;

use super::print::print;
use crate::doctor::{Finding, Verdict};

/// How the summary begins.
pub(super) struct Words {
    /// Where something fails.
    pub(super) fails: &'static str,
    /// Where nothing does.
    pub(super) well: &'static str,
}

/// Prints findings as text or JSON; the exit code is 1 where something fails.
pub(super) fn tell(findings: &[Finding], as_json: bool, words: &Words) -> anyhow::Result<ExitCode> {
    let worst = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok);
    match as_json {
        true => print(&format!("{:#}\n", serde_json::json!({ "verdict": worst, "findings": findings })))?,
        false => print(&report(findings, words))?,
    }
    Ok(if worst == Verdict::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn report(findings: &[Finding], words: &Words) -> String {
    let lines: String = findings.iter().map(|finding| format!("{}  {finding}\n", mark(finding.verdict))).collect();
    let named = |verdict| {
        let names = findings.iter().filter(|finding| finding.verdict == verdict).map(|finding| finding.check);
        names.collect::<Vec<_>>().join(", ")
    };
    let summary = match (named(Verdict::Fail), named(Verdict::Warn)) {
        (failures, _) if !failures.is_empty() => format!("{}: {failures}", words.fails),
        (_, warnings) if !warnings.is_empty() => format!("{}; it could be better: {warnings}", words.well),
        _ => format!("{} as it should", words.well),
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

    const WORDS: Words = Words { fails: "a node cannot run here", well: "a node runs here" };

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
        assert!(report(&findings, &WORDS).ends_with("\na node runs here; it could be better: memlock\n"));
        findings.push(finding("kernel", Verdict::Fail));
        let report = report(&findings, &WORDS);
        assert!(report.contains("FAIL  kernel: 1: little\n      fix: add more\n"), "{report}");
        assert!(report.ends_with("\na node cannot run here: kernel\n"), "{report}");
    }
}
