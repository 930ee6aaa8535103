//! A PostgreSQL for one test: reached by a socket in a folder of its own, and by loopback where that is wanted; ended with its owner.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::{env, fs};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::server::{free_port, wait};

/// Whom it runs as where the tests run as root, which it refuses.
const NOBODY: u32 = 65534;

/// A server that runs, with a database `app`.
pub(crate) struct Postgres {
    child: Child,
    folder: TempDir,
    /// Of loopback, where it listens there; otherwise a part of the socket's name.
    pub(crate) port: u16,
}

/// A connection by `psql`.
pub(crate) struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        Self::start_at(5432, &["-c", "listen_addresses="])
    }

    /// One whose log tells of rows, to who reaches it by loopback.
    pub(crate) fn start_logical() -> Self {
        Self::start_at(free_port(), &["-c", "listen_addresses=127.0.0.1", "-c", "wal_level=logical"])
    }

    fn start_at(port: u16, options: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        if geteuid().is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root may");
        }
        let data = folder.path().join("data");
        let mut initdb = program("initdb");
        let made = initdb.args(["--username=app", "--auth=trust", "--no-sync", "--pgdata"]).arg(&data).output();
        let made = made.expect("tests/packages installs it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut postgres = program("postgres");
        postgres.args(options).args(["-c", "fsync=off", "-p", &port.to_string(), "-k"]).arg(folder.path());
        postgres.arg("-D").arg(&data);
        let child = postgres.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tests/packages installs it");
        let this = Self { child, folder, port };
        wait("PostgreSQL answers", || {
            let mut created = this.reached("createdb");
            created.arg("app").stderr(Stdio::null()).status().expect("tests/packages installs it").success()
        });
        this
    }

    /// A program that reaches it.
    pub(crate) fn reached(&self, name: impl AsRef<Path>) -> Command {
        let mut command = Command::new(name.as_ref());
        command.env("PGHOST", self.folder.path()).env("PGPORT", self.port.to_string()).env("PGUSER", "app");
        command.current_dir("/");
        command
    }

    /// What some SQL answers.
    pub(crate) fn run(&self, sql: &str) -> String {
        let output = self
            .reached("psql")
            .args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-d", "app", "-c", sql])
            .output();
        let output = output.expect("tests/packages installs it");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it is text").trim().to_owned()
    }

    /// A connection that stays.
    pub(crate) fn session(&self) -> Session {
        let mut psql = self.reached("psql");
        psql.args(["-X", "-q", "-t", "-A", "-d", "app"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = psql.spawn().expect("tests/packages installs it");
        let input = child.stdin.take().expect("it reads");
        let output = BufReader::new(child.stdout.take().expect("it writes"));
        Session { child, input, output }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // It ends at once, and its children with it.
        let _ = kill_process(Pid::from_child(&self.child), Signal::QUIT);
        let _ = self.child.wait();
    }
}

impl Session {
    /// Runs some SQL and waits until it is done.
    pub(crate) fn run(&mut self, sql: &str) {
        const DONE: &str = "this is done";
        writeln!(self.input, "{sql}\n\\echo {DONE}").expect("it reads");
        let mut line = String::new();
        while !line.contains(DONE) {
            line.clear();
            assert!(self.output.read_line(&mut line).expect("it writes text") > 0, "psql has ended: {sql}");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of the server, as somebody who may run it.
fn program(name: &str) -> Command {
    let path = env::var_os("PATH").unwrap_or_default();
    let of_debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = of_debian.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.extend(env::split_paths(&path));
    let program = folders.into_iter().map(|folder| folder.join(name)).rfind(|file| file.is_file());
    let program = program.unwrap_or_else(|| panic!("{name} is not here: tests/packages installs it"));
    let mut command = Command::new("setpriv");
    if geteuid().is_root() {
        let nobody = NOBODY.to_string();
        command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
    }
    command.arg(program).current_dir("/");
    command
}
