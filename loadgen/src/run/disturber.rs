//! Disturbs the server while it is measured: runs the scenario's command when it is due, on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::anyhow;

use crate::limits::STOP_LOOK_MS;
use crate::record::Disturbed;
use crate::scenario::Disturbance;
use crate::shell;
use crate::target::Targets;

/// Who disturbs. It stops when it is dropped, but never in the middle of a command.
#[derive(Debug)]
pub(super) struct Disturber {
    thread: Option<JoinHandle<anyhow::Result<Vec<Disturbed>>>>,
    done: Vec<Disturbed>,
    is_over: Arc<AtomicBool>,
}

impl Disturber {
    /// The measuring begins.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(disturbance: Disturbance, targets: Targets) -> anyhow::Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_over);
        let thread = match disturbance.times {
            0 => None,
            _ => Some(
                thread::Builder::new().name("disturb".into()).spawn(move || disturb(&disturbance, &targets, &stop))?,
            ),
        };
        Ok(Self { thread, done: Vec::new(), is_over })
    }

    /// Looks whether all is done.
    ///
    /// # Errors
    /// When a command has failed.
    pub(super) fn look(&mut self) -> anyhow::Result<()> {
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            self.join()?;
        }
        Ok(())
    }

    /// The load is over: what has begun is waited for. What was done.
    ///
    /// # Errors
    /// When a command has failed.
    pub(super) fn end(mut self) -> anyhow::Result<Vec<Disturbed>> {
        self.is_over.store(true, Ordering::Relaxed);
        self.join()?;
        Ok(std::mem::take(&mut self.done))
    }

    fn join(&mut self) -> anyhow::Result<()> {
        if let Some(thread) = self.thread.take() {
            self.done = thread.join().map_err(|_| anyhow!("the thread that disturbs has panicked"))??;
        }
        Ok(())
    }
}

impl Drop for Disturber {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // What it would tell, nobody wants to know any more.
        let _ = self.join();
    }
}

fn disturb(disturbance: &Disturbance, targets: &Targets, stop: &AtomicBool) -> anyhow::Result<Vec<Disturbed>> {
    let begin = Instant::now();
    let mut done = Vec::new();
    for number in 0..disturbance.times {
        let due = Duration::from_secs_f64(disturbance.after_s + disturbance.every_s * f64::from(number));
        let left = || due.saturating_sub(begin.elapsed());
        while !left().is_zero() && !stop.load(Ordering::Relaxed) {
            thread::sleep(left().min(Duration::from_millis(STOP_LOOK_MS)));
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (at, node) = (begin.elapsed(), number % targets.count());
        let variables = [("LOADGEN_NODE", node.to_string()), ("LOADGEN_URL", targets.node(node).url.clone())];
        shell::run(&disturbance.command, &variables)?;
        done.push(Disturbed { at_s: at.as_secs_f64(), took_s: (begin.elapsed() - at).as_secs_f64(), node });
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(command: &str, times: u32, after_s: f64) -> Disturber {
        let urls = ["tcp://127.0.0.1:1".to_owned(), "tcp://127.0.0.1:2".to_owned()];
        let disturbance = Disturbance { command: command.into(), times, after_s, every_s: 0.0 };
        Disturber::start(disturbance, Targets::parse(&urls).unwrap()).unwrap()
    }

    #[test]
    fn nodes_take_turns_and_each_command_knows_which_one_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("told");
        let command = format!("echo $LOADGEN_NODE $LOADGEN_URL >> {}", file.display());
        let mut disturber = start(&command, 3, 0.0);
        while disturber.done.is_empty() {
            disturber.look().unwrap();
        }
        let done = disturber.end().unwrap();
        assert_eq!(done.iter().map(|disturbed| disturbed.node).collect::<Vec<_>>(), [0, 1, 0]);
        let told = std::fs::read_to_string(file).unwrap();
        assert_eq!(told, "0 tcp://127.0.0.1:1\n1 tcp://127.0.0.1:2\n0 tcp://127.0.0.1:1\n");
    }

    #[test]
    fn what_is_not_due_when_the_load_is_over_is_not_done() {
        assert_eq!(start("true", 1, 3600.0).end().unwrap(), []);
    }

    #[test]
    fn a_command_that_fails_is_told() {
        let mut disturber = start("exit 7", 2, 0.0);
        let error = loop {
            if let Err(error) = disturber.look() {
                break error.to_string();
            }
        };
        assert!(error.contains("exit 7"), "{error}");
    }
}
