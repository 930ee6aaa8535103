//! The first request of a conn on the HTTP port: a WebSocket upgrade is answered here, everything else is
//! the control plane's.

use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::alphabet::STANDARD as STANDARD_ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD as BASE64};
use smallvec::SmallVec;

use crate::limits::{HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX};

/// The head of the first request, by what it asks.
#[derive(Debug, PartialEq, Eq)]
pub enum Head<'a> {
    /// The head is not whole yet.
    Partial,
    /// A WebSocket upgrade (RFC 6455, 4.2.1).
    Upgrade(Upgrade<'a>),
    /// Anything else.
    Plain(Plain<'a>),
}

/// A request that is no upgrade, as far as a shard looks at it.
#[derive(Debug, PartialEq, Eq)]
pub struct Plain<'a> {
    /// As it was sent; any token.
    pub method: &'a str,
    /// The request target, as it was sent.
    pub target: &'a str,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: &'static str,
    /// The head is all of it, and names its host as it must: it can be answered without another look.
    pub is_bare: bool,
    /// The conn ends after the answer.
    pub closes: bool,
    /// What it gives as `X-API-Key`, or as `Authorization: apikey KEY`.
    pub api_key: Option<&'a str>,
    /// Bytes of the head.
    pub consumed: usize,
}

/// A WebSocket upgrade.
#[derive(Debug, PartialEq, Eq)]
pub struct Upgrade<'a> {
    /// The path, without the query, as it was sent: compare it with [`is_same_text`].
    pub path: &'a str,
    /// What follows the question mark, or nothing.
    pub query: &'a str,
    /// `Sec-WebSocket-Key`.
    pub key: &'a str,
    /// The subprotocols that the client offers: one list for each header of that name (RFC 6455, 11.3.4).
    pub protocols: SmallVec<[&'a str; 1]>,
    /// Where the page came from; only browsers say.
    pub origin: Option<&'a str>,
    /// `X-Device`: which device connects. Only clients that are no browsers can say so here.
    pub device: Option<&'a str>,
    /// `X-Device-Kind`.
    pub device_kind: Option<&'a str>,
    /// Which host was asked for: by the target, where it names one, else by `Host` (RFC 9112, 3.2.2).
    pub host: &'a str,
    /// Bytes of the head; what follows is frames.
    pub consumed: usize,
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpViolation {
    /// This part of it is no HTTP/1.1.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// Another major version.
    #[error("HTTP/1.1 is spoken here")]
    HttpVersion,
    /// A request target that fills a whole head.
    #[error("request target too long")]
    TargetTooLong,
    /// More or longer headers than allowed.
    #[error("request header fields too large")]
    TooLarge,
    /// This header has one value and comes twice (RFC 9110, 5.3).
    #[error("{0} comes more than once")]
    Repeated(&'static str),
    /// HTTP/1.1 without `Host` (RFC 9112, 3.2).
    #[error("Host is missing")]
    Host,
    /// `Content-Length` beside `Transfer-Encoding`: two recipients may see two requests (RFC 9112, 6.3).
    #[error("Content-Length and Transfer-Encoding together")]
    Framing,
    /// An upgrade with a body: the bytes behind the head would be frames to one recipient and a body to another.
    #[error("an upgrade has no body")]
    Body,
    /// An upgrade by another method.
    #[error("a WebSocket upgrade is asked for with GET")]
    Method,
    /// An upgrade of another WebSocket version than 13.
    #[error("unsupported WebSocket version: Sec-WebSocket-Version must be 13")]
    WebSocketVersion,
    /// An upgrade without a valid key.
    #[error("missing or malformed Sec-WebSocket-Key")]
    Key,
}

impl HttpViolation {
    /// Status code and reason phrase.
    pub fn status(self) -> Status {
        match self {
            Self::HttpVersion => Status::VERSION_NOT_SUPPORTED,
            Self::TargetTooLong => Status::TARGET_TOO_LONG,
            Self::TooLarge => Status::HEADERS_TOO_LARGE,
            Self::Method => Status::METHOD_NOT_ALLOWED,
            Self::WebSocketVersion => Status::UPGRADE_REQUIRED,
            Self::Malformed(_) | Self::Repeated(_) | Self::Host | Self::Framing | Self::Body | Self::Key => {
                Status::BAD_REQUEST
            }
        }
    }
}

impl From<httparse::Error> for HttpViolation {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooLarge,
            httparse::Error::Version => Self::HttpVersion,
            httparse::Error::HeaderName => Self::Malformed("header name"),
            httparse::Error::HeaderValue => Self::Malformed("header value"),
            httparse::Error::NewLine => Self::Malformed("line end"),
            httparse::Error::Token | httparse::Error::Status => Self::Malformed("start line"),
        }
    }
}

