//! Trying again what may go by itself: a node that was killed gives its ports and what it has locked back only when the kernel
//! has taken its rings down.

use std::io;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// How often something is tried: two seconds, for a busy host takes rings down late.
const ATTEMPTS: u32 = 40;

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

/// Whether another holds the port.
pub fn is_in_use(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

#[cfg(test)]
mod tests {
    use super::*;

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
