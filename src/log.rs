//! The log: lines to standard error through a thread of their own, so that a terminal or a pipe that does not
//! read never holds up a shard.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use anyhow::Context as _;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::{LogConfig, LogFormat};
use crate::limits::LOG_LINES_MAX;

static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Starts the log of this process. What waits is written out when the guard is dropped.
///
/// # Errors
/// When the level is none, or the process has a log already.
pub fn start(config: &LogConfig) -> anyhow::Result<WorkerGuard> {
    let filter = filter(&config.level).map_err(anyhow::Error::msg).context("`log.level`")?;
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LOG_LINES_MAX);
    let (writer, guard) = builder.thread_name("log").finish(std::io::stderr());
    let dropped = writer.error_counter();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let started = match config.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("the log cannot start: {error}"))?;
    DROPPED.get_or_init(|| dropped);
    Ok(guard)
}

/// Lines that were dropped because standard error did not take them in time.
pub fn dropped_lines() -> usize {
    DROPPED.get().map_or(0, ErrorCounter::dropped_lines)
}

/// Reads a level or a list of levels by module.
///
/// # Errors
/// What is wrong with it, for the person who wrote it.
pub fn filter(level: &str) -> Result<EnvFilter, String> {
    // The filter's own reader takes any bare word for the name of a module, and so a misspelt level for none.
    for word in level.split(',').filter(|word| !word.contains(['=', '[', ']'])) {
        if word.parse::<LevelFilter>().is_err() || word.is_empty() {
            return Err(format!("\"{word}\" is no level: write error, warn, info, debug, trace or off"));
        }
    }
    EnvFilter::builder().parse(level).map_err(|error| format!("\"{level}\" cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_or_levels_by_module_are_read() {
        for level in ["info", "OFF", "warn,ringpost::session=debug", "info,[tick]=trace"] {
            assert!(filter(level).is_ok(), "{level}");
        }
    }

    #[test]
    fn a_misspelt_level_is_refused_rather_than_taken_for_a_module() {
        for level in ["", "inof", "info,", "info,ringpost::session=loud"] {
            assert!(filter(level).is_err(), "{level}");
        }
    }
}
