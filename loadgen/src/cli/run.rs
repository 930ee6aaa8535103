//! `ringpost-loadgen run`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use ringpost::cores;

use super::output::print;
use super::progress::ProgressLine;
use crate::report::{html, table};
use crate::run::{Order, run};
use crate::scenario::{find, read, set};
use crate::target::Target;

/// Run a scenario and say what came of it
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The scenario's name (see `list`), or a file of your own that ends with .toml.
    scenario: String,
    /// The server: ws://HOST:PORT/PATH for WebSocket, tcp://HOST:PORT for plain TCP; nats://HOST:PORT for NATS,
    /// mqtt://HOST:PORT for MQTT 3.1.1.
    #[arg(long, default_value = "ws://127.0.0.1:8000/connection/websocket")]
    url: String,
    /// The key that the server checks HS256 tokens with; clients get tokens signed with it. Without it they come
    /// without tokens.
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
    /// The server's process on this host: watch its processor time, memory and context switches.
    #[arg(long)]
    pid: Option<i32>,
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
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let mut scenario = read(&find(&self.scenario)?)?;
        if self.ramp {
            scenario.ramp.get_or_insert_default();
        }
        let scenario = self.set.iter().try_fold(scenario, |scenario, setting| set(&scenario, setting))?;
        let order = Order {
            name: self.scenario.trim_end_matches(".toml").rsplit('/').next().unwrap_or_default().to_owned(),
            scenario,
            target: Target::parse(&self.url)?,
            secret: self.secret.clone(),
            processes: self.processes,
            cores: self.cores(),
            program: std::env::current_exe().context("this program is not to be found, so that no more of it start")?,
            pid: self.pid,
            metrics_url: self.metrics.clone(),
            command: self.command(),
        };
        let mut line = ProgressLine::new();
        let record = run(&order, |progress| line.show(progress));
        line.clear();
        let record = record?;
        print(&table::of(&record))?;
        if let Some(path) = &self.json {
            let json = serde_json::to_string_pretty(&record)? + "\n";
            std::fs::write(path, json).with_context(|| format!("{} cannot be written", path.display()))?;
        }
        if let Some(path) = &self.html {
            let page = html::of(std::slice::from_ref(&record), std::slice::from_ref(&record.name));
            std::fs::write(path, page).with_context(|| format!("{} cannot be written", path.display()))?;
        }
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

    /// What was typed, as far as it matters for the result.
    fn command(&self) -> String {
        let mut command = format!("ringpost-loadgen run {} --url {}", self.scenario, self.url);
        if self.secret.is_some() {
            command.push_str(" --secret …");
        }
        if self.ramp {
            command.push_str(" --ramp");
        }
        for setting in &self.set {
            command.push_str(&format!(" --set {setting}"));
        }
        if let Some(processes) = self.processes {
            command.push_str(&format!(" --processes {processes}"));
        }
        if !self.core.is_empty() {
            let cores: Vec<_> = self.core.iter().map(usize::to_string).collect();
            command.push_str(&format!(" --core {}", cores.join(",")));
        }
        command
    }
}
