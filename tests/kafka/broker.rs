//! One broker of a Kafka, which is a controller of it, too: a process on free ports of loopback with a folder of its own, ended with
//! its owner.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::server::{free_port, wait};

/// Where tests/packages puts the jars, as seen from the node's crate and from the load generator's.
const JARS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/target/tools/kafka/*:",
    env!("CARGO_MANIFEST_DIR"),
    "/../target/tools/kafka/*"
);

/// Where tests/packages puts the jars of what is used beside a broker.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/kafka-programs/*");

/// Where a broker is to be.
#[derive(Debug)]
pub(crate) struct Seat {
    /// Its number in its Kafka.
    pub(crate) id: i32,
    folder: TempDir,
    port: u16,
    controller_port: u16,
}

impl Seat {
    /// Takes ports for it.
    pub(crate) fn take(id: i32) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        Self { id, folder, port: free_port(), controller_port: free_port() }
    }

    /// How the others of its Kafka find it as a controller.
    pub(crate) fn as_voter(&self) -> String {
        format!("{}@127.0.0.1:{}", self.id, self.controller_port)
    }

    /// Where it is, as `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where it keeps what it has.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn properties(&self) -> PathBuf {
        self.folder.path().join("server.properties")
    }
}

/// A broker, whether it runs or not.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) seat: Seat,
    child: Child,
}

impl Broker {
    /// Starts one with these properties, in which words in capitals stand for what is its own.
    pub(crate) fn start(seat: Seat, properties: &str) -> Self {
        let text = properties.replace("FOLDER", &seat.folder.path().display().to_string());
        let text = text.replace("SECOND", &seat.controller_port.to_string()).replace("PORT", &seat.port.to_string());
        let text = text.replace("NODE", &seat.id.to_string());
        fs::write(seat.properties(), text).expect("the file is written");
        let mut format = java("kafka.tools.StorageTool");
        format.args(["format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c"]).arg(seat.properties());
        let output = format.output().expect("tests/packages installs it");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let child = run(&seat);
        Self { seat, child }
    }

    /// Whether it has ended, by itself or not.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is a child").is_some()
    }

    /// What it has said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.seat.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends it as a loss of power would, but for what the kernel has.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again, with what it has. It does not wait until it answers.
    pub(crate) fn run_again(&mut self) {
        self.kill();
        self.child = run(&self.seat);
    }

    /// Such as `STOP`, after which all of its threads stand still until `CONT`.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the broker is there");
        if signal == Signal::STOP {
            // Those that are at work go on until they notice, and could take another record.
            wait("all threads stand still", || self.threads().all(|state| state == 'T'));
        }
    }

    /// What state each of its threads is in, as `/proc` names it.
    fn threads(&self) -> impl Iterator<Item = char> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the broker is there");
        let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
        stats.filter_map(|stat| stat.rsplit_once(") ")?.1.chars().next())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A program of a broker's jars.
pub(crate) fn java(class: &str) -> Command {
    java_of(JARS, class)
}

/// One of those that are used beside a broker.
pub(crate) fn java_beside(class: &str) -> Command {
    java_of(PROGRAMS, class)
}

fn java_of(jars: &str, class: &str) -> Command {
    let mut java = Command::new("java");
    java.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", jars, class]);
    java
}

fn run(seat: &Seat) -> Child {
    let log = File::create(seat.folder.path().join("log")).expect("the file is made");
    let mut java = java("kafka.Kafka");
    java.arg(seat.properties());
    java.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("tests/packages installs it")
}
