//! The NATS client protocol: lines, and payloads whose length stands in the line before them.
//!
//! The server speaks first (`INFO`). Clients ask for verbose answers, so that each of their commands, publishes among
//! them, is answered by `+OK`, in order and without saying which.

use anyhow::ensure;
use serde::Deserialize;
use serde_json::json;

use super::words::{Client, Heard, Terms, Violation};
use crate::limits::FRAME_BYTES_MAX;
use crate::payload::Payloads;

/// Whether a channel can be a subject.
///
/// # Errors
/// Why it cannot.
pub(super) fn check(channel: &str) -> anyhow::Result<()> {
    let is_token = |token: &str| !token.is_empty() && token != "*" && token != ">";
    ensure!(
        !channel.contains(char::is_whitespace) && channel.split('.').all(is_token),
        "`{channel}` is no subject of NATS: choose a channel_prefix without spaces, empty parts, * and >"
    );
    Ok(())
}

/// Writes what a client says.
#[derive(Debug)]
pub struct Writer {
    /// What stands between the subject and the payload of a publish.
    size: String,
}

impl Writer {
    pub(super) fn new(terms: &Terms) -> Self {
        Self { size: format!(" {}\r\n", terms.payload_bytes) }
    }

    pub(super) fn connect(&self, client: &Client<'_>, out: &mut Vec<u8>) {
        let mut options = json!({
            "verbose": true,
            "pedantic": false,
            "tls_required": false,
            "name": client.user,
            "lang": "rust",
            "version": ringpost::VERSION,
            "protocol": 1,
        });
        if !client.token.is_empty() {
            options["auth_token"] = client.token.into();
        }
        out.extend_from_slice(format!("CONNECT {options}\r\n").as_bytes());
    }

    pub(super) fn subscribe(&self, id: u32, channel: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("SUB {channel} {id}\r\n").as_bytes());
    }

    #[inline]
    pub(super) fn publish(&self, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        for part in [b"PUB ", channel.as_bytes(), self.size.as_bytes(), payload, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }

    pub(super) fn pong(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"PONG\r\n");
    }
}

/// Reads what a server says.
#[derive(Debug)]
pub struct Reader {
    payloads: Payloads,
}

/// Of what the server tells about itself, what is of interest.
#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    version: String,
}

impl Reader {
    pub(super) fn new(terms: &Terms) -> Self {
        Self { payloads: Payloads::new(terms.payload_bytes) }
    }

    pub(super) fn open(&self, input: &[u8]) -> Result<Option<usize>, Violation> {
        open(input)
    }

    pub(super) fn read(&self, input: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<usize, Violation> {
        read_lines(input, b"+OK", hear, |_, payload, hear| {
            // Nobody but us writes payloads: others' messages are of no interest.
            if let Some(message) = self.payloads.find(payload) {
                hear(Heard::Message(message));
            }
            Ok(())
        })
    }
}

/// Reads the whole lines at the beginning of the input, with what follows them; how many bytes they have. `done` answers the
/// oldest command; `take` is given the line and the payload of a message.
#[inline]
pub(super) fn read_lines<H: FnMut(Heard<'_>)>(
    input: &[u8],
    done: &[u8],
    hear: &mut H,
    take: impl Fn(&[u8], &[u8], &mut H) -> Result<(), Violation>,
) -> Result<usize, Violation> {
    let mut at = 0;
    while let Some((line, consumed)) = line(&input[at..])? {
        let end = at + consumed;
        at = match line {
            _ if line == done => {
                hear(Heard::Done);
                end
            }
            b"PING" => {
                hear(Heard::Ping);
                end
            }
            _ if line.starts_with(b"MSG ") => {
                let bytes = payload_bytes(line).ok_or_else(|| unknown(line))?;
                let Some(rest) = input[end..].get(..bytes + 2) else { break };
                let (payload, tail) = rest.split_at(bytes);
                if tail != b"\r\n" {
                    return Err(Violation::Word("a payload that is longer than was said".into()));
                }
                take(line, payload, hear)?;
                end + rest.len()
            }
            _ => {
                read_rare(line, hear)?;
                end
            }
        };
    }
    Ok(at)
}

/// The connection is open when the first line is there. It is read as any other line is, so it has no bytes here.
pub(super) fn open(input: &[u8]) -> Result<Option<usize>, Violation> {
    Ok(line(input)?.map(|_| 0))
}

/// What a server seldom says.
fn read_rare(line: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<(), Violation> {
    if let Some(info) = line.strip_prefix(b"INFO ") {
        let info: Info = serde_json::from_slice(info).map_err(|error| Violation::Word(error.to_string()))?;
        hear(Heard::Version(info.version));
    } else if let Some(why) = line.strip_prefix(b"-ERR ") {
        hear(Heard::Goodbye(String::from_utf8_lossy(why).into_owned()));
    } else if line != b"PONG" {
        return Err(unknown(line));
    }
    Ok(())
}

/// The first line, without its end, and how many bytes it has with it; `None` while it is not whole.
fn line(input: &[u8]) -> Result<Option<(&[u8], usize)>, Violation> {
    match memchr::memchr(b'\n', input) {
        Some(feed) => Ok(Some((input[..feed].strip_suffix(b"\r").unwrap_or(&input[..feed]), feed + 1))),
        None if input.len() > FRAME_BYTES_MAX => Err(Violation::Word("a line without an end".into())),
        None => Ok(None),
    }
}

/// Of `MSG subject sid [reply-to] bytes`, the last.
fn payload_bytes(line: &[u8]) -> Option<usize> {
    let digits = line.rsplit(|byte| *byte == b' ').next()?;
    let bytes = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (bytes <= FRAME_BYTES_MAX).then_some(bytes)
}

#[cold]
pub(super) fn unknown(line: &[u8]) -> Violation {
    let beginning = &line[..line.len().min(80)];
    Violation::Word(String::from_utf8_lossy(beginning).into_owned())
}

#[cfg(test)]
mod tests;
