//! The node of a trial: how it is started and killed, and when it takes connections.
//!
//! Either it is a process of ours, in a process group of its own, which ends with the trial; or somebody else's, which
//! commands start and kill.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::limits::RESTART_PATIENCE_MS;
use crate::shell;

const LOOK: Duration = Duration::from_millis(2);
/// Of what a node said before it ended, the last so many bytes are told.
const LAST_WORDS_BYTES: u64 = 2000;

/// How a node is started and killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handling {
    /// A program and its arguments, which is killed with SIGKILL.
    Own(Vec<String>),
    /// Commands of the shell, which end when it is done.
    Others {
        /// Starts the node, or sees that it is started.
        start: String,
        /// Kills it.
        kill: String,
    },
}

/// A node that is started and killed again and again.
#[derive(Debug)]
pub(super) struct Server {
    handling: Handling,
    address: SocketAddr,
    child: Option<Child>,
    /// What a process of ours says.
    words: File,
}

impl Server {
    /// Not started yet; it will listen there.
    ///
    /// # Errors
    /// When there is no room for what it says.
    pub(super) fn new(handling: Handling, address: SocketAddr) -> anyhow::Result<Self> {
        let words = tempfile::tempfile().context("there is no temporary file for what the node says")?;
        Ok(Self { handling, address, child: None, words })
    }

    /// Starts it and waits until it takes connections; how long that took.
    ///
    /// # Errors
    /// When it does not come.
    pub(super) fn start(&mut self) -> anyhow::Result<Duration> {
        let until = Instant::now() + Duration::from_millis(RESTART_PATIENCE_MS);
        let started = match self.handling.clone() {
            Handling::Own(words) => {
                // The kernel lets go of a ring's sockets a while after their process has ended.
                while TcpListener::bind(self.address).is_err() {
                    ensure!(Instant::now() < until, "{} is taken: end what listens there", self.address);
                    sleep(LOOK);
                }
                let started = Instant::now();
                self.spawn(&words)?;
                started
            }
            Handling::Others { start, .. } => {
                let started = Instant::now();
                shell::run(&start, &[])?;
                started
            }
        };
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                bail!("the node ended ({status}) instead of taking connections:\n{}", self.last_words()?);
            }
            ensure!(Instant::now() < until, "the node takes no connections at {}", self.address);
            sleep(LOOK);
        }
        Ok(started.elapsed())
    }

    fn spawn(&mut self, words: &[String]) -> anyhow::Result<()> {
        let [program, arguments @ ..] = words else { bail!("the node's command is empty") };
        let mut command = Command::new(program);
        // A group of its own: Ctrl-C ends the trial and not the node, and what the program starts is killed with it.
        command.args(arguments).env_remove(shell::SECRET_VARIABLE).process_group(0).stdin(Stdio::null());
        command.stdout(self.words.try_clone()?).stderr(self.words.try_clone()?);
        self.child = Some(command.spawn().with_context(|| format!("{program} does not start"))?);
        Ok(())
    }

    /// Kills it: it has no time for anything. It is gone when this returns.
    ///
    /// # Errors
    /// When that fails, or it had ended by itself.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        if let Handling::Others { kill, .. } = &self.handling {
            return shell::run(kill, &[]);
        }
        let Some(mut child) = self.child.take() else { return Ok(()) };
        if let Some(status) = child.try_wait()? {
            bail!("the node ended by itself ({status}):\n{}", self.last_words()?);
        }
        let group = Pid::from_child(&child);
        kill_process_group(group, Signal::KILL).context("the node cannot be killed")?;
        child.wait().context("the node's end is not told")?;
        Ok(())
    }

    fn last_words(&mut self) -> anyhow::Result<String> {
        let bytes = self.words.seek(SeekFrom::End(0))?;
        self.words.seek(SeekFrom::Start(bytes.saturating_sub(LAST_WORDS_BYTES)))?;
        let mut words = Vec::new();
        self.words.read_to_end(&mut words)?;
        Ok(String::from_utf8_lossy(&words).into_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process of ours does not outlive the trial; one that has ended by itself is as good.
        if matches!(self.handling, Handling::Own(_)) {
            let _ = self.kill();
        }
    }
}