/// A status line's number and phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16, pub &'static str);

impl Status {
    /// 200
    pub const OK: Self = Self(200, "OK");
    /// 400
    pub const BAD_REQUEST: Self = Self(400, "Bad Request");
    /// 403
    pub const FORBIDDEN: Self = Self(403, "Forbidden");
    /// 404
    pub const NOT_FOUND: Self = Self(404, "Not Found");
    /// 405
    pub const METHOD_NOT_ALLOWED: Self = Self(405, "Method Not Allowed");
    /// 408
    pub const REQUEST_TIMEOUT: Self = Self(408, "Request Timeout");
    /// 414
    pub const TARGET_TOO_LONG: Self = Self(414, "URI Too Long");
    /// 426
    pub const UPGRADE_REQUIRED: Self = Self(426, "Upgrade Required");
    /// 429
    pub const TOO_MANY_REQUESTS: Self = Self(429, "Too Many Requests");
    /// 431
    pub const HEADERS_TOO_LARGE: Self = Self(431, "Request Header Fields Too Large");
    /// 503
    pub const UNAVAILABLE: Self = Self(503, "Service Unavailable");
    /// 505
    pub const VERSION_NOT_SUPPORTED: Self = Self(505, "HTTP Version Not Supported");
}

/// Reads the head of a request.
///
/// # Errors
/// See [`HttpViolation`].
pub fn parse(input: &[u8]) -> Result<Head<'_>, HttpViolation> {
    let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let consumed = match request.parse(input)? {
        httparse::Status::Complete(consumed) => consumed,
        httparse::Status::Partial if input.len() < HTTP_HEAD_BYTES_MAX => return Ok(Head::Partial),
        httparse::Status::Partial if request.version.is_none() => return Err(HttpViolation::TargetTooLong),
        httparse::Status::Partial => return Err(HttpViolation::TooLarge),
    };
    if consumed > HTTP_HEAD_BYTES_MAX {
        return Err(HttpViolation::TooLarge);
    }
    let headers = Headers(request.headers);
    check_framing(request.version, &headers)?;
    // HTTP/1.0 knows no upgrade: it is to be overlooked there (RFC 9110, 7.8).
    let upgrade = request.version == Some(1)
        && headers.has_token("upgrade", "websocket")
        && headers.has_token("connection", "upgrade");
    if !upgrade {
        let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
        return Ok(Head::Plain(plain(method, target, request.version == Some(1), &headers, consumed)));
    }
    if request.method != Some("GET") {
        return Err(HttpViolation::Method);
    }
    parse_upgrade(request.path.unwrap_or_default(), &headers, consumed).map(Head::Upgrade)
}

/// The values of all lines of this name in a whole head, in their order. One that is no UTF-8 is empty.
pub fn values<'a>(head: &'a [u8], name: &'static str) -> SmallVec<[&'a str; 1]> {
    let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => Headers(request.headers).values(name).collect(),
        _ => SmallVec::new(),
    }
}

fn plain<'a>(method: &'a str, target: &'a str, is_1_1: bool, headers: &Headers<'_, 'a>, consumed: usize) -> Plain<'a> {
    let has_body = headers.has("transfer-encoding") || headers.values("content-length").any(|length| length != "0");
    let hosts = headers.values("host").count();
    let authorization = headers.values("authorization").next();
    let by_scheme = authorization.and_then(|value| value.split_at_checked("apikey ".len()));
    let by_scheme = by_scheme.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("apikey ")).map(|(_, key)| key.trim());
    Plain {
        method,
        target,
        version: if is_1_1 { "HTTP/1.1" } else { "HTTP/1.0" },
        is_bare: !has_body && !headers.has("expect") && (hosts == 1 || hosts == 0 && !is_1_1),
        closes: !is_1_1 || headers.has_token("connection", "close"),
        api_key: headers.values("x-api-key").next().or(by_scheme),
        consumed,
    }
}

