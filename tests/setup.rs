//! What the tests need of a machine: `tests/packages` knows every program that they call, and sees that it is missing.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use tempfile::TempDir;

/// What every Linux and every Rust toolchain has.
const ALWAYS: [&str; 4] = ["sh", "bash", "cargo", "rustc"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn script() -> String {
    fs::read_to_string(root().join("tests/packages")).expect("the script is there")
}

/// The tables of the script: programs of which one is enough, and the packages, of Debian and of PyPI, that bring them. What
/// only packages are built with is not among them.
fn table() -> Vec<(Vec<String>, BTreeSet<String>)> {
    let script = script();
    let (before, packaging) = script.split_once("\npackaging=(").expect("there is a table for packages");
    let (_, after) = packaging.split_once("\n)").expect("the table ends");
    let script = format!("{before}{after}");
    let line = Regex::new(r#"(?m)^    "([^ "]+) (?:\S+ \S+ )?([^ "]+)"$"#).unwrap();
    let mut table = Vec::<(Vec<String>, BTreeSet<String>)>::new();
    for found in line.captures_iter(&script) {
        let (programs, package) = (found[1].split('|').map(str::to_owned).collect(), found[2].to_owned());
        match table.iter_mut().find(|(others, _)| *others == programs) {
            Some((_, packages)) => drop(packages.insert(package)),
            None => table.push((programs, BTreeSet::from([package]))),
        }
    }
    table
}

/// What the script would install on a machine that has these programs and headers only, but for what it fetches below target/tools.
fn missing_with(programs: &BTreeSet<String>) -> Vec<String> {
    const FETCHED: [&str; 3] = ["tests/kafka/pom.xml", "tests/kafka/programs.xml", "tests/kafka/requirements.txt"];
    let machine = TempDir::new().expect("a folder can be made");
    let [bin, include] = ["bin", "include"].map(|folder| machine.path().join(folder));
    fs::create_dir(&bin).expect("a folder can be made");
    for program in programs {
        let path = if program.ends_with(".h") { include.join(program) } else { bin.join(program) };
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder can be made");
        fs::write(&path, "#!/bin/sh\n").expect("a file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
    }
    // So that the machine of this test says nothing: these are the only other places that it looks at.
    let path = machine.path().join("packages");
    let text = script().replace(":/usr/sbin", "").replace("/usr/lib/postgresql", "/nowhere");
    let text = text.replace("/usr/include", &include.display().to_string());
    fs::write(&path, text).unwrap();
    let output = Command::new("/bin/bash").arg(&path).arg("missing").env("PATH", &bin).output().expect("bash runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    let (fetched, packages): (Vec<_>, Vec<_>) = told.split_whitespace().partition(|package| FETCHED.contains(package));
    assert_eq!(fetched, FETCHED, "nobody has put them there");
    packages.into_iter().map(str::to_owned).collect()
}

#[test]
fn a_program_that_is_missing_is_installed_and_nothing_else() {
    let table = table();
    let all: BTreeSet<String> = table.iter().flat_map(|(programs, _)| programs.clone()).collect();
    assert_eq!(missing_with(&all), [""; 0]);
    for (programs, packages) in &table {
        let others = all.iter().filter(|program| !programs.contains(program)).cloned().collect();
        assert_eq!(missing_with(&others).into_iter().collect::<BTreeSet<_>>(), *packages, "without {programs:?}");
    }
}

#[test]
fn an_empty_machine_gets_every_package_once() {
    let packages: BTreeSet<String> = table().into_iter().flat_map(|(_, packages)| packages).collect();
    let missing = missing_with(&BTreeSet::new());
    assert_eq!(missing.iter().cloned().collect::<BTreeSet<_>>(), packages);
    assert_eq!(missing.len(), packages.len(), "{missing:?}");
}

/// Files of the tests with one of these endings, but for what is installed beside them.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && name != "node_modules" && !name.starts_with('.') {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ["rs", "mjs", "py"].iter().any(|known| ending == *known)) {
            found.push(path);
        }
    }
}

#[test]
fn every_program_that_the_tests_call_is_in_the_table() {
    let known: BTreeSet<String> = table().into_iter().flat_map(|(programs, _)| programs).collect();
    let mut files = Vec::new();
    for folder in ["tests", "loadgen/tests", "benches/instructions"] {
        sources(&root().join(folder), &mut files);
    }
    let calls = [
        r#"Command::new\("([^"/]+)"\)"#,
        r#"(?:spawn|execFile\)?|execFileSync|run)\(\s*'([^'/]+)'"#,
        r#"subprocess\.\w+\(\[\s*["']([^"'/]+)["']"#,
        r#"const [A-Z]+: \(&str, &str\) = \("([^"]+)""#,
        r#"(?:^|[ '"\n;(])(setpriv|unshare|prlimit) -"#,
    ];
    let mut called = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("it is text");
        for call in calls {
            called.extend(Regex::new(call).unwrap().captures_iter(&text).map(|found| found[1].to_owned()));
        }
    }
    for program in ["curl", "nc", "nats-server", "mosquitto", "prlimit", "setpriv", "unshare", "valgrind"] {
        assert!(called.contains(program), "this test has lost sight of {program}: {called:?}");
    }
    let unknown: Vec<_> =
        called.iter().filter(|name| !known.contains(*name) && !ALWAYS.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "tests/packages does not install {unknown:?}");
}

#[test]
fn a_program_that_is_too_old_is_told_from_one_that_is_not() {
    let script = script();
    let function = script.split("\n\n").find(|part| part.contains("\nis_old() {")).expect("it looks");
    let versions = [
        ("v18.19.0", "20", true),
        ("v20.0.0", "20", false),
        ("v24.19.0", "20", false),
        ("go version go1.19.8 linux/amd64", "1.23", true),
        ("go version go1.23 linux/amd64", "1.23", false),
        ("go version go1.27.3 linux/amd64", "1.23", false),
        ("", "1.23", true),
    ];
    for (version, least, is_old) in versions {
        let command = format!("program() {{ echo {version}; }}; {function}\nis_old program version {least}");
        let status = Command::new("bash").args(["-c", &command]).status().expect("bash runs");
        assert_eq!(status.success(), is_old, "{version} where {least} will do");
    }
}

#[test]
fn the_first_commands_of_the_readme_find_their_programs_after_make_run() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let first = readme.split("## In production").next().unwrap();
    let script = script();
    let build = script.split("tests=(").next().unwrap();
    let mut tried = 0;
    for program in ["curl", "nc"].into_iter().filter(|program| first.contains(&format!("{program} "))) {
        assert!(build.contains(&format!("\"{program} ")), "`make run` leaves {program} out");
        tried += 1;
    }
    assert!(tried > 0, "the README has other commands now");
}
