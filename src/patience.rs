//! Trying again what may go by itself: a node that was killed gives its ports and what it has locked back only when the kernel
//! has taken its rings down, and a thread that has ended counts until the kernel has taken it down.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::io::Errno;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// How often something is tried: two seconds, for a busy host takes rings down late.
const ATTEMPTS: u32 = 40;

/// What to do where the host lacks something that does not come by itself.
pub const HINT: &str = "`ringpost doctor` tells what this host lacks and how to give it";

/// What `attempt` comes to, tried again for two seconds while it fails with what `may_pass`. Blocks the thread.
///
/// # Errors
/// The last attempt's, or the first that does not pass.
pub fn patiently<T, E>(mut attempt: impl FnMut() -> Result<T, E>, may_pass: impl Fn(&E) -> bool) -> Result<T, E> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(error) if may_pass(&error) => thread::sleep(PAUSE),
            outcome => return outcome,
        }
    }
    attempt()
}

/// Whether the kernel had no memory for a ring. It wants that in large pieces, which a busy host may lack for a moment
/// however much is free (axboe/liburing#1614); or what a killed node has locked still counts.
pub fn lacks_memory(os_error: Option<i32>) -> bool {
    os_error == Some(Errno::NOMEM.raw_os_error())
}

/// Spawns a thread. A node may have no more threads than it needs, and one that has just ended, of glommio's look at the kernel
/// or of the process before, takes the place of the next until the kernel has taken it down.
///
/// # Errors
/// The host has no thread left.
pub fn spawn<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    // What a thread was to run that could not be spawned is lost with it, so each attempt takes it only when it runs.
    let run = Arc::new(Mutex::new(Some(run)));
    let attempt = || {
        let run = run.clone();
        thread::Builder::new().name(name.into()).spawn(move || {
            let run = run.lock().unwrap_or_else(PoisonError::into_inner).take();
            run.expect("one attempt succeeds")()
        })
    };
    patiently(attempt, lacks_threads).map_err(|error| io::Error::new(error.kind(), format!("{error}; {HINT}")))
}

/// Whether the user, or the control group, has as many threads as it may.
fn lacks_threads(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::AGAIN.raw_os_error())
}

/// Whether another holds the port.
pub fn is_in_use(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_runs_once_what_it_is_given_and_has_its_name() {
        let name = || thread::current().name().map(str::to_owned);
        assert_eq!(spawn("worker", name).unwrap().join().unwrap().as_deref(), Some("worker"));
        assert!(lacks_threads(&Errno::AGAIN.into()) && !lacks_threads(&Errno::NOMEM.into()));
    }

    #[test]
    fn what_may_go_by_itself_is_tried_again_some_times_and_what_may_not_is_told_at_once() {
        let after = |failures: u32, error: Errno| {
            let mut tried = 0;
            let attempt = || {
                tried += 1;
                if tried > failures { Ok(()) } else { Err(io::Error::from(error)) }
            };
            let outcome = patiently(attempt, |error| lacks_memory(error.raw_os_error()));
            (outcome.is_ok(), tried)
        };
        assert_eq!(after(2, Errno::NOMEM), (true, 3));
        assert_eq!(after(u32::MAX, Errno::NOMEM), (false, ATTEMPTS));
        assert_eq!(after(2, Errno::PERM), (false, 1));
    }
}