/// Where the body ends must be beyond doubt, or two recipients may see two requests (RFC 9112, 6.3).
fn check_framing(version: Option<u8>, headers: &Headers<'_, '_>) -> Result<(), HttpViolation> {
    let mut lengths = headers.values("content-length");
    let mut codings = headers.values("transfer-encoding").flat_map(|value| value.split(','));
    match (lengths.next(), codings.next_back()) {
        (Some(_), Some(_)) => Err(HttpViolation::Framing),
        (Some(length), None) if !is_number(length) || lengths.any(|other| other != length) => {
            Err(HttpViolation::Malformed("Content-Length"))
        }
        (None, Some(last)) if version != Some(1) || !last.trim().eq_ignore_ascii_case("chunked") => {
            Err(HttpViolation::Malformed("Transfer-Encoding"))
        }
        _ => Ok(()),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a WebSocket upgrade must have (RFC 6455, 4.2.1).
fn parse_upgrade<'a>(
    target: &'a str,
    headers: &Headers<'_, 'a>,
    consumed: usize,
) -> Result<Upgrade<'a>, HttpViolation> {
    let (authority, path, query) = split_target(target).ok_or(HttpViolation::Malformed("request target"))?;
    let host = headers.single("Host")?.ok_or(HttpViolation::Host)?;
    if !is_host(host) {
        return Err(HttpViolation::Malformed("Host"));
    }
    if headers.has("transfer-encoding") || headers.values("content-length").any(|length| length != "0") {
        return Err(HttpViolation::Body);
    }
    if !headers.has_token("sec-websocket-version", "13") {
        return Err(HttpViolation::WebSocketVersion);
    }
    Ok(Upgrade {
        path,
        query,
        key: headers.single("Sec-WebSocket-Key")?.filter(|key| is_key(key)).ok_or(HttpViolation::Key)?,
        protocols: headers.values("sec-websocket-protocol").collect(),
        origin: headers.single("Origin")?.filter(|origin| !origin.is_empty()),
        device: headers.values("x-device").next(),
        device_kind: headers.values("x-device-kind").next(),
        host: authority.unwrap_or(host),
        consumed,
    })
}

/// Authority, path and query of a request target in origin form or in absolute form (RFC 9112, 3.2).
fn split_target(target: &str) -> Option<(Option<&str>, &str, &str)> {
    let (authority, rest) = match target.split_once("://") {
        _ if target.starts_with('/') => (None, target),
        Some((scheme, rest))
            if ["http", "https", "ws", "wss"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) =>
        {
            let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            (Some(authority), rest)
        }
        _ => return None,
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    Some((authority, if path.is_empty() { "/" } else { path }, query))
}

/// Whether it can be a host with a port (RFC 9110, 7.2). An empty one is allowed.
fn is_host(host: &str) -> bool {
    !host.contains([' ', '\t', '/', '?', '#', '@', ',', '\\'])
}

struct Headers<'h, 'a>(&'h [httparse::Header<'a>]);

impl<'h, 'a: 'h> Headers<'h, 'a> {
    /// The values of all lines of this name. One that is no UTF-8 is empty: it then matches nothing.
    fn values(&self, name: &'static str) -> impl DoubleEndedIterator<Item = &'a str> + 'h {
        let found = self.0.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| std::str::from_utf8(header.value).unwrap_or_default().trim())
    }

    fn has(&self, name: &'static str) -> bool {
        self.values(name).next().is_some()
    }

    /// The value of a header that is no list: twice is ambiguous (RFC 9110, 5.3).
    fn single(&self, name: &'static str) -> Result<Option<&'a str>, HttpViolation> {
        let mut values = self.values(name);
        let first = values.next();
        if values.next().is_some() { Err(HttpViolation::Repeated(name)) } else { Ok(first) }
    }

    fn has_token(&self, name: &'static str, token: &str) -> bool {
        self.values(name).any(|value| has_token(value, token))
    }
}

