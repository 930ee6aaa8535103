//! The program as people use it.

use std::path::Path;
use std::process::{Command, Output};

use crate::harness::{SECRET, TestNode};
use crate::proxy::{self, Mischief};

fn loadgen(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringpost-loadgen")).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn run(url: &str, json: &Path, html: &Path) -> Output {
    let (json, html) = (json.to_str().unwrap(), html.to_str().unwrap());
    let short = ["--set", "subscribers=3", "--set", "rate_per_s=50", "--set", "warm_up_s=0.2", "--set", "duration_s=1"];
    let files = ["--json", json, "--html", html];
    loadgen(&[&["run", "fanout", "--url", url, "--secret", SECRET], &short[..], &files[..]].concat())
}

#[test]
fn a_run_leaves_a_table_a_record_and_a_page_that_can_be_laid_side_by_side() {
    let node = TestNode::start();
    let directory = tempfile::tempdir().unwrap();
    let [first, second, page] = ["first.json", "second.json", "page.html"].map(|name| directory.path().join(name));
    for json in [&first, &second] {
        let output = run(&node.tcp_url(), json, &page);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let table = stdout(&output);
        assert!(
            table.contains("delivery") && table.contains("p99.99") && table.contains("Every message came"),
            "{table}"
        );
        let page = std::fs::read_to_string(&page).unwrap();
        assert!(page.contains("<svg") && !page.contains(SECRET), "{page}");
        assert!(!page.contains("src=") && !page.contains("href="), "the page needs no other file");
        assert!(!std::fs::read_to_string(json).unwrap().contains(SECRET));
    }
    let both = [first.to_str().unwrap(), second.to_str().unwrap()];
    let output = loadgen(&["report", both[0], both[1], "--html", page.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let table = stdout(&output);
    assert!(table.lines().next().is_some_and(|line| line.contains("first") && line.contains("second")), "{table}");
    assert!(table.contains("delivery p99"), "{table}");
    assert!(std::fs::read_to_string(&page).unwrap().matches("<svg").count() >= 8);
}

#[test]
fn a_lost_message_fails_the_command() {
    let node = TestNode::start();
    let directory = tempfile::tempdir().unwrap();
    let tcp = node.tcp_url().trim_start_matches("tcp://").parse().unwrap();
    let [json, page] = ["run.json", "page.html"].map(|name| directory.path().join(name));
    let output = run(&proxy::start(tcp, Mischief::Drop), &json, &page);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stdout(&output).contains("FAILED"), "{output:?}");
    assert!(std::fs::read_to_string(&json).unwrap().contains("\"lost\": 1"), "the record says it too");
}

#[test]
fn every_scenario_is_listed_and_shown() {
    let list = stdout(&loadgen(&["list"]));
    for name in ["idle", "connect", "publish", "fanout", "fanin", "direct", "chat"] {
        assert!(list.lines().any(|line| line.starts_with(name)), "{name} in {list}");
        let shown = stdout(&loadgen(&["show", name]));
        assert!(shown.contains("[work]") && shown.contains("# duration_s"), "{shown}");
    }
}

#[test]
fn mistakes_are_told_with_the_nearest_right_thing() {
    let cases: [(&[&str], &str); 6] = [
        (&["run", "fanuot"], "did you mean `fanout`"),
        (&["run", "fanout", "--set", "subscriber=3"], "did you mean `subscribers`"),
        (&["run", "fanout", "--set", "subscribers=many"], "does not fit"),
        (&["run", "fanout", "--url", "http://127.0.0.1"], "ws://127.0.0.1"),
        (&["run", "none.toml"], "cannot be read"),
        (&["report", "none.json"], "cannot be read"),
    ];
    for (arguments, expected) in cases {
        let output = loadgen(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}
