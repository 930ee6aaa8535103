//! `ringpost-loadgen crash`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use super::command::{CommandLine, SECRET_VARIABLE};
use super::file::OutputFile;
use super::interrupt;
use super::output::print;
use crate::crash::{self, Handling, Order, Wrong};
use crate::report::crash::{chart, table};
use crate::report::text::count;
use crate::target::Target;

/// Kill a node while it is at work, again and again, and look for all that it had acknowledged
#[derive(Debug, Args)]
pub(super) struct Crash {
    /// The node's command, such as "ringpost serve --config node.toml"; it is started, and killed with SIGKILL.
    #[arg(long, value_name = "COMMAND", required_unless_present = "start", conflicts_with_all = ["start", "kill"])]
    node: Option<String>,
    /// What starts a node that is not ours to start, as a command of the shell; it must end when the node is started.
    #[arg(long, value_name = "COMMAND", requires = "kill")]
    start: Option<String>,
    /// What kills it.
    #[arg(long, value_name = "COMMAND", requires = "start")]
    kill: Option<String>,
    /// The node: ws://HOST:PORT/PATH for WebSocket, tcp://HOST:PORT for plain TCP.
    #[arg(long, default_value = "ws://127.0.0.1:8000/connection/websocket")]
    url: String,
    /// The key that the node checks HS256 tokens with. If not given, that of the environment, RINGPOST_LOADGEN_SECRET.
    #[arg(long, value_name = "KEY")]
    secret: Option<String>,
    /// A namespace that keeps all that the trial publishes, and lets its clients read it.
    #[arg(long, value_name = "PREFIX", default_value = "durable:")]
    channel_prefix: String,
    /// How often it is killed.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    times: u32,
    /// How long it works before it is killed, seconds, in the mean: from half as long to half as long again.
    #[arg(long, default_value_t = 2.0)]
    secs: f64,
    /// Channels; each has a client that hears it, and two that publish to it.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..10_000))]
    channels: u32,
    /// Messages a second.
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    /// Bytes of each message.
    #[arg(long, default_value_t = 200)]
    payload_bytes: usize,
    /// What the lengths of lives are drawn from, and what channels are named by; the time if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Write all that was counted to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a chart to this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl Crash {
    pub(super) fn run(mut self) -> anyhow::Result<ExitCode> {
        self.secret = self.secret.or_else(|| std::env::var(SECRET_VARIABLE).ok());
        ensure!(
            self.secret.as_deref() != Some(""),
            "the secret is empty: set {SECRET_VARIABLE}, or leave --secret out"
        );
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seed = self.seed.unwrap_or(since_1970.as_secs());
        let file =
            |option, path: &Option<PathBuf>| path.as_deref().map(|path| OutputFile::new(option, path)).transpose();
        let (json, svg) = (file("--json", &self.json)?, file("--svg", &self.svg)?);
        let order = Order {
            target: Target::parse(&self.url)?,
            secret: self.secret.clone(),
            channel_prefix: self.channel_prefix.clone(),
            handling: self.handling()?,
            kills: self.times,
            life_s: self.secs,
            channels: self.channels,
            rate_per_s: self.rate,
            payload_bytes: self.payload_bytes,
            seed,
            command: self.command(seed),
        };
        let stop = interrupt::caught().context("signals cannot be caught")?;
        let mut lives = 0;
        let told = crash::run(&order, &stop, |life| {
            lives += 1;
            let (acknowledged, missing) = (life.counts.acknowledged, life.counts.of(Wrong::Missing));
            // Without a terminal the trial goes on.
            let _ = writeln!(
                std::io::stderr(),
                "life {lives} of {}: {} acknowledged, of those of before {} missing",
                self.times + 1,
                count(acknowledged as f64),
                count(missing as f64)
            );
        })?;
        print(&table(&told))?;
        json.map_or(Ok(()), |file| file.write(&(serde_json::to_string_pretty(&told)? + "\n")))?;
        svg.map_or(Ok(()), |file| file.write(&chart(&told)))?;
        Ok(if told.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn handling(&self) -> anyhow::Result<Handling> {
        match (&self.node, &self.start, &self.kill) {
            (Some(node), ..) => {
                let words = shlex::split(node).filter(|words| !words.is_empty());
                Ok(Handling::Own(words.context("--node is no command")?))
            }
            (None, Some(start), Some(kill)) => Ok(Handling::Others { start: start.clone(), kill: kill.clone() }),
            _ => bail!("say how the node is started: --node, or --start and --kill"),
        }
    }

    /// What makes the same trial again.
    fn command(&self, seed: u64) -> String {
        let program = std::env::args().next().unwrap_or_else(|| "ringpost-loadgen".into());
        let mut command = CommandLine::new(&program, &["crash", "--url", &self.url]);
        if self.secret.is_some() {
            command.secret();
        }
        let handling = [("--node", &self.node), ("--start", &self.start), ("--kill", &self.kill)];
        let given = handling.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        given.for_each(|(name, value)| command.option(name, value));
        for (name, value) in [
            ("--channel-prefix", self.channel_prefix.clone()),
            ("--times", self.times.to_string()),
            ("--secs", self.secs.to_string()),
            ("--channels", self.channels.to_string()),
            ("--rate", self.rate.to_string()),
            ("--payload-bytes", self.payload_bytes.to_string()),
            ("--seed", seed.to_string()),
        ] {
            command.option(name, &value);
        }
        command.into_string()
    }
}
