//! The crowd, as a process of its own: this program again. It is told when to begin by a line, and ends with its input.

use std::io::{BufRead as _, BufReader, Read as _, Write as _, stdin, stdout};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, anyhow, ensure};
use clap::ValueEnum as _;
use ringpost_loadgen::abuse::{Abuse, Kind, Order};
use ringpost_loadgen::engine::pin;
use ringpost_loadgen::report::text::count;
use ringpost_loadgen::target::Target;

use crate::load::{CLIENT_CORE, SECRET};

const READY: &str = "ready\n";

/// What a kind is called on the command line.
pub(crate) fn name(kind: Kind) -> String {
    kind.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// What it does, and with how many.
pub(crate) fn about(kind: Kind) -> String {
    let (members, abusers) = (kind.members(), kind.abusers());
    let room = if members > 0 { format!(" beside a room of {}", count(members.into())) } else { String::new() };
    format!("{}, {}{room}", name(kind), count(abusers.into()))
}

/// How many shards the node has, all on its one core.
pub(crate) fn shards(kind: Kind) -> u32 {
    if kind == Kind::ShardFlood { 3 } else { 1 }
}

/// Where the crowd runs: on a core of its own, or where there is none on that of the quiet clients.
pub(crate) fn core() -> usize {
    if has_core(CLIENT_CORE + 1) { CLIENT_CORE + 1 } else { CLIENT_CORE }
}

/// Whether the machine has a core of this number.
pub(crate) fn has_core(number: usize) -> bool {
    Path::new(&format!("/sys/devices/system/cpu/cpu{number}")).exists()
}

/// The namespace in which the node lets abusers do what they do.
fn prefix(kind: Kind) -> &'static str {
    match kind {
        Kind::PresenceFlood => "seen:",
        Kind::SubscribeLoop => "present:",
        Kind::SlowHistory => "kept:",
        _ => "",
    }
}

/// The process of a crowd that is connected. It is ended when this is dropped.
pub(crate) struct Crowd {
    child: Child,
    input: ChildStdin,
}

impl Crowd {
    /// Starts one and waits until all are connected.
    pub(crate) fn start(kind: Kind, url: &str) -> anyhow::Result<Self> {
        // The quiet clients may be on the same core, and what makes them wait is to be the server: whoever wakes interrupts a
        // process of this policy, and only of this one, without waiting for the end of its time slice.
        let mut command = Command::new("chrt");
        command.args(["--idle", "0"]).arg(std::env::current_exe()?);
        command.args(["--crowd", &name(kind), url]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("no crowd can be started; `chrt` is of util-linux")?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else { unreachable!("both were asked for") };
        let crowd = Self { child, input };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line == READY, "the crowd of {} did not come in; it says why above", name(kind));
        Ok(crowd)
    }

    /// Tells it to begin.
    pub(crate) fn act(&mut self) -> anyhow::Result<()> {
        self.input.write_all(b"\n").context("the crowd is gone")
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // One that has ended is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the crowd: connects, waits for a line, and does what it does for as long as there is somebody to do it for.
pub(crate) fn serve(kind: &str, url: &str) -> anyhow::Result<()> {
    let kind = Kind::from_str(kind, false).map_err(|error| anyhow!(error))?;
    pin(core())?;
    let order = Order {
        kind,
        target: Target::parse(url)?,
        secret: Some(SECRET.into()),
        channel_prefix: prefix(kind).into(),
        members: kind.members(),
        abusers: kind.abusers(),
    };
    let mut abuse = Abuse::begin(order)?;
    stdout().write_all(READY.as_bytes())?;
    stdout().flush()?;
    let (begins, ends) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // A line, or the end of the one who would write it.
            let _ = stdin().lock().read_exact(&mut [0]);
            begins.store(true, Ordering::Relaxed);
            let _ = stdin().lock().read_to_end(&mut Vec::new());
            ends.store(true, Ordering::Relaxed);
        });
        abuse.wait(|| begins.load(Ordering::Relaxed))?;
        abuse.act(|_| ends.load(Ordering::Relaxed)).map(drop)
    })
}
