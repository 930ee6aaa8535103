//! What a node is asked from outside, by signals or by its owner: to leave, or to read its configuration again.
//!
//! Owns the queue of these requests, which exists before the node does: what is asked while the node starts waits
//! until it has started. Signals are caught on a thread that does nothing else.

use std::ffi::c_int;
use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::limits::REQUESTS_WAITING_MAX;
use crate::patience;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// SIGTERM or SIGINT: leave. Asked twice: at once.
    Leave,
    /// SIGHUP: read the configuration again.
    Reload,
    /// Nobody hears signals any more: leave while that can be done.
    Unheard,
}

/// The queue of requests, in the order in which they came.
#[derive(Clone, Debug)]
pub struct Requests {
    sender: flume::Sender<Request>,
    receiver: flume::Receiver<Request>,
}

impl Requests {
    /// An empty queue, which no signal reaches.
    #[expect(clippy::new_without_default, reason = "clones share a queue, and a default would be one of its own")]
    pub fn new() -> Self {
        let (sender, receiver) = flume::bounded(REQUESTS_WAITING_MAX);
        Self { sender, receiver }
    }

    /// A queue that takes the signals of this process from now on; until then they end it without a goodbye.
    ///
    /// # Errors
    /// When the host has no thread or descriptor left.
    pub fn of_signals() -> io::Result<Self> {
        let requests = Self::new();
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
        let sender = requests.sender.clone();
        patience::spawn("signals", move || forward(signals.forever(), &sender))?;
        Ok(requests)
    }

    /// Asks. A queue that is full says all that there is to say already.
    pub fn ask(&self, request: Request) {
        let _ = self.sender.try_send(request);
    }

    /// Waits for the next one. Giving up the wait loses none.
    pub(super) async fn next(&self) -> Request {
        self.receiver.recv_async().await.expect("the queue holds a sender itself")
    }
}

/// Asks what signals say, as long as they come. There is no node yet that could watch the thread that does so, so it tells by itself
/// that it has ended.
fn forward(signals: impl Iterator<Item = c_int>, sender: &flume::Sender<Request>) {
    struct Obituary<'a>(&'a flume::Sender<Request>);

    impl Drop for Obituary<'_> {
        fn drop(&mut self) {
            let _ = self.0.send(Request::Unheard);
        }
    }

    let _obituary = Obituary(sender);
    for signal in signals {
        let request = if signal == SIGHUP { Request::Reload } else { Request::Leave };
        // While the queue is full, further signals of a kind become one.
        let _ = sender.send(request);
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    #[tokio::test]
    async fn what_is_asked_before_anybody_listens_is_heard_in_order() {
        let requests = Requests::new();
        requests.ask(Request::Reload);
        requests.ask(Request::Leave);
        assert_eq!((requests.next().await, requests.next().await), (Request::Reload, Request::Leave));
    }

    #[tokio::test]
    async fn a_thread_of_signals_that_panics_does_not_end_unheard() {
        let requests = Requests::new();
        let sender = requests.sender.clone();
        let signals = [SIGHUP, SIGTERM].into_iter().chain(iter::from_fn(|| panic!("as a broken invariant does")));
        assert!(patience::spawn("signals", move || forward(signals, &sender)).unwrap().join().is_err());
        let asked = [requests.next().await, requests.next().await, requests.next().await];
        assert_eq!(asked, [Request::Reload, Request::Leave, Request::Unheard]);
    }

    #[test]
    fn asking_never_waits() {
        let requests = Requests::new();
        for _ in 0..=REQUESTS_WAITING_MAX {
            requests.ask(Request::Leave);
        }
        assert_eq!(requests.receiver.len(), REQUESTS_WAITING_MAX);
    }
}
