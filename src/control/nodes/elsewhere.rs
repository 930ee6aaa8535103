//! What other nodes are to carry out for a call, and what a backend is told where they cannot.

use serde_json::value::RawValue;

use crate::cluster::redis::fault::Fault;
use crate::model::refusal::{Error, ErrorKind};

/// What other nodes are to carry out as well.
#[derive(Debug)]
pub(in crate::control) struct Elsewhere {
    /// Those that have sessions of this user; all, where it is empty.
    pub(in crate::control) user: String,
    /// The request, JSON.
    pub(in crate::control) request: Box<RawValue>,
    /// Whether the call is refused where one of them has not answered; otherwise it is told which.
    pub(in crate::control) needs_all: bool,
}

/// What other nodes have answered.
#[derive(Debug, Default)]
pub(in crate::control) struct Heard {
    /// The results, JSON.
    pub(in crate::control) results: Vec<Box<RawValue>>,
    /// The names of those that live and have not answered in time, or have failed; none where all are needed.
    pub(in crate::control) missing: Vec<String>,
}

/// What a backend is told of a fault.
pub(super) fn error_of(fault: &Fault) -> Error {
    match fault {
        Fault::Refused(why) => ErrorKind::BadRequest.because(format!("bad request: {why}")),
        fault => ErrorKind::Internal.because(format!(
            "internal server error: {fault}; what this node had to do is done, what others had to do may be"
        )),
    }
}
