//! What opens a WebSocket, for all protocols that come in one.

use ringpost::wire::http::{Response, UpgradeRequest};

use super::words::Violation;

/// The upgrade of every connection. Its key is no secret: it tells a cache from a WebSocket server, nothing else.
pub(super) fn request<'a>(host: &'a str, path: &'a str, protocol: Option<&'a str>) -> UpgradeRequest<'a> {
    UpgradeRequest { target: path, host, nonce: *b"ringpost-loadgen", protocol, origin: None }
}

/// Reads the answer to a request for this subprotocol: how many bytes it has; `None` while it is not whole.
///
/// # Errors
/// When it is no upgrade.
pub(super) fn answer(protocol: Option<&str>, input: &[u8]) -> Result<Option<usize>, Violation> {
    match request("", "", protocol).check(input).map_err(Violation::Upgrade)? {
        Response::Partial => Ok(None),
        Response::Accepted { consumed, .. } => Ok(Some(consumed)),
        Response::Refused(status) => Err(Violation::Status(status)),
    }
}
