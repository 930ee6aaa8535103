//! A load process from within: a load thread whose line goes through standard input and output.

use std::io::{self, BufReader};
use std::sync::mpsc::{self, Sender};
use std::thread;

use anyhow::{Context as _, ensure};

use super::{Assignment, lines};
use crate::engine::{Cue, Line, News};

/// Does what another process of this program says on standard input, and tells it on standard output how that goes.
///
/// # Errors
/// When the other process does not speak as it should, or is gone.
pub fn work() -> anyhow::Result<()> {
    let mut input = BufReader::new(io::stdin());
    let assignment: Option<Assignment> = lines::read(&mut input).context("no assignment can be read")?;
    let assignment = assignment.context("no assignment came: load processes are started by `run --processes`")?;
    let (news_in, news) = mpsc::channel();
    let (cues_in, cues) = mpsc::channel();
    let (spares_in, spares) = mpsc::channel();
    thread::Builder::new().name("cues".into()).spawn(move || hear_cues(input, &cues_in))?;
    let member = assignment.part.index as usize;
    assignment.start(Line { member, news: news_in, cues, spares })?;
    let mut has_ended = false;
    for (_, word) in news {
        lines::write(&mut io::stdout().lock(), &word).context("nobody listens any more")?;
        has_ended = matches!(word, News::Ended(_));
        if let News::Interval(mut interval) = word {
            interval.clear();
            // A load thread that needs none any more has ended.
            let _ = spares_in.send(interval);
        }
    }
    ensure!(has_ended, "the load thread panicked");
    Ok(())
}

/// Passes cues on. When there is nobody left to give any, there is nobody left to work for.
fn hear_cues(mut input: BufReader<io::Stdin>, cues: &Sender<Cue>) {
    while let Ok(Some(cue)) = lines::read(&mut input) {
        // A load thread that needs none any more is about to end.
        let _ = cues.send(cue);
    }
    std::process::exit(2);
}
