//! The commands of the README, run as they stand there. Only ports are others, so that tests can run side by side.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tempfile::TempDir;

use super::{Node, forget_settings};

/// The block of shell commands in the README that has this command.
fn block(with: &str) -> String {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("it is there");
    let blocks = readme.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned());
    blocks.into_iter().find(|block| block.contains(with)).unwrap_or_else(|| panic!("the README has no {with}"))
}

/// A clone of the repository whose build is done: `cargo` has nothing to do there.
fn clone() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let release = folder.path().join("target/release");
    fs::create_dir_all(&release).expect("the folder is ours");
    symlink(env!("CARGO_BIN_EXE_ringpost"), release.join("ringpost")).expect("the folder is ours");
    let cargo = folder.path().join("cargo");
    fs::write(&cargo, "#!/bin/sh\n").expect("the folder is ours");
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).expect("the file is ours");
    folder
}

/// A shell at work on a block, with all that it started.
struct Shell {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Shell {
    fn run(block: &str, folder: &TempDir, settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new("bash");
        forget_settings(&mut command);
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
        command.args(["-euc", block]).current_dir(folder.path()).env("PATH", path).process_group(0);
        command.envs(settings.iter().copied());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("bash runs");
        let lines = BufReader::new(child.stdout.take().expect("it prints"));
        Self { child, lines }
    }

    /// What is printed until a line that has this.
    fn until(&mut self, wanted: &str) -> String {
        let mut text = String::new();
        while !text.lines().last().is_some_and(|line| line.contains(wanted)) {
            assert!(self.lines.read_line(&mut text).expect("it is text") > 0, "{wanted} did not come: {text}");
        }
        text
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Where the block has ended by itself, nobody is left in the group.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// What stands in a banner after this, up to the next blank or comma.
fn after<'a>(banner: &'a str, name: &str) -> &'a str {
    let (_, rest) = banner.split_once(name).unwrap_or_else(|| panic!("{name} is missing: {banner}"));
    rest.trim_start().split([' ', ',', '/', '\n']).next().expect("a split has a first part")
}

/// An address as `nc` takes it.
fn for_nc(address: &str) -> String {
    address.replace(':', " ")
}

#[test]
fn the_production_block_ends_in_a_node_that_a_client_can_use() {
    let folder = clone();
    let ports = ["RINGPOST_HTTP_SERVER__PORT", "RINGPOST_TCP_SERVER__PORT", "RINGPOST_INTERNAL_SERVER__PORT"];
    let settings = ports.map(|name| (name, "0"));
    let mut node = Shell::run(&block("config init"), &folder, &settings);
    let text = node.until("metrics");
    assert!(text.contains("ringpost.toml: fine\n\n") || text.contains("ringpost.toml: fine\nringpost"), "{text}");

    let commands = block("token connection").replace("127.0.0.1 8001", &for_nc(after(&text, "TCP  ")));
    let mut client = Shell::run(&commands, &folder, &[]);
    let connected: Value = serde_json::from_str(&client.until("\"id\":1")).expect("a reply is JSON");
    assert!(connected["connect"]["client"].is_string(), "{connected}");
    let subscribed: Value = serde_json::from_str(&client.until("\"id\":2")).expect("a reply is JSON");
    assert_eq!(subscribed["subscribe"]["recoverable"], true, "{subscribed}");
}

#[test]
fn what_the_first_block_publishes_is_heard_over_tcp() {
    let mut node = Node::start(&["--dev"]);
    let banner = node.banner();
    let (tcp, http) = (for_nc(after(&banner, "TCP  ")), after(&banner, "ws://"));
    let folder = clone();
    let mut listener = Shell::run(&block("\"connect\":{}").replace("127.0.0.1 8001", &tcp), &folder, &[]);
    listener.until("\"id\":2");
    // Its first line is the node, which runs already.
    let publish = block("make run").replace("make run\n", "").replace("127.0.0.1:8000", http);
    let mut answer = String::new();
    Shell::run(&publish, &folder, &[]).lines.read_to_string(&mut answer).expect("it is text");
    assert!(answer.contains("\"offset\":1"), "{answer}");
    assert!(listener.until("\"pub\"").contains("hello"));
}
