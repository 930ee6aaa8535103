//! Those who make the load of a run: a thread of this process, or processes of their own, which are spoken with in the
//! same words.
//!
//! Owns the load processes: whatever ends the run, none is left behind. They end by themselves when this process does,
//! since their standard input does.

mod assignment;
mod lines;
mod process;
mod worker;

use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};

pub use self::assignment::Assignment;
pub(crate) use self::process::LOAD_PROCESS;
use self::process::Process;
pub use self::worker::work;
use crate::engine::{Cue, Line, News};
use crate::limits::SILENCE_MS;
use crate::measure::Interval;

/// Those who make the load.
#[derive(Debug)]
pub(crate) struct Crew {
    members: Members,
    news: Receiver<(usize, News)>,
    /// By member: since when it is expected to say something. `None` where it waits for a cue, or has ended.
    awaited_since: Vec<Option<Instant>>,
}

#[derive(Debug)]
enum Members {
    Thread { cues: Sender<Cue>, spares: Sender<Box<Interval>> },
    Processes(Vec<Process>),
}

impl Crew {
    /// A load thread of this process.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn thread(assignment: Assignment) -> anyhow::Result<Self> {
        let (news_in, news) = mpsc::channel();
        let (cues, cues_out) = mpsc::channel();
        let (spares, spares_out) = mpsc::channel();
        assignment.start(Line { member: 0, news: news_in, cues: cues_out, spares: spares_out })?;
        Ok(Self::new(Members::Thread { cues, spares }, news, 1))
    }

    /// A load process for each assignment, of this program.
    ///
    /// # Errors
    /// When they cannot be started.
    pub(crate) fn processes(program: &Path, assignments: &[Assignment]) -> anyhow::Result<Self> {
        let (news_in, news) = mpsc::channel();
        let start = |(number, assignment)| Process::start(program, number, assignment, news_in.clone());
        let processes = assignments.iter().enumerate().map(start).collect::<anyhow::Result<_>>()?;
        Ok(Self::new(Members::Processes(processes), news, assignments.len()))
    }

    fn new(members: Members, news: Receiver<(usize, News)>, count: usize) -> Self {
        Self { members, news, awaited_since: vec![Some(Instant::now()); count] }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.awaited_since.len()
    }

    /// The next word of one of them; `None` where none comes for so long.
    ///
    /// # Errors
    /// When one has ended before its time, or says nothing though it should.
    pub(crate) fn next(&mut self, at_most: Duration) -> anyhow::Result<Option<(usize, News)>> {
        let patience = Duration::from_millis(SILENCE_MS);
        let awaited = self.awaited_since.iter().enumerate().filter_map(|(member, since)| Some((member, (*since)?)));
        let (member, since) = awaited.min_by_key(|(_, since)| *since).context("everybody waits for a cue")?;
        match self.news.recv_timeout(at_most.min(patience.saturating_sub(since.elapsed()))) {
            Ok((member, news)) => {
                self.awaited_since[member] = Some(Instant::now());
                Ok(Some((member, news)))
            }
            Err(RecvTimeoutError::Timeout) if since.elapsed() < patience => Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                bail!("{} has said nothing for {} s: is it stopped?", self.name(member), SILENCE_MS / 1000)
            }
            Err(RecvTimeoutError::Disconnected) => Err(anyhow!("the load thread panicked")),
        }
    }

    /// What a member is called.
    pub(crate) fn name(&self, member: usize) -> String {
        match &self.members {
            Members::Thread { .. } => "the load thread".into(),
            Members::Processes(processes) => processes[member].name(),
        }
    }

    /// A member has nothing more to say until the next cue. Whether that holds for all now.
    pub(crate) fn waits(&mut self, member: usize) -> bool {
        self.awaited_since[member] = None;
        self.awaited_since.iter().all(Option::is_none)
    }

    /// Tells everybody to go on.
    ///
    /// # Errors
    /// When a process does not listen any more.
    pub(crate) fn cue(&mut self, cue: Cue) -> anyhow::Result<()> {
        self.awaited_since.fill(Some(Instant::now()));
        self.tell(&cue)
    }

    /// Tells everybody when the load ends, which those who have ended theirs need not know.
    ///
    /// # Errors
    /// When a process does not listen any more.
    pub(crate) fn stop(&mut self, at_ns: u64) -> anyhow::Result<()> {
        self.tell(&Cue::Stop(at_ns))
    }

    fn tell(&mut self, cue: &Cue) -> anyhow::Result<()> {
        match &mut self.members {
            // A thread that has panicked is told of by its news.
            Members::Thread { cues, .. } => drop(cues.send(cue.clone())),
            Members::Processes(processes) => processes.iter_mut().try_for_each(|process| process.cue(cue))?,
        }
        Ok(())
    }

    /// Gives an interval back that was read.
    pub(crate) fn spare(&self, mut interval: Box<Interval>) {
        if let Members::Thread { spares, .. } = &self.members {
            // Cleared here, since the load thread has better things to do.
            interval.clear();
            // A load thread that needs none any more has ended.
            let _ = spares.send(interval);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    /// A crew of so many, and where its news come from.
    fn crew(count: usize) -> (Crew, Sender<(usize, News)>) {
        let (news_in, news) = mpsc::channel();
        let (cues, spares) = (mpsc::channel().0, mpsc::channel().0);
        (Crew::new(Members::Thread { cues, spares }, news, count), news_in)
    }

    #[test]
    fn all_wait_when_the_last_one_does_and_are_awaited_again_after_a_cue() {
        let (mut crew, news) = crew(2);
        assert!(!crew.waits(1));
        news.send((0, News::Ready)).unwrap();
        assert!(matches!(crew.next(SOON), Ok(Some((0, News::Ready)))));
        assert!(matches!(crew.next(SOON), Ok(None)), "nothing came");
        assert!(crew.waits(0));
        crew.cue(Cue::Load(0)).unwrap();
        assert!(!crew.waits(0), "the other one is at work again");
    }

    #[test]
    fn silence_is_a_fault_of_those_who_should_speak_and_of_no_others() {
        let (mut crew, news) = crew(2);
        let long_ago = Instant::now().checked_sub(Duration::from_millis(SILENCE_MS)).unwrap();
        crew.awaited_since = vec![Some(long_ago), None];
        let error = crew.next(SOON).unwrap_err().to_string();
        assert!(error.contains("has said nothing for 20 s"), "{error}");
        // What was said in time and read late is no silence.
        news.send((0, News::Draining(7))).unwrap();
        assert!(matches!(crew.next(SOON), Ok(Some((0, News::Draining(7))))));
    }

    #[test]
    fn a_thread_that_panicked_ends_the_run() {
        let (mut crew, news) = crew(1);
        drop(news);
        assert!(crew.next(SOON).unwrap_err().to_string().contains("panicked"));
    }
}
