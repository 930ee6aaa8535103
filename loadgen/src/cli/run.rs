//! `ringpost-loadgen run`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Args;
use ringpost::cores;

use super::command::{CommandLine, SECRET_VARIABLE};
use super::file::OutputFile;
use super::interrupt;
use super::output::print;
use super::progress::ProgressLine;
use crate::record::Record;
use crate::report::{html, table};
use crate::run::{Order, run_until};
use crate::scenario::{changed, find, read, set};
use crate::target::Targets;

/// Run a scenario and say what came of it
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The scenario's name (see `list`), or a file of your own that ends with .toml.
    scenario: String,
    /// The server: ws://HOST:PORT/PATH for WebSocket, tcp://HOST:PORT for plain TCP; nats://HOST:PORT for NATS,
    /// mqtt://HOST:PORT for MQTT 3.1.1. Of a server of several nodes give one for each: clients are spread over them.
    #[arg(long, default_value = "ws://127.0.0.1:8000/connection/websocket")]
    url: Vec<String>,
    /// The key that the server checks HS256 tokens with; clients get tokens signed with it. If not given, that of the
    /// environment, RINGPOST_LOADGEN_SECRET. Without either they come without tokens.
    #[arg(long, value_name = "KEY")]
    secret: Option<String>,
    /// Change a setting of the scenario; may be repeated. `show SCENARIO` prints them all.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Raise the rate until the server does not keep up, as `[ramp]` in a scenario does. Settings follow with --set.
    #[arg(long)]
    ramp: bool,
    /// How many processes make the load; as many as its connections need descriptors for if not given.
    #[arg(long, value_name = "COUNT")]
    processes: Option<u32>,
    /// The cores of the load processes, such as 2,3; they go round. Best ones that the server does not use. If not
    /// given: the last one, and with several processes as many of the last ones, but not the first.
    #[arg(long, value_name = "CORES", value_delimiter = ',')]
    core: Vec<usize>,
    /// The server's process on this host: watch its processor time, memory and context switches. Of several, such as 12,34,
    /// together.
    #[arg(long, value_name = "PIDS", value_delimiter = ',')]
    pid: Vec<i32>,
    /// The server's metrics in the format of Prometheus, such as http://127.0.0.1:8000/metrics.
    #[arg(long, value_name = "URL")]
    metrics: Option<String>,
    /// Write everything that was measured to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a report with charts to this file; it needs no other file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Run {
    pub(super) fn run(mut self) -> anyhow::Result<ExitCode> {
        self.secret = self.secret.or_else(|| std::env::var(SECRET_VARIABLE).ok());
        ensure!(
            self.secret.as_deref() != Some(""),
            "the secret is empty: set {SECRET_VARIABLE}, or leave --secret out"
        );
        let mut own = read(&find(&self.scenario)?)?;
        if self.ramp {
            own.ramp.get_or_insert_default();
        }
        let scenario = self.set.iter().try_fold(own.clone(), |scenario, setting| set(&scenario, setting))?;
        let changed = changed(&own, &scenario)?;
        let order = Order {
            name: self.scenario.trim_end_matches(".toml").rsplit('/').next().unwrap_or_default().to_owned(),
            scenario,
            targets: Targets::parse(&self.url)?,
            secret: self.secret.clone(),
            processes: self.processes,
            cores: self.cores(),
            program: std::env::current_exe().context("this program is not to be found, so that no more of it start")?,
            pids: self.pid.clone(),
            metrics_url: self.metrics.clone(),
            command: self.command(),
        };
        let files = Files::new(&self)?;
        let stop = interrupt::caught().context("signals cannot be caught")?;
        let mut line = ProgressLine::new();
        let record = run_until(&order, &stop, |progress| line.show(progress));
        line.clear();
        let record = Record { changed, ..record? };
        print(&table::of(&record))?;
        files.write(&record)?;
        Ok(if record.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The cores of the load processes: the last ones first, and the first one only where there is no other.
    fn cores(&self) -> Vec<usize> {
        if !self.core.is_empty() {
            return self.core.clone();
        }
        let mut cores = cores::allowed().unwrap_or_default();
        cores.reverse();
        cores.truncate((cores.len() - usize::from(cores.len() > 1)).max(1));
        cores
    }

    /// What makes the same run again.
    fn command(&self) -> String {
        let program = std::env::args().next().unwrap_or_else(|| "ringpost-loadgen".into());
        let mut command = CommandLine::new(&program, &["run", &self.scenario]);
        self.url.iter().for_each(|url| command.option("--url", url));
        if self.secret.is_some() {
            command.secret();
        }
        if self.ramp {
            command.push("--ramp");
        }
        self.set.iter().for_each(|setting| command.option("--set", setting));
        let cores: Vec<_> = self.core.iter().map(usize::to_string).collect();
        let pids: Vec<_> = self.pid.iter().map(i32::to_string).collect();
        let file = |path: &Option<PathBuf>| path.as_deref().map(Path::to_string_lossy).map(String::from);
        for (name, value) in [
            ("--processes", self.processes.map(|processes| processes.to_string())),
            ("--core", (!cores.is_empty()).then(|| cores.join(","))),
            ("--pid", (!pids.is_empty()).then(|| pids.join(","))),
            ("--metrics", self.metrics.clone()),
            ("--json", file(&self.json)),
            ("--html", file(&self.html)),
        ] {
            if let Some(value) = value {
                command.option(name, &value);
            }
        }
        command.into_string()
    }
}

/// The files that a run leaves.
struct Files {
    json: Option<OutputFile>,
    html: Option<OutputFile>,
}

impl Files {
    /// Those that are asked for.
    ///
    /// # Errors
    /// When one of them could not be written.
    fn new(run: &Run) -> anyhow::Result<Self> {
        let file =
            |option, path: &Option<PathBuf>| path.as_deref().map(|path| OutputFile::new(option, path)).transpose();
        Ok(Self { json: file("--json", &run.json)?, html: file("--html", &run.html)? })
    }

    /// Writes all that can be written.
    ///
    /// # Errors
    /// The first one that could not.
    fn write(&self, record: &Record) -> anyhow::Result<()> {
        let json = match &self.json {
            Some(file) => file.write(&(serde_json::to_string_pretty(record)? + "\n")),
            None => Ok(()),
        };
        let html = match &self.html {
            Some(file) => file.write(&html::of(std::slice::from_ref(record), std::slice::from_ref(&record.name))),
            None => Ok(()),
        };
        json.and(html)
    }
}
