//! `ringpost-loadgen abuse`.

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;

use super::interrupt;
use super::output::print;
use crate::abuse::{self, Kind};
use crate::report::text::{bytes, count};
use crate::target::Target;

/// Ask a server for too much, beside a run of another process that shows what others notice
#[derive(Debug, Args)]
pub(super) struct Abuse {
    /// What is done.
    kind: Kind,
    /// The server: ws://HOST:PORT/PATH for WebSocket, tcp://HOST:PORT for plain TCP.
    #[arg(long, default_value = "ws://127.0.0.1:8000/connection/websocket")]
    url: String,
    /// The key that the server checks HS256 tokens with.
    #[arg(long, value_name = "KEY")]
    secret: Option<String>,
    /// What the room's name begins with, such as a namespace: `chat:`.
    #[arg(long, value_name = "PREFIX", default_value = "")]
    channel_prefix: String,
    /// Clients in the room; if not given as many as broke servers.
    #[arg(long, value_name = "COUNT")]
    members: Option<u32>,
    /// Those who ask for too much; if not given as many as broke servers.
    #[arg(long, value_name = "COUNT")]
    abusers: Option<u32>,
    /// For how long, seconds; Ctrl-C ends it before.
    #[arg(long, default_value_t = 10)]
    secs: u64,
}

impl Abuse {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let order = abuse::Order {
            kind: self.kind,
            target: Target::parse(&self.url)?,
            secret: self.secret,
            channel_prefix: self.channel_prefix,
            members: self.members.unwrap_or(self.kind.members()),
            abusers: self.abusers.unwrap_or(self.kind.abusers()),
        };
        let mut abuse = abuse::Abuse::begin(order)?;
        let stop = interrupt::caught().context("signals cannot be caught")?;
        let until = Instant::now() + Duration::from_secs(self.secs);
        let told = abuse.act(|_| Instant::now() >= until || stop.load(Ordering::Relaxed))?;
        print(&format!(
            "{} acts, {} said, {} heard\nabusers cut off {} times, {} members lost\n",
            count(told.acts as f64),
            bytes(told.bytes_said as f64),
            bytes(told.bytes_heard as f64),
            count(told.cut as f64),
            count(told.members_lost as f64),
        ))?;
        // Whoever did nothing wrong and was cut off was treated wrongly.
        Ok(if told.members_lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
