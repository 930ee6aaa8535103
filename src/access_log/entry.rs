//! What the access log can be told.

use std::net::IpAddr;

use crate::broker::visit::Visit;

/// Something to be written down.
#[derive(Debug)]
pub enum Entry {
    /// Of a client.
    Visit(Visit),
    /// Of a backend.
    Call(RefusedCall),
    /// Nothing: the writer is to look whether it has to open its file again.
    Look,
}

/// A call of a backend that was refused.
#[derive(Clone, Debug)]
pub struct RefusedCall {
    /// When, Unix milliseconds.
    pub time_unix_ms: i64,
    /// Where the caller is.
    pub address: IpAddr,
    /// The method, as it was asked for.
    pub method: Box<str>,
    /// The HTTP status.
    pub status: u16,
    /// The code of the error in the answer, if there is one.
    pub code: Option<u32>,
}
