//! The access log: who came, from where, who went and why, and which calls were refused. A JSON object per line, to a file
//! or to standard output.
//!
//! Owns a thread that formats and writes. Those who tell it something never wait: past a bound it is dropped, and counted.
//! SIGHUP has it open its file again, as `logrotate` wants. Never writes a secret: of a request it knows the path, not the
//! query.

mod entry;
mod line;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
pub use entry::{Entry, RefusedCall};

use self::writer::{Shared, Writer};
use crate::config::AccessLogConfig;
use crate::limits::{ACCESS_LINES_MAX, ACCESS_LOG_LINGER_MS};
use crate::vital;

/// The way to the log, for as many threads as want one. Where the log is off it leads nowhere.
#[derive(Clone, Debug, Default)]
pub struct AccessLog(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    entries: flume::Sender<Entry>,
    shared: Arc<Shared>,
}

/// Waits for what is still to be written when it is dropped: for a moment, since a pipe may have no reader.
#[derive(Debug)]
pub struct AccessLogGuard(flume::Receiver<()>);

impl Drop for AccessLogGuard {
    fn drop(&mut self) {
        let _ = self.0.recv_timeout(Duration::from_millis(ACCESS_LOG_LINGER_MS));
    }
}

impl AccessLog {
    /// Starts the log, if it is wanted. It ends when the last way to it is dropped.
    ///
    /// # Errors
    /// The file cannot be opened, or there is no thread.
    pub fn start(config: &AccessLogConfig) -> anyhow::Result<(Self, Option<AccessLogGuard>)> {
        if !config.enabled {
            return Ok((Self::default(), None));
        }
        let shared = Arc::new(Shared::default());
        let writer = Writer::open(&config.path, shared.clone())
            .with_context(|| format!("access_log.path: {} cannot be opened", config.path))?;
        let (entries, taken) = flume::bounded(ACCESS_LINES_MAX);
        let (ended, has_ended) = flume::bounded(1);
        let run = move || {
            writer.run(&taken);
            let _ = ended.send(());
        };
        vital::spawn("access-log", run).context("no thread for the access log")?;
        Ok((Self(Some(Arc::new(Inner { entries, shared }))), Some(AccessLogGuard(has_ended))))
    }

    /// Whether anything is written down.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes something down, soon; drops it where too much waits.
    pub fn write(&self, entry: Entry) {
        if let Some(inner) = &self.0
            && inner.entries.try_send(entry).is_err()
        {
            inner.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Has the file opened anew, before the next line.
    pub fn reopen(&self) {
        if let Some(inner) = &self.0 {
            inner.shared.reopens.store(true, Ordering::Relaxed);
            // Where this finds no room, the writer is at work anyhow.
            let _ = inner.entries.try_send(Entry::Look);
        }
    }

    /// Lines that were not written, since too many waited or the file took none.
    pub fn dropped_lines(&self) -> u64 {
        self.0.as_ref().map_or(0, |inner| inner.shared.dropped.load(Ordering::Relaxed))
    }
}
