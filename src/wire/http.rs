//! The first request of a conn on the HTTP port: a WebSocket upgrade is answered here, everything else is
//! the control plane's.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::limits::{HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX};

/// What the first request asks.
#[derive(Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// The head is not whole yet.
    Partial,
    /// A WebSocket upgrade (RFC 6455, 4.2.1).
    Upgrade(Upgrade<'a>),
    /// Anything else.
    Plain,
}

/// A WebSocket upgrade.
#[derive(Debug, PartialEq, Eq)]
pub struct Upgrade<'a> {
    /// The path, without the query.
    pub path: &'a str,
    /// What follows the question mark, or nothing.
    pub query: &'a str,
    /// `Sec-WebSocket-Key`.
    pub key: &'a str,
    /// The subprotocols that the client offers, as in the header.
    pub protocols: &'a str,
    /// Where the page came from; only browsers say.
    pub origin: Option<&'a str>,
    /// Which host was asked for.
    pub host: Option<&'a str>,
    /// Bytes of the head; what follows is frames.
    pub consumed: usize,
}

/// Why the request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpViolation {
    /// Not HTTP/1.1.
    #[error("malformed request")]
    Malformed,
    /// More or longer headers than allowed.
    #[error("request header fields too large")]
    TooLarge,
    /// An upgrade of another version than 13.
    #[error("unsupported WebSocket version")]
    Version,
    /// An upgrade without a valid key.
    #[error("missing or malformed Sec-WebSocket-Key")]
    Key,
}

impl HttpViolation {
    /// Status code and reason phrase.
    pub fn status(self) -> Status {
        match self {
            Self::Malformed | Self::Key => Status::BAD_REQUEST,
            Self::TooLarge => Status::HEADERS_TOO_LARGE,
            Self::Version => Status::UPGRADE_REQUIRED,
        }
    }
}

/// A status line's number and phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16, pub &'static str);

impl Status {
    /// 400
    pub const BAD_REQUEST: Self = Self(400, "Bad Request");
    /// 403
    pub const FORBIDDEN: Self = Self(403, "Forbidden");
    /// 404
    pub const NOT_FOUND: Self = Self(404, "Not Found");
    /// 408
    pub const REQUEST_TIMEOUT: Self = Self(408, "Request Timeout");
    /// 426
    pub const UPGRADE_REQUIRED: Self = Self(426, "Upgrade Required");
    /// 431
    pub const HEADERS_TOO_LARGE: Self = Self(431, "Request Header Fields Too Large");
    /// 429
    pub const TOO_MANY_REQUESTS: Self = Self(429, "Too Many Requests");
    /// 503
    pub const UNAVAILABLE: Self = Self(503, "Service Unavailable");
}

/// Reads the head of a request.
///
/// # Errors
/// See [`HttpViolation`].
pub fn parse(input: &[u8]) -> Result<Request<'_>, HttpViolation> {
    let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let consumed = match request.parse(input) {
        Ok(httparse::Status::Complete(consumed)) => consumed,
        Ok(httparse::Status::Partial) if input.len() >= HTTP_HEAD_BYTES_MAX => return Err(HttpViolation::TooLarge),
        Ok(httparse::Status::Partial) => return Ok(Request::Partial),
        Err(httparse::Error::TooManyHeaders) => return Err(HttpViolation::TooLarge),
        Err(_) => return Err(HttpViolation::Malformed),
    };
    if consumed > HTTP_HEAD_BYTES_MAX {
        return Err(HttpViolation::TooLarge);
    }
    let header = |name: &str| {
        let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| std::str::from_utf8(header.value).unwrap_or_default().trim())
    };
    let upgrade = request.method == Some("GET")
        && header("upgrade").is_some_and(|value| has_token(value, "websocket"))
        && header("connection").is_some_and(|value| has_token(value, "upgrade"));
    if !upgrade {
        return Ok(Request::Plain);
    }
    if header("sec-websocket-version") != Some("13") {
        return Err(HttpViolation::Version);
    }
    let key = header("sec-websocket-key").filter(|key| is_key(key)).ok_or(HttpViolation::Key)?;
    let target = request.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Request::Upgrade(Upgrade {
        path,
        query,
        key,
        protocols: header("sec-websocket-protocol").unwrap_or_default(),
        origin: header("origin"),
        host: header("host"),
        consumed,
    }))
}

fn has_token(list: &str, token: &str) -> bool {
    list.split(',').any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// Sixteen bytes in base64.
fn is_key(key: &str) -> bool {
    key.len() == 24 && BASE64.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// The value of a query parameter, not percent-decoded: no value that the node knows needs it.
pub fn query_value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Whether a `Sec-WebSocket-Protocol` header offers a subprotocol.
pub fn offers(protocols: &str, protocol: &str) -> bool {
    has_token(protocols, protocol)
}

/// Appends the answer that switches protocols (RFC 6455, 4.2.2).
pub fn write_accept(key: &str, protocol: Option<&str>, out: &mut Vec<u8>) {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.as_bytes());
    hash.update(GUID);
    let mut accept = [0; 28];
    let len = BASE64.encode_slice(hash.finish(), &mut accept).expect("20 bytes are 28 in base64");
    out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    out.extend_from_slice(b"Sec-WebSocket-Accept: ");
    out.extend_from_slice(&accept[..len]);
    if let Some(protocol) = protocol {
        out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        out.extend_from_slice(protocol.as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
}

/// Appends a refusal with a line of text for the person who reads it; the conn closes after it.
pub fn write_refusal(status: Status, message: &str, out: &mut Vec<u8>) {
    let Status(code, reason) = status;
    let version = if status == Status::UPGRADE_REQUIRED { "Sec-WebSocket-Version: 13\r\n" } else { "" };
    let len = message.len() + 1;
    out.extend_from_slice(
        format!(
            "HTTP/1.1 {code} {reason}\r\n{version}Content-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {len}\r\nConnection: close\r\n\r\n{message}\n"
        )
        .as_bytes(),
    );
}
