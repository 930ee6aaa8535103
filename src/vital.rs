//! What must live as long as the node. Where it panics, an invariant of ours is broken: the node must not go on without it.
//!
//! ```text
//! node ─ watch ┬ spawn: a thread, with every task on it ─┐
//!              └ task: one task of a thread that goes on ─┴ panic ─→ deaths ─→ control plane: the node leaves
//! ```
//!
//! A thread whose runtime runs tasks is watched as a whole: tokio catches what a task panics with, and nobody may wait for that
//! task. So the process' panic hook tells of it, by what the thread carries. On the control plane's own thread a panic ends a
//! backend's call only, and those tasks are watched that say so. What blocks runs on a thread of the runtime's pool, which carries
//! meanwhile what who has asked for it carries. `docs/decisions/panic.md` has the reasons.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::runtime;
use tokio::task::{JoinHandle as Task, spawn_blocking};

use crate::patience::{self, HINT};

/// Something that was to live as long as the node has panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// The name of its thread.
    pub thread: String,
}

/// What a thread carries.
#[derive(Clone, Debug)]
struct Watch {
    deaths: flume::Sender<Death>,
    /// Whether any panic on the thread counts.
    is_whole: bool,
}

impl Watch {
    fn tell(&self) {
        let thread = thread::current().name().unwrap_or("a thread without a name").to_owned();
        // A node that has ended asks no more.
        let _ = self.deaths.send(Death { thread });
    }
}

thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
    /// A panic is an answer here: see [`caught`].
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

fn carried() -> Option<Watch> {
    // A thread that is being taken down carries nothing.
    WATCH.try_with(|watch| watch.try_borrow().ok()?.clone()).ok().flatten()
}

/// While it is there, threads that this one spawns by [`spawn`] are watched.
#[derive(Debug)]
pub struct Watching {
    before: Option<Watch>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        WATCH.set(self.before.take());
    }
}

/// Watches what this thread spawns from now on. Deaths are told where the second part of this is.
pub fn watch() -> (Watching, flume::Receiver<Death>) {
    look_at_panics();
    let (deaths, told) = flume::unbounded();
    let before = WATCH.replace(Some(Watch { deaths, is_whole: false }));
    (Watching { before }, told)
}

/// Adds to the process' panic hook, once.
pub(crate) fn look_at_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if IS_CAUGHT.try_with(Cell::get).unwrap_or(false) {
                return;
            }
            usual(panic);
            carried().filter(|watch| watch.is_whole).inspect(Watch::tell);
        }));
    });
}

/// Spawns a thread of which any panic is a death, where the spawning thread is watched; and so is any of those that it spawns.
///
/// # Errors
/// The host has no thread left.
pub fn spawn<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    spawn_watched(name, carried().map(|watch| Watch { is_whole: true, ..watch }), run)
}

/// As [`spawn`], for a thread of which only those tasks count that are [`task`]s.
///
/// # Errors
/// The host has no thread left.
pub fn spawn_tasks<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    spawn_watched(name, carried(), run)
}

fn spawn_watched<T: Send + 'static>(
    name: &str,
    watch: Option<Watch>,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    patience::spawn(name, move || {
        WATCH.set(watch);
        run()
    })
}

/// Runs on the pool of this runtime what blocks: a panic there counts as it would here.
pub fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    let watch = carried();
    spawn_blocking(move || {
        // The thread of the pool goes on to carry what it has carried.
        let _watching = Watching { before: WATCH.replace(watch) };
        run()
    })
}

/// By which the runtime of one thread is built, with so many threads at the most for what blocks. The first of them, once
/// [`start_pool`] has started it, stays.
pub fn runtime(blocking_threads: usize) -> runtime::Builder {
    let mut builder = runtime::Builder::new_current_thread();
    builder.enable_all().max_blocking_threads(blocking_threads).thread_keep_alive(Duration::MAX);
    builder
}

/// Starts the first thread of the pool of such a [`runtime`], by which names are looked up. No other is needed: tokio panics when the
/// host gives it none, as it may later; here that is an error.
///
/// # Errors
/// The host has no thread left.
pub async fn start_pool() -> anyhow::Result<()> {
    let started = patience::patiently(|| caught(|| spawn_blocking(|| ())), |_| true);
    let started = started.map_err(|why| anyhow!("no thread for names to be looked up: {why}; {HINT}"))?;
    started.await.context("the thread that looks names up has failed")
}