fn has_token(list: &str, token: &str) -> bool {
    list.split(',').any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// Sixteen bytes in base64. Clients that make 22 random letters and `==` leave bits at the end that stand for
/// nothing; decoders commonly overlook them (RFC 4648, 3.5).
fn is_key(key: &str) -> bool {
    const LENIENT: GeneralPurpose =
        GeneralPurpose::new(&STANDARD_ALPHABET, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
    let mut bytes = [0; 18];
    key.len() == 24 && LENIENT.decode_slice(key, &mut bytes) == Ok(16)
}

/// Whether the query has a parameter of this name and value.
pub fn query_has(query: &str, name: &str, value: &str) -> bool {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.any(|(key, sent)| is_same_text(key, name) && is_same_text(sent, value))
}

/// Whether two parts of a URI are the same. Letters, digits, `-`, `.`, `_` and `~` mean the same whether they are
/// percent-encoded or not (RFC 3986, 2.3); a slash does not.
pub fn is_same_text(sent: &str, expected: &str) -> bool {
    sent == expected || Normalized(sent.as_bytes()).eq(Normalized(expected.as_bytes()))
}

/// The bytes of a part of a URI, those that need no encoding decoded.
struct Normalized<'a>(&'a [u8]);

impl Iterator for Normalized<'_> {
    /// A byte, and whether it is encoded.
    type Item = (u8, bool);

    fn next(&mut self) -> Option<(u8, bool)> {
        let hex = |digit: &u8| char::from(*digit).to_digit(16).map(|value| value as u8);
        if let [b'%', high, low, rest @ ..] = self.0
            && let (Some(high), Some(low)) = (hex(high), hex(low))
        {
            self.0 = rest;
            let byte = high << 4 | low;
            return Some((byte, !(byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))));
        }
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some((*first, false))
    }
}

/// The subprotocols of a client's `Sec-WebSocket-Protocol` headers, in its order. Their case matters: browsers
/// compare the answer with what they offered.
pub fn offered<'a>(lists: &[&'a str]) -> impl Iterator<Item = &'a str> {
    lists.iter().flat_map(|list| list.split(',')).map(str::trim)
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

/// Appends an answer of JSON at that time, Unix milliseconds, in the version of the request; to `HEAD` without the text.
pub fn write_json(request: &Plain<'_>, status: Status, json: &str, closes: bool, now_unix_ms: i64, out: &mut Vec<u8>) {
    let Status(code, reason) = status;
    let (date, len, version) = (date(now_unix_ms), json.len(), request.version);
    let more = if closes { "Connection: close\r\n" } else { "" };
    let body = if request.method == "HEAD" { "" } else { json };
    out.extend_from_slice(
        format!(
            "{version} {code} {reason}\r\nDate: {date}\r\n{more}Content-Type: application/json\r\n\
             Content-Length: {len}\r\n\r\n{body}"
        )
        .as_bytes(),
    );
}

fn date(now_unix_ms: i64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(now_unix_ms.max(0).unsigned_abs()))
}

/// Appends a refusal at that time, Unix milliseconds, with a line of text for the person who reads it; the conn closes
/// after it.
pub fn write_refusal(status: Status, message: &str, now_unix_ms: i64, out: &mut Vec<u8>) {
    let Status(code, reason) = status;
    let more = match status {
        // RFC 9110, 15.5.22; RFC 6455, 4.4.
        Status::UPGRADE_REQUIRED => "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n",
        // RFC 9110, 15.5.6.
        Status::METHOD_NOT_ALLOWED => "Allow: GET\r\nConnection: close\r\n",
        _ => "Connection: close\r\n",
    };
    let (date, len) = (date(now_unix_ms), message.len() + 1);
    out.extend_from_slice(
        format!(
            "HTTP/1.1 {code} {reason}\r\nDate: {date}\r\n{more}Content-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {len}\r\n\r\n{message}\n"
        )
        .as_bytes(),
    );
}

// ---------------------------------------------------------------- the client's side

/// What a client asks for when it upgrades: for tests, benches and load generators.
#[derive(Clone, Copy, Debug)]
pub struct UpgradeRequest<'a> {
    /// Path and query, in origin form.
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
    /// [`HttpViolation::Malformed`] and the like when it is no HTTP or switches to something else;
    /// [`HttpViolation::Key`] when it answers another key.
    pub fn check<'a>(&self, input: &'a [u8]) -> Result<Response<'a>, HttpViolation> {
        let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let consumed = match response.parse(input)? {
            httparse::Status::Complete(consumed) => consumed,
            httparse::Status::Partial => return Ok(Response::Partial),
        };
        let status = response.code.ok_or(HttpViolation::Malformed("start line"))?;
        if status != 101 {
            return Ok(Response::Refused(status));
        }
        let headers = Headers(response.headers);
        if !headers.has_token("upgrade", "websocket") || !headers.has_token("connection", "upgrade") {
            return Err(HttpViolation::Malformed("upgrade"));
        }
        let key = self.key();
        let expected = accept_of(std::str::from_utf8(&key).expect("base64 is ASCII"));
        if headers.single("Sec-WebSocket-Accept")?.map(str::as_bytes) != Some(&expected[..]) {
            return Err(HttpViolation::Key);
        }
        Ok(Response::Accepted { protocol: headers.single("Sec-WebSocket-Protocol")?, consumed })
    }
}
