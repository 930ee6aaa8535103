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
    /// The subprotocols that the client offers, as in the first header of that name: no known client splits
    /// the list.
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
    let headers = Headers(request.headers);
    let upgrade = request.method == Some("GET")
        && request.version == Some(1)
        && headers.has_token("upgrade", "websocket")
        && headers.has_token("connection", "upgrade");
    if !upgrade {
        return Ok(Request::Plain);
    }
    if headers.single("sec-websocket-version")? != Some("13") {
        return Err(HttpViolation::Version);
    }
    let key = headers.single("sec-websocket-key")?.filter(|key| is_key(key)).ok_or(HttpViolation::Key)?;
    let target = request.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Request::Upgrade(Upgrade {
        path,
        query,
        key,
        protocols: headers.values("sec-websocket-protocol").next().unwrap_or_default(),
        origin: headers.single("origin")?,
        host: headers.single("host")?,
        consumed,
    }))
}

struct Headers<'h, 'a>(&'h [httparse::Header<'a>]);

impl<'h, 'a: 'h> Headers<'h, 'a> {
    /// The values of all lines of this name. One that is no UTF-8 is empty: it then matches nothing.
    fn values(&self, name: &'static str) -> impl Iterator<Item = &'a str> + 'h {
        let found = self.0.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| std::str::from_utf8(header.value).unwrap_or_default().trim())
    }

    /// The value of a header that is no list: twice is ambiguous (RFC 9110, 5.3).
    fn single(&self, name: &'static str) -> Result<Option<&'a str>, HttpViolation> {
        let mut values = self.values(name);
        let first = values.next();
        if values.next().is_some() { Err(HttpViolation::Malformed) } else { Ok(first) }
    }

    fn has_token(&self, name: &'static str, token: &str) -> bool {
        self.values(name).any(|value| has_token(value, token))
    }
}

fn has_token(list: &str, token: &str) -> bool {
    list.split(',').any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// Sixteen bytes in base64.
fn is_key(key: &str) -> bool {
    let mut bytes = [0; 18];
    key.len() == 24 && BASE64.decode_slice(key, &mut bytes) == Ok(16)
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
    out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    out.extend_from_slice(b"Sec-WebSocket-Accept: ");
    out.extend_from_slice(&accept_of(key));
    if let Some(protocol) = protocol {
        out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        out.extend_from_slice(protocol.as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
}

/// `Sec-WebSocket-Accept`: base64 of SHA-1 of the key and the RFC's identifier.
fn accept_of(key: &str) -> [u8; 28] {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.as_bytes());
    hash.update(GUID);
    let mut accept = [0; 28];
    let len = BASE64.encode_slice(hash.finish(), &mut accept).expect("20 bytes are 28 in base64");
    assert_eq!(len, accept.len());
    accept
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

// ---------------------------------------------------------------- the client's side

/// What a client asks for when it upgrades: for tests, benches and load generators.
#[derive(Clone, Copy, Debug)]
pub struct UpgradeRequest<'a> {
    /// Path and query.
    pub target: &'a str,
    /// `Host`.
    pub host: &'a str,
    /// Sixteen random bytes.
    pub nonce: [u8; 16],
    /// The subprotocol to offer.
    pub protocol: Option<&'a str>,
    /// `Origin`, as a browser would send it.
    pub origin: Option<&'a str>,
}

/// What the node answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Response<'a> {
    /// The head is not whole yet.
    Partial,
    /// The protocol is switched.
    Accepted {
        /// The subprotocol that the node chose.
        protocol: Option<&'a str>,
        /// Bytes of the head; what follows is frames.
        consumed: usize,
    },
    /// Another status than 101.
    Refused(u16),
}

impl UpgradeRequest<'_> {
    fn key(&self) -> [u8; 24] {
        let mut key = [0; 24];
        let len = BASE64.encode_slice(self.nonce, &mut key).expect("16 bytes are 24 in base64");
        assert_eq!(len, key.len());
        key
    }

    /// Appends the request (RFC 6455, 4.1).
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut line = |parts: [&str; 3]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        line(["GET ", self.target, " HTTP/1.1\r\n"]);
        line(["Host: ", self.host, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"]);
        line(["Sec-WebSocket-Key: ", std::str::from_utf8(&self.key()).expect("base64 is ASCII"), "\r\n"]);
        if let Some(protocol) = self.protocol {
            line(["Sec-WebSocket-Protocol: ", protocol, "\r\n"]);
        }
        if let Some(origin) = self.origin {
            line(["Origin: ", origin, "\r\n"]);
        }
        line(["Sec-WebSocket-Version: 13", "\r\n", "\r\n"]);
    }

    /// Reads the head of the answer and checks that it belongs to this request.
    ///
    /// # Errors
    /// [`HttpViolation::Malformed`] when it is no HTTP or switches to something else; [`HttpViolation::Key`]
    /// when it answers another key.
    pub fn check<'a>(&self, input: &'a [u8]) -> Result<Response<'a>, HttpViolation> {
        let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let consumed = match response.parse(input).map_err(|_| HttpViolation::Malformed)? {
            httparse::Status::Complete(consumed) => consumed,
            httparse::Status::Partial => return Ok(Response::Partial),
        };
        let status = response.code.ok_or(HttpViolation::Malformed)?;
        if status != 101 {
            return Ok(Response::Refused(status));
        }
        let headers = Headers(response.headers);
        if !headers.has_token("upgrade", "websocket") || !headers.has_token("connection", "upgrade") {
            return Err(HttpViolation::Malformed);
        }
        let key = self.key();
        let expected = accept_of(std::str::from_utf8(&key).expect("base64 is ASCII"));
        if headers.single("sec-websocket-accept")?.map(str::as_bytes) != Some(&expected[..]) {
            return Err(HttpViolation::Key);
        }
        Ok(Response::Accepted { protocol: headers.single("sec-websocket-protocol")?, consumed })
    }
}
