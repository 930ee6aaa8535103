//! Hosts that give little: what the doctor says is enough is enough, and what is not is said before the start.
//!
//! Root is not bound by limits, so these nodes belong to users that have nothing else; who is not root cannot make them.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::process::{Pid, Signal, getuid, kill_process};
use serde_json::Value;

use super::{Node, forget_settings, ringpost};

/// A place from which every user can run the command.
struct Host(tempfile::TempDir);

impl Host {
    /// `None` where no other user can be had.
    fn new() -> Option<Self> {
        if !getuid().is_root() {
            eprintln!("not tried, because it takes root to be somebody else");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        // By a process of its own: a file that this one has open for writing is inherited by what another test starts just
        // then, and cannot be run until that has ended.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_ringpost")).arg(folder.path()).status();
        assert!(copied.expect("there is cp").success(), "the command can be copied");
        Some(Self(folder))
    }

    /// A user who runs nothing yet.
    fn user() -> u32 {
        static USERS: AtomicU32 = AtomicU32::new(0);
        200_000 + std::process::id() % 100_000 * 64 + USERS.fetch_add(1, Ordering::Relaxed)
    }

    /// The command, run by a user of its own behind another command, which sets a limit.
    fn command(&self, behind: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
        self.command_of(Self::user(), behind, arguments, settings)
    }

    fn command_of(&self, user: u32, behind: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
        let mut words = behind.split(' ');
        let mut command = Command::new(words.next().expect("it has a name"));
        forget_settings(&mut command);
        command.args(words).arg(self.0.path().join("ringpost")).args(arguments).uid(user).gid(user);
        command
            .env("RINGPOST_HTTP_SERVER__PORT", "0")
            .env("RINGPOST_TCP_SERVER__PORT", "0")
            .envs(settings.iter().copied());
        command
    }

    fn run(&self, behind: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
        self.command(behind, arguments, settings).output().expect("the command runs")
    }

    fn serve(&self, behind: &str, settings: &[(&str, &str)]) -> Node {
        self.serve_of(Self::user(), behind, settings)
    }

    fn serve_of(&self, user: u32, behind: &str, settings: &[(&str, &str)]) -> Node {
        let mut command = self.command_of(user, behind, &["serve", "--dev"], settings);
        Node(command.stdout(Stdio::piped()).spawn().expect("the node starts"))
    }

    /// The number that the doctor asks for in its remedy, after `name`, where there is too little.
    fn asked_for(&self, behind: &str, check: &str, name: &str, settings: &[(&str, &str)]) -> u64 {
        let output = self.run(behind, &["doctor", "--dev", "--json"], settings);
        let report: Value = serde_json::from_slice(&output.stdout).expect("the report is JSON");
        let findings = report["findings"].as_array().expect("it has findings");
        let finding = findings.iter().find(|finding| finding["check"] == check).expect("it looks at that");
        assert_eq!(finding["verdict"], "fail", "{finding:#}");
        let (_, number) = finding["fix"].as_str().unwrap().split_once(name).expect("it says what to write");
        number.split(|char: char| !char.is_ascii_digit()).next().unwrap().parse().expect("it is a number")
    }
}

/// What a node says that does not start.
fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).expect("the error is text")
}

#[test]
fn a_plain_users_node_starts_with_the_locked_memory_that_the_doctor_asks_for() {
    let Some(host) = Host::new() else { return };
    for (entries, buffers) in [("64", "16"), ("4096", "2048"), ("8192", "256")] {
        let settings = [("RINGPOST_SHARDS__RING_ENTRIES", entries), ("RINGPOST_SHARDS__RECEIVE_BUFFERS", buffers)];
        let bytes = host.asked_for("prlimit --memlock=65536", "memlock", "LimitMEMLOCK=", &settings);
        let mut node = host.serve(&format!("prlimit --memlock={bytes}"), &settings);
        assert!(node.banner().contains("WebSocket"), "{entries}, {buffers}: {bytes} bytes are too little");
        let below = host.run(&format!("prlimit --memlock={}", bytes - 1), &["serve", "--dev"], &settings);
        assert!(refusal(&below).contains("- memlock: "), "{below:?}");
    }
}

