//! One connection as its calls see it: whose they are, which are under way, and when the connection has to end.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::control::seats::Seat;
use crate::control::state::ControlState;
use crate::limits::{GRPC_IDLE_MS, GRPC_WRONG_KEYS_MAX, HTTP_LINGER_MS, HTTP_UNREAD_TIMEOUT_MS};

/// Who still reads an answer has so long.
pub(super) const LINGER: Duration = Duration::from_millis(HTTP_LINGER_MS);

/// A connection.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) state: Arc<ControlState>,
    /// Where it comes from.
    pub(super) address: IpAddr,
    seat: Seat,
    calls: Mutex<Calls>,
    ends: Notify,
}

/// The calls of a connection. Only the control plane's thread looks at them, so that nobody waits.
#[derive(Debug)]
struct Calls {
    begun: u64,
    under_way: usize,
    /// Whether one of them had the right key.
    is_backend: bool,
    /// How many of them had a wrong key.
    wrong_keys: usize,
    /// When the last of them ended.
    idle_since: Instant,
    /// Answers that the peer has yet to read, and since when.
    unread: BTreeMap<u64, Instant>,
}

impl Visit {
    /// A connection that has a seat.
    pub(super) fn new(state: Arc<ControlState>, address: IpAddr, seat: Seat) -> Self {
        let unread = BTreeMap::new();
        let idle_since = Instant::now();
        let calls = Calls { begun: 0, under_way: 0, is_backend: false, wrong_keys: 0, idle_since, unread };
        Self { state, address, seat, calls: Mutex::new(calls), ends: Notify::new() }
    }

    /// A call begins.
    pub(super) fn begins(self: &Arc<Self>, is_backend: bool) -> UnderWay {
        let mut calls = self.calls();
        calls.begun += 1;
        calls.under_way += 1;
        calls.is_backend |= is_backend;
        // Whoever has no key asks for health only, and may watch it for ever: that keeps no seat from who comes.
        if is_backend {
            self.seat.begins(true);
        }
        UnderWay { visit: self.clone(), number: calls.begun }
    }

    /// A call had a wrong key: the connection is to end, once its calls are answered and its peer knows that no more are taken; at
    /// once, where its peer goes on with wrong keys.
    pub(super) fn had_wrong_key(&self) {
        let wrong_keys = {
            let mut calls = self.calls();
            calls.wrong_keys += 1;
            calls.wrong_keys
        };
        if wrong_keys == 1 || wrong_keys > GRPC_WRONG_KEYS_MAX {
            self.ends.notify_one();
        }
    }

    /// Waits until the connection has to end: it was told to, its seat is another's, it is nobody's whom one knows and asks nothing,
    /// or it leaves answers unread.
    pub(super) async fn is_over(&self) {
        tokio::select! {
            () = self.ends.notified() => {}
            () = self.seat.is_lost() => {}
            () = self.is_overdue() => {}
        }
    }

    /// Waits for as long as a connection that is over may go on: calls that are under way are answered, and who has called learns in
    /// time that this connection takes no more, so that its library sends them over another. Who is not known, and whose seat is
    /// somebody else's, goes at once, and so does who goes on with wrong keys.
    pub(super) async fn lingers(&self) {
        let patience = match self.calls().is_worth_a_wait() {
            true => LINGER,
            false => Duration::ZERO,
        };
        tokio::select! {
            () = sleep(patience) => {}
            () = self.ends.notified() => {}
            () = self.seat.is_lost() => {}
        }
    }

    async fn is_overdue(&self) {
        while !self.calls().is_overdue(Instant::now()) {
            sleep(Duration::from_millis(GRPC_IDLE_MS / 10)).await;
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Calls {
    fn is_worth_a_wait(&self) -> bool {
        let has_called = self.under_way > 0 || self.is_backend || self.wrong_keys > 0;
        has_called && self.wrong_keys <= GRPC_WRONG_KEYS_MAX
    }

    fn is_overdue(&self, now: Instant) -> bool {
        let over = |since: Instant, most_ms: u64| now.duration_since(since) > Duration::from_millis(most_ms);
        let asks_nothing = !self.is_backend && self.under_way == 0 && over(self.idle_since, GRPC_IDLE_MS);
        let oldest = self.unread.first_key_value();
        asks_nothing || oldest.is_some_and(|(_, since)| over(*since, HTTP_UNREAD_TIMEOUT_MS.into()))
    }
}

/// A call under way; over when it is dropped.
#[derive(Debug)]
pub(super) struct UnderWay {
    visit: Arc<Visit>,
    number: u64,
}

impl UnderWay {
    /// Its answer, which the peer is to read in time; `is_stream`: that may go on for as long as both like.
    pub(super) fn answer<B>(self, body: B, is_stream: bool) -> Answer<B> {
        if !is_stream {
            self.visit.calls().unread.insert(self.number, Instant::now());
        }
        Answer { body, _call: self }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut calls = self.visit.calls();
        calls.unread.remove(&self.number);
        calls.under_way -= 1;
        if calls.under_way == 0 {
            calls.idle_since = Instant::now();
            self.visit.seat.idles();
        }
    }
}

/// The body of an answer; its call is under way until it was sent.
#[derive(Debug)]
pub(super) struct Answer<B> {
    body: B,
    _call: UnderWay,
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