/// What a library panics with where it should give an error, as over a stranger's bytes, or over a host that gives no thread: it is the
/// answer, and nobody's death. Nothing of it is told, once something is watched in this process.
///
/// # Errors
/// What it says.
pub fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    IS_CAUGHT.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(run));
    IS_CAUGHT.set(false);
    outcome.map_err(|panic| said(&*panic))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic that says nothing").to_owned()
}

/// A task of which a panic is a death, on whichever thread it runs.
pub async fn task<T>(run: impl Future<Output = T>) -> T {
    /// Is dropped by a panic, or with a task that is given up.
    struct Guard;

    impl Drop for Guard {
        fn drop(&mut self) {
            if thread::panicking() {
                // On a thread that is watched as a whole it was told already.
                carried().filter(|watch| !watch.is_whole).inspect(Watch::tell);
            }
        }
    }

    let guard = Guard;
    let done = run.await;
    drop(guard);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs one task to its end, as a thread of the node does whose runtime carries many.
    fn run<F: Future<Output = ()> + Send + 'static>(task: F) {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { drop(tokio::spawn(task).await) });
    }

    async fn panics() {
        panic!("as a broken invariant does");
    }

    fn death(thread: &str) -> Result<Death, flume::TryRecvError> {
        Ok(Death { thread: thread.into() })
    }

    #[test]
    fn a_panic_of_a_thread_or_of_any_task_on_it_or_of_a_thread_that_it_spawns_is_told() {
        let (watching, deaths) = watch();
        assert!(spawn("one", || panic!("as a broken invariant does")).unwrap().join().is_err());
        assert_eq!(deaths.try_recv(), death("one"));
        spawn("two", || run(panics())).unwrap().join().unwrap();
        assert_eq!(deaths.try_recv(), death("two"));
        spawn("three", || spawn("four", || run(task(panics()))).unwrap().join().unwrap()).unwrap().join().unwrap();
        assert_eq!(deaths.try_recv(), death("four"));
        spawn("five", || run(async {})).unwrap().join().unwrap();
        drop(watching);
        assert_eq!(deaths.try_recv(), Err(flume::TryRecvError::Disconnected), "once each, and none without a panic");
    }

    #[test]
    fn on_a_thread_of_tasks_those_count_that_say_so() {
        let (_watching, deaths) = watch();
        let both = || {
            run(panics());
            run(async { drop(tokio::time::timeout(Duration::ZERO, task(std::future::pending::<()>())).await) });
            run(task(panics()));
        };
        spawn_tasks("tasks", both).unwrap().join().unwrap();
        assert_eq!(deaths.drain().collect::<Vec<_>>(), [Death { thread: "tasks".into() }]);
    }

    #[test]
    fn a_panic_of_what_blocks_counts_as_one_of_who_has_asked_and_only_then() {
        let (_watching, deaths) = watch();
        let blocks = |is_asked_here: bool| {
            move || {
                run(async move {
                    let panics = || panic!("as a broken invariant does");
                    if is_asked_here {
                        assert!(blocking(panics).await.unwrap_err().is_panic());
                    }
                    // The same thread of the pool, with nobody's watch.
                    assert!(spawn_blocking(panics).await.unwrap_err().is_panic());
                });
            }
        };
        spawn("asks", blocks(true)).unwrap().join().unwrap();
        spawn("does not ask", blocks(false)).unwrap().join().unwrap();
        spawn_tasks("tasks", blocks(true)).unwrap().join().unwrap();
        assert_eq!(deaths.drain().count(), 1);
    }

    #[test]
    fn what_a_library_panics_with_can_be_an_answer_and_is_no_death() {
        let (_watching, deaths) = watch();
        let caught = || (caught(|| 1), caught::<()>(|| panic!("no thread: {}", 11)), caught::<()>(|| panic!("none")));
        let answers = spawn("one", caught).unwrap().join().unwrap();
        assert_eq!(answers, (Ok(1), Err("no thread: 11".into()), Err("none".into())));
        assert_eq!(deaths.try_recv(), Err(flume::TryRecvError::Empty));
        assert!(spawn("two", || panic!("as a broken invariant does")).unwrap().join().is_err());
        assert_eq!(deaths.try_recv(), death("two"), "others are told as before");
    }

    #[test]
    fn who_is_not_watched_tells_nobody() {
        let (watching, deaths) = watch();
        drop(watching);
        assert!(spawn("alone", || panic!("as a broken invariant does")).unwrap().join().is_err());
        assert_eq!(deaths.try_recv(), Err(flume::TryRecvError::Disconnected));
    }
}
