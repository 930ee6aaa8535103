//! The gate on instructions (`benches/instructions/`) as CI runs it, but unoptimized and on one operation: what it does
//! when the baseline is another than what is counted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Short to run, and told from all others by its name.
const OPERATION: &str = "outbox: push to a conn that keeps up";

/// Runs the gate; whether it passed, and what it said.
fn gate(baseline: &Path, arguments: &[&str]) -> (bool, String) {
    // Two at a time would write callgrind's file of the operation over each other.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env!("CARGO"))
        .args(["bench", "--quiet", "--workspace", "--profile", "dev", "--bench", "instructions", "--", OPERATION])
        .arg("--baseline")
        .arg(baseline)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo has run this test");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

/// A baseline of what is counted here, changed.
fn baseline(name: &str, change: impl FnOnce(&mut toml::Table)) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("baseline-{name}.toml"));
    let _ = fs::remove_file(&file);
    let (passed, said) = gate(&file, &["--accept"]);
    assert!(passed, "{said}");
    let mut table = fs::read_to_string(&file).expect("it was written").parse().expect("it is TOML");
    change(&mut table);
    fs::write(&file, table.to_string()).expect("it can be written again");
    file
}

/// A baseline of which the operation's count is this many times what it takes.
fn baseline_times(factor: f64) -> PathBuf {
    baseline(&format!("times-{factor}"), |table| {
        let count = &mut table["instructions"][OPERATION];
        *count = (count.as_float().expect("a count has a tenth") * factor).into();
    })
}

#[test]
fn more_than_five_percent_above_the_baseline_fails_and_says_what_to_do() {
    let (passed, said) = gate(&baseline_times(0.94), &[]);
    assert!(!passed, "{said}");
    assert!(said.contains(&format!("{OPERATION} takes more than 5 % more instructions")), "{said}");
    assert!(said.contains("callgrind_annotate ") && said.contains("make gate-accept"), "{said}");
}

#[test]
fn a_little_above_the_baseline_passes() {
    let (passed, said) = gate(&baseline_times(0.97), &[]);
    assert!(passed && !said.contains("gate-accept"), "{said}");
}

#[test]
fn far_below_the_baseline_passes_and_asks_for_a_new_one() {
    let (passed, said) = gate(&baseline_times(1.07), &[]);
    assert!(passed && said.contains("gate-accept"), "{said}");
}

#[test]
fn an_operation_without_a_baseline_fails() {
    let file = baseline("unknown", |table| {
        table["instructions"].as_table_mut().expect("counts by name").clear();
    });
    let (passed, said) = gate(&file, &[]);
    assert!(!passed && said.contains(&format!("{OPERATION} is not in the baseline")), "{said}");
}

#[test]
fn another_compiler_is_said() {
    let file = baseline("compiler", |table| table["origin"]["rustc"] = "rustc 1.0.0".into());
    let (passed, said) = gate(&file, &[]);
    assert!(passed && said.contains("taken with rustc 1.0.0"), "{said}");
    let (passed, said) = gate(&file, &["--accept"]);
    assert!(!passed && said.contains("accept all operations"), "{said}");
}

#[test]
fn another_processor_is_refused() {
    let file = baseline("processor", |table| table["origin"]["architecture"] = "riscv64".into());
    let (passed, said) = gate(&file, &[]);
    assert!(!passed && said.contains("instructions of riscv64"), "{said}");
}
