//! What load balancers and orchestrators ask of a node, and the answers: the one place for both, whoever answers.

use crate::wire::http::Status;

/// A question about the node's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Is the node there?
    Live,
    /// Does it take clients?
    Ready,
}

impl Probe {
    /// What a request target asks, with its query; `None` where it is no probe's.
    pub fn of(target: &str) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let is_live = || query.split('&').any(|pair| pair == "live" || pair.starts_with("live="));
        match path {
            "/health/live" => Some(Self::Live),
            "/health" if is_live() => Some(Self::Live),
            "/health" | "/health/ready" => Some(Self::Ready),
            _ => None,
        }
    }

    /// Status and JSON: 503 to who asks whether clients may come while the node drains.
    pub fn answer(self, is_draining: bool) -> (Status, &'static str) {
        match self {
            Self::Live => (Status::OK, r#"{"status":"live"}"#),
            Self::Ready if is_draining => (Status::UNAVAILABLE, r#"{"status":"draining"}"#),
            Self::Ready => (Status::OK, r#"{"status":"ready"}"#),
        }
    }
}
