//! Which calls of the API were refused, for the access log.
//!
//! Knows of a call its method, from whom it comes, and how it was answered; never its headers, its query or its body.

use std::net::IpAddr;

use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::Response;

use super::refused::RefusedWith;
use super::state::ControlState;
use super::visitor::Visitor;
use crate::access_log::{AccessLog, Entry, RefusedCall};
use crate::clock;
use crate::limits::LOGGED_METHOD_BYTES_MAX;

/// A call under way.
#[derive(Debug)]
pub(super) struct Call {
    method: Box<str>,
    address: IpAddr,
    log: AccessLog,
}

impl Call {
    /// The call that a request is, if it is one and there is an access log.
    pub(super) fn of<B>(request: &Request<B>, visitor: &Visitor) -> Option<Self> {
        let state = &visitor.state;
        let method = request.uri().path().strip_prefix("/api").filter(|_| state.access_log.is_on())?;
        let method = method.strip_prefix('/').or_else(|| method.is_empty().then_some(method))?;
        Some(Self::new(state, method, visitor.arrival.address, request.headers()))
    }

    /// A call of a method by another way than a path below `/api`.
    pub(super) fn new(state: &ControlState, method: &str, address: IpAddr, headers: &HeaderMap) -> Self {
        Self {
            method: method.chars().take(LOGGED_METHOD_BYTES_MAX).collect(),
            address: client_of(state, address, headers),
            log: state.access_log.clone(),
        }
    }

    /// It was answered.
    pub(super) fn answered(self, response: &Response) {
        let code = response.extensions().get().map(|RefusedWith(code)| *code);
        self.ended(response.status(), code);
    }

    /// It was answered with this status, and refused with this code.
    pub(super) fn ended(self, status: StatusCode, code: Option<u32>) {
        if code.is_none() && !status.is_client_error() && !status.is_server_error() {
            return;
        }
        self.log.write(Entry::Call(RefusedCall {
            time_unix_ms: clock::unix_ms(),
            address: self.address,
            method: self.method,
            status: status.as_u16(),
            code,
        }));
    }
}

/// Whose call it is: as the socket has it, or a trusted proxy says.
fn client_of(state: &ControlState, address: IpAddr, headers: &HeaderMap) -> IpAddr {
    let lines = |name| headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default());
    state.config().proxies.client_of(address, lines)
}
