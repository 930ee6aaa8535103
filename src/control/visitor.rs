//! The requests of one HTTP conn: a backend's are answered at once, a stranger's in turn.

use std::sync::Arc;

use axum::http::{HeaderMap, Uri};

use super::api::may_call;
use super::seats::Seat;
use super::state::ControlState;
use crate::broker::order::Arrival;
use crate::config::Purpose;

/// Who is on a conn.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) state: Arc<ControlState>,
    /// Where the conn came from.
    pub(super) arrival: Arrival,
    /// The conn's seat.
    pub(super) seat: Arc<Seat>,
}

impl Visitor {
    /// Carries one request out.
    pub(super) async fn answer<T>(self, is_backend: bool, answer: impl Future<Output = T>) -> T {
        let turn = if is_backend { None } else { self.seat.turn().await };
        let answer = answer.await;
        drop(turn);
        self.seat.idles();
        answer
    }

    /// A request with these headers, to this address, begins. Whether it is a backend's.
    pub(super) fn begins(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let config = self.state.config();
        let with_key = || self.arrival.purpose.is_internal(&config) && may_call(&config.http_api, headers, uri);
        let is_backend = self.arrival.purpose == Purpose::Internal || with_key();
        self.seat.begins(is_backend);
        is_backend
    }
}