#[test]
fn a_killed_node_starts_again_at_once_with_the_locked_memory_of_one() {
    let Some(host) = Host::new() else { return };
    let settings = [("RINGPOST_SHARDS__RING_ENTRIES", "8192"), ("RINGPOST_SHARDS__RECEIVE_BUFFERS", "2048")];
    let bytes = host.asked_for("prlimit --memlock=65536", "memlock", "LimitMEMLOCK=", &settings);
    let (behind, user) = (format!("prlimit --memlock={bytes}"), Host::user());
    for _ in 0..10 {
        let mut node = host.serve_of(user, &behind, &settings);
        assert!(node.banner().contains("WebSocket"), "what the last one has locked still counts");
        kill_process(Pid::from_child(&node.0), Signal::KILL).expect("the node is there");
    }
}

#[test]
fn root_of_a_rootless_container_is_asked_for_as_much_as_a_plain_user() {
    let Some(host) = Host::new() else { return };
    let rootless = "unshare --user --map-root-user prlimit --memlock=65536";
    if !host.run(rootless, &["--version"], &[]).status.success() {
        eprintln!("not tried, because no user namespace can be made here");
        return;
    }
    let asked_for = |behind| host.asked_for(behind, "memlock", "LimitMEMLOCK=", &[]);
    assert_eq!(asked_for(rootless), asked_for("prlimit --memlock=65536"));
}

#[test]
fn no_thread_is_needed_once_a_node_serves() {
    let Some(host) = Host::new() else { return };
    // A name that has to be looked up; nobody serves keys there.
    let settings = [("RINGPOST_CLIENT__TOKEN__JWKS_PUBLIC_ENDPOINT", "http://localhost:9/keys.json")];
    let threads = host.asked_for("prlimit --nproc=3", "threads", "TasksMax=", &settings);
    let mut node = host.serve(&format!("prlimit --nproc={threads}"), &settings);
    let banner = node.banner();
    let (_, tcp) = banner.split_once("TCP").expect("the port is open");
    let mut client = TcpStream::connect(tcp.trim_start().split(',').next().unwrap()).expect("the node accepts");
    let [head, claims] =
        [r#"{"alg":"HS256","kid":"unknown"}"#, r#"{"sub":"ann"}"#].map(|json| URL_SAFE_NO_PAD.encode(json));
    let connect = serde_json::json!({ "id": 1, "connect": { "token": format!("{head}.{claims}.c2lnbmF0dXJl") } });
    client.write_all(format!("{connect}\n").as_bytes()).expect("the node reads");
    let mut line = String::new();
    BufReader::new(client).read_line(&mut line).expect("the node answers");
    assert!(line.contains("3004"), "{line}");
    kill_process(Pid::from_child(&node.0), Signal::TERM).expect("the node is there");
    assert!(node.0.wait().expect("the node ends").success());
    let below = host.run(&format!("prlimit --nproc={}", threads - 1), &["serve", "--dev"], &settings);
    assert!(refusal(&below).contains("- threads: "), "{below:?}");
}

#[test]
fn a_port_that_needs_a_privilege_is_not_called_taken() {
    let first: u16 = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        .expect("the kernel tells")
        .trim()
        .parse()
        .expect("it is a port");
    let Some(host) = Host::new().filter(|_| first > 1) else { return };
    let output = host.run("prlimit --core=0", &["serve", "--dev"], &[("RINGPOST_HTTP_SERVER__PORT", "1")]);
    let said = refusal(&output);
    assert!(said.contains("CAP_NET_BIND_SERVICE") && said.contains("os error 13"), "{said}");
    assert!(!said.contains("another"), "{said}");
}

#[test]
fn an_address_of_another_host_is_said_to_be_one() {
    let mut command = ringpost(&["serve", "--dev"]);
    let output = command.env("RINGPOST_HTTP_SERVER__ADDRESS", "192.0.2.1").output().expect("the command runs");
    let said = refusal(&output);
    assert!(said.contains("this host does not have that address") && said.contains("os error 99"), "{said}");
}
