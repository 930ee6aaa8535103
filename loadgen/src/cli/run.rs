//! `ringpost-loadgen run`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use ringpost::shard::cores;

use super::print;
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
    /// The core of the load thread, best one that the server does not use; the last one if not given.
    #[arg(long)]
    core: Option<usize>,
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
        let last_core = || cores::allowed().ok().and_then(|cores| cores.last().copied()).unwrap_or(0);
        let order = Order {
            name: self.scenario.trim_end_matches(".toml").rsplit('/').next().unwrap_or_default().to_owned(),
            scenario,
            target: Target::parse(&self.url)?,
            secret: self.secret.clone(),
            core: self.core.unwrap_or_else(last_core),
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
        if let Some(core) = self.core {
            command.push_str(&format!(" --core {core}"));
        }
        command
    }
}
