//! Servers of Redis and Valkey for tests: each on a free port, of loopback if not said otherwise, with a folder of its own, ended
//! with its owner.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use tempfile::TempDir;

/// How long a server may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where ports are taken: below those that the kernel gives to who asks for any and to who connects. A broker needs seconds until it
/// binds its own, in which it must stay free.
const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 10_000;

/// A server of a Cluster takes a second port, so much above its own.
const BUS: u16 = 10_000;

/// Where a process runs.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its address.
    pub(crate) address: String,
    /// What it is started through, such as `env NAME=value`: a program that becomes it, and its arguments.
    pub(crate) through: Vec<String>,
}

impl Place {
    /// Loopback.
    pub(crate) fn here() -> Self {
        Self { address: "127.0.0.1".into(), through: Vec::new() }
    }

    /// A program there.
    pub(crate) fn command(&self, program: &str) -> Command {
        match self.through.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        }
    }
}

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    place: Place,
    kind: Kind,
    options: Vec<String>,
    folder: TempDir,
}

/// Which server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Redis,
    Valkey,
}

impl Kind {
    /// Its command there, without arguments.
    pub(crate) fn program(self, place: &Place) -> Command {
        match self {
            Self::Redis => place.command("redis-server"),
            Self::Valkey => {
                let mut command = place.command("valkey-server");
                // Where tests/packages puts it.
                let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin");
                command.env("PATH", format!("{tools}:{}", env::var("PATH").unwrap_or_default()));
                command
            }
        }
    }
}

/// A port that nobody has now, and that this process gives to nobody else.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Other processes begin elsewhere.
    let first = process::id().wrapping_mul(7_919);
    let mut ports = (0..PORTS).map(|_| {
        let at = first.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % u32::from(PORTS);
        FIRST_PORT + at as u16
    });
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    ports.find(|port| is_free(*port) && is_free(port + BUS)).expect("loopback has ports")
}

impl Server {
    /// Starts one with options as of its configuration file: `["--maxmemory", "100mb"]`.
    pub(crate) fn start(kind: Kind, options: &[&str]) -> Self {
        Self::start_at(kind, &Place::here(), options)
    }

    /// As [`Server::start`], elsewhere.
    pub(crate) fn start_at(kind: Kind, place: &Place, options: &[&str]) -> Self {
        let (folder, port) = (TempDir::new().expect("a folder can be made"), free_port());
        let options: Vec<_> = options.iter().map(ToString::to_string).collect();
        let child = run(kind, place, port, &folder, &options);
        Self { child, port, place: place.clone(), kind, options, folder }
    }

    /// Starts it again, with what it has on disk.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = run(self.kind, &self.place, self.port, &self.folder, &self.options);
    }

    /// What `redis-cli` says.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        cli_at(&self.place.address, self.port, arguments)
    }

    pub(crate) fn set(&self, option: &str, value: &str) {
        assert_eq!(self.cli(&["CONFIG", "SET", option, value]).trim(), "OK", "{option}");
    }

    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.place.address, self.port)
    }

    /// Ends it as a loss of power would.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn run(kind: Kind, place: &Place, port: u16, folder: &TempDir, options: &[String]) -> Child {
    let (mut program, address) = (kind.program(place), place.address.as_str());
    program.args(["--port", &port.to_string(), "--bind", address, "--protected-mode", "no", "--save", "", "--dir"]);
    let child = program.arg(folder.path()).args(options).stdout(Stdio::null()).spawn();
    let child = child.expect("tests/packages installs it");
    wait("the server answers", || {
        let said = cli_at(address, port, &["PING"]);
        said.contains("PONG") || said.contains("NOAUTH")
    });
    child
}

/// How long an argument of a program may be, bytes.
const ARGUMENT_BYTES_MAX: usize = 128 * 1024;

/// What `redis-cli` says to the server there; its last argument may be of any length.
pub(crate) fn cli_at(address: &str, port: u16, arguments: &[&str]) -> String {
    let mut program = Command::new("redis-cli");
    program.args(["-h", address, "-p", &port.to_string()]).stdout(Stdio::piped());
    let (arguments, input) = match arguments {
        // The kernel takes none that is longer: the Functions' source is.
        [before @ .., last] if last.len() >= ARGUMENT_BYTES_MAX => (before, *last),
        arguments => (arguments, ""),
    };
    if !input.is_empty() {
        program.arg("-x");
    }
    let child = program.args(arguments).stdin(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.expect("tests/packages installs it");
    child.stdin.take().expect("it has one").write_all(input.as_bytes()).expect("it reads");
    String::from_utf8_lossy(&child.wait_with_output().expect("it ends").stdout).into_owned()
}

/// Waits until something holds.
pub(crate) fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(10));
    }
}
