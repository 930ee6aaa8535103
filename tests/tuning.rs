//! The host's knobs: that they read only until they are told otherwise, that they put back what they changed, and
//! that people find them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Names of the files in `tuning/`.
fn files() -> BTreeSet<String> {
    let entries = fs::read_dir(root().join("tuning")).expect("the folder is there");
    entries.map(|entry| entry.unwrap().file_name().into_string().expect("a plain name")).collect()
}

/// The scripts that are knobs: all but what they share.
fn scripts() -> Vec<PathBuf> {
    let names = files().into_iter().filter(|name| name.ends_with(".sh") && name != "common.sh");
    names.map(|name| root().join("tuning").join(name)).collect()
}

/// Runs a command of a shell, with a note file of its own and a device that every host has.
fn shell(command: &str, name: &str) -> (Output, String) {
    let notes = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&notes);
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(root().join("tuning"));
    let output = shell.env("STATE_DIR", &notes).env("DEVICE", "lo").output().expect("a shell runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output, said)
}

#[test]
fn every_script_is_one_that_a_shell_understands() {
    for script in scripts().into_iter().chain([root().join("tuning/common.sh")]) {
        let output = Command::new("sh").arg("-n").arg(&script).output().expect("a shell runs");
        assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn every_script_shows_what_is_set_on_any_host() {
    for script in scripts() {
        let (output, said) = shell(&format!("{} show", script.display()), "show");
        assert!(output.status.success() && !said.trim().is_empty(), "{}: {said}", script.display());
    }
}

#[test]
fn without_a_verb_a_script_explains_itself_and_its_undo() {
    for script in scripts() {
        let (output, said) = shell(&script.display().to_string(), "explain");
        assert_eq!(output.status.code(), Some(2), "{}", script.display());
        for part in ["Symptom: ", "Does: ", "Apply: ", "Undo: ", "Risk: ", "Gain: ", "show|apply|undo"] {
            assert!(said.contains(part), "{}: no {part:?} in {said}", script.display());
        }
    }
}

#[test]
fn nothing_is_changed_without_root() {
    // As nobody; who is nobody already stays it. From a copy that nobody can read wherever the repository is.
    for script in scripts() {
        let name = script.file_name().unwrap().display();
        let command = format!(
            "copy=$(mktemp -d) && chmod 755 $copy && cp *.sh $copy && cd / && \
             case $(id -u) in 0) as='setpriv --reuid 65534 --clear-groups' ;; esac; $as $copy/{name} apply; \
             code=$?; rm -r $copy; exit $code"
        );
        let (output, said) = shell(&command, "nobody");
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(said.contains("apply needs root"), "{name}: {said}");
    }
}

/// A network of its own has these settings of its own, so the real kernel can be told without touching the host.
#[test]
fn what_apply_sets_undo_puts_back() {
    let (possible, problem) = shell("unshare --net --map-root-user true", "unshare");
    if !possible.status.success() {
        eprintln!("not tried, because no network can be made here: {problem}");
        return;
    }
    for script in ["backlog.sh", "ports.sh", "tcp-memory.sh"] {
        // Values that no host has already.
        let command = format!(
            "export BACKLOG=9999 SEND=234567 RANGE='20001 65001'; unshare --net --map-root-user sh -ec \
             './$0 show; ./$0 apply; echo --; ./$0 show; ./$0 apply; echo --; ./$0 undo; echo --; ./$0 show; ./$0 undo' \
             {script}"
        );
        let (output, said) = shell(&command, script);
        assert!(output.status.success(), "{script}: {said}");
        let parts: Vec<_> = said.split("--\n").collect();
        let [applied, shown, _undone, restored] = parts[..] else { panic!("{script}: {said}") };
        // Settings that belong to the whole host are not in a network of its own, or cannot be written in it.
        assert!(applied.contains(", apply sets ") && applied.contains(", was "), "{script}: {said}");
        let first = applied.lines().find(|line| line.contains(", apply sets ") && !is_host_wide(line)).unwrap();
        let (path, rest) = first.split_once(" = ").unwrap();
        let (_, wanted) = rest.split_once(", apply sets ").unwrap();
        assert!(shown.contains(&format!("{path} = {wanted}\n")), "{script}: {said}");
        assert!(restored.contains(&format!("{first}\n")), "{script}: {said}");
        assert!(restored.ends_with("nothing to undo\n"), "{script}: {said}");
    }
}

fn is_host_wide(line: &str) -> bool {
    ["tcp_mem ", "netdev_max_backlog "].iter().any(|name| line.contains(name))
}

#[test]
fn the_table_names_every_file() {
    let table = fs::read_to_string(root().join("tuning/README.md")).unwrap();
    for name in files().into_iter().filter(|name| name != "README.md") {
        assert!(table.contains(&format!("({name})")), "{name} is not linked");
    }
}

#[test]
fn the_boot_unit_calls_scripts_that_are_there() {
    let unit = fs::read_to_string(root().join("tuning/ringpost-tuning.service")).unwrap();
    let called: Vec<_> =
        unit.lines().filter_map(|line| line.split_once("ExecStart=")?.1.strip_suffix(" apply")).collect();
    assert!(!called.is_empty());
    for path in called {
        let name = path.strip_prefix("/usr/local/lib/ringpost/tuning/").expect("the place that the unit names");
        assert!(files().contains(name), "{path}");
    }
}

#[test]
fn the_profile_allows_what_a_ring_needs() {
    let profile = fs::read_to_string(root().join("tuning/seccomp.json")).unwrap();
    let profile: Value = serde_json::from_str(&profile).expect("the profile is JSON");
    let groups = profile["syscalls"].as_array().expect("it has rules");
    let allowed: Vec<_> = groups.iter().flat_map(|group| group["names"].as_array().unwrap()).collect();
    for call in ["io_uring_setup", "io_uring_enter", "io_uring_register"] {
        assert!(allowed.iter().any(|name| *name == call), "{call}");
    }
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
}

#[test]
fn what_the_doctor_mends_leads_to_a_file() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
    // A backlog, a number of connections, a port and a core that no host grants.
    let output = command
        .args(["doctor", "--json"])
        .env("RINGPOST_HTTP_SERVER__BACKLOG", "65535")
        .env("RINGPOST_HTTP_SERVER__PORT", "45678")
        .env("RINGPOST_CLIENT__CONNECTION_LIMIT", "2000000000")
        .env("RINGPOST_SHARDS__CORES", "1023")
        .output()
        .expect("the command runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("the report is JSON");
    let findings = report["findings"].as_array().expect("it has findings");
    let mended: Vec<_> = findings.iter().filter(|finding| finding.get("fix").is_some()).collect();
    assert!(mended.iter().any(|finding| finding["see"] == "tuning/isolated-cores.sh"), "{report:#}");
    for finding in mended {
        let see = finding["see"].as_str().unwrap_or_else(|| panic!("it leads nowhere: {finding:#}"));
        assert!(root().join(see).is_file(), "{see}");
    }
}

#[test]
fn the_doctor_leads_to_every_knob() {
    let checks = fs::read_dir(root().join("src/doctor")).expect("the folder is there");
    let source: String = checks.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    // What the scripts share, and what only calls them.
    let no_knob = ["README.md", "common.sh", "ringpost-tuning.service"];
    for name in files().into_iter().filter(|name| !no_knob.contains(&name.as_str())) {
        assert!(source.contains(&format!("page!(\"tuning/{name}\")")), "no check leads to {name}");
    }
}

#[test]
fn the_manual_leads_to_files_and_headings_that_are_there() {
    let manual = fs::read_to_string(root().join("docs/OPERATIONS.md")).unwrap();
    let links: Vec<_> = manual.split("](").skip(1).filter_map(|rest| rest.split_once(')')).collect();
    assert!(links.len() > 5);
    for (link, _) in links {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let file = root().join("docs").join(file);
        assert!(file.exists(), "{link}");
        let is_heading = |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-") == heading;
        assert!(heading.is_empty() || fs::read_to_string(file).unwrap().lines().any(is_heading), "{link}");
    }
}
