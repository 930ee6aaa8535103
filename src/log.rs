//! The log: lines to standard error through a thread of their own, so that a terminal or a pipe that does not
//! read never holds up a shard.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use anyhow::Context as _;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};

use crate::config::{LogConfig, LogFormat, log_filter};
use crate::limits::LOG_LINES_MAX;
use crate::patience::HINT;
use crate::vital;

static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Starts the log of this process, which takes panics too. What waits is written out when the guard is dropped.
///
/// # Errors
/// When the level is none, or the process has a log already.
pub fn start(config: &LogConfig) -> anyhow::Result<WorkerGuard> {
    let filter = log_filter(&config.level).map_err(anyhow::Error::msg).context("`log.level`")?;
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LOG_LINES_MAX);
    let begun = vital::caught(|| builder.thread_name("log").finish(std::io::stderr()));
    let (writer, guard) = begun.map_err(|why| anyhow::anyhow!("no thread for the log: {why}; {HINT}"))?;
    let dropped = writer.error_counter();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let started = match config.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("the log cannot start: {error}"))?;
    DROPPED.get_or_init(|| dropped);
    // A panic is told where everything else is.
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        tracing::error!(thread = thread.name(), "{panic}");
    }));
    Ok(guard)
}

/// Lines that were dropped because standard error did not take them in time.
pub fn dropped_lines() -> usize {
    DROPPED.get().map_or(0, ErrorCounter::dropped_lines)
}
