//! A load process, as seen by the one that started it.

use std::io::BufReader;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::Sender;
use std::thread;

use anyhow::Context as _;

use super::{Assignment, lines};
use crate::engine::{Cue, News};

/// The command that a load process is started with.
pub(crate) const LOAD_PROCESS: &str = "load-process";

/// A load process. It is ended when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    number: usize,
    child: Child,
    input: ChildStdin,
}

impl Process {
    /// Starts one. What it tells goes to `news`, under its number.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(super) fn start(
        program: &Path,
        number: usize,
        assignment: &Assignment,
        news: Sender<(usize, News)>,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        // Out of the reach of Ctrl-C, which is the starter's: it ends the load of all at the same time.
        command.arg(LOAD_PROCESS).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn();
        let mut child = child.with_context(|| format!("no load process can be started of {}", program.display()))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else { unreachable!("both were asked for") };
        let mut process = Self { number, child, input };
        lines::write(&mut process.input, assignment).with_context(|| process.gone())?;
        let gone = process.gone();
        thread::Builder::new().name("news".into()).spawn(move || hear(output, number, gone, &news))?;
        Ok(process)
    }

    /// What it is called.
    pub(super) fn name(&self) -> String {
        format!("load process {} (pid {})", self.number, self.child.id())
    }

    fn gone(&self) -> String {
        format!("{} ended before its time: was it killed?", self.name())
    }

    /// Tells it to go on.
    ///
    /// # Errors
    /// When it is gone.
    pub(super) fn cue(&mut self, cue: &Cue) -> anyhow::Result<()> {
        lines::write(&mut self.input, cue).with_context(|| self.gone())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on what a process tells, to its last word; if it has none, says so.
fn hear(output: ChildStdout, number: usize, gone: String, news: &Sender<(usize, News)>) {
    let mut output = BufReader::new(output);
    let mut is_last = false;
    while !is_last {
        let word = match lines::read(&mut output) {
            Ok(Some(word)) => word,
            Ok(None) => News::Ended(Err(gone.clone())),
            Err(error) => News::Ended(Err(format!("{gone}\nIts last word cannot be read: {error}"))),
        };
        is_last = matches!(word, News::Ended(_));
        // Nobody listens any more where the run was given up.
        is_last |= news.send((number, word)).is_err();
    }
}
