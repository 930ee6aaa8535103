//! NATS JetStream: the lines of NATS, in which a publish names a subject that its answer goes to. The stream answers when it
//! has kept the message.
//!
//! Each client hears the answers to its own publishes at `_INBOX.NUMBER.*`. A publish knows its publisher by the stream in
//! its payload, so that only what has one stream for each client is spoken here ([`check`]).

use anyhow::ensure;
use serde_json::json;

use super::nats;
use super::words::{Client, Heard, Terms, Violation};
use crate::payload::Payloads;
use crate::plan::{Plan, Stream};

/// Whether JetStream can do this: publishers whom nobody hears, each with one stream of its own number.
///
/// # Errors
/// Why it cannot.
pub(super) fn check(plan: &Plan, channel_names: &[String]) -> anyhow::Result<()> {
    let is_own = |(number, stream): (u32, &Stream)| stream.publisher == number;
    ensure!(
        plan.clients.iter().all(Vec::is_empty) && (0..).zip(&plan.streams).all(is_own),
        "publishes to JetStream are measured where nobody subscribes: run `publish` against it"
    );
    channel_names.iter().try_for_each(|name| nats::check(name))
}

/// Writes what a client says.
#[derive(Debug)]
pub struct Writer {
    payloads: Payloads,
}

impl Writer {
    pub(super) fn new(terms: &Terms) -> Self {
        Self { payloads: Payloads::new(terms.payload_bytes) }
    }

    pub(super) fn connect(&self, client: &Client<'_>, out: &mut Vec<u8>) {
        let number = client.user.rsplit('-').next().unwrap_or_default();
        let options = json!({
            "verbose": false, "pedantic": false, "tls_required": false, "name": client.user, "lang": "rust",
            "version": ringpost::VERSION, "protocol": 1,
        });
        out.extend_from_slice(format!("CONNECT {options}\r\nSUB _INBOX.{number}.* 1\r\nPING\r\n").as_bytes());
    }

    pub(super) fn publish(&self, id: u32, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        let Some(Ok(stamp)) = self.payloads.find(payload) else { unreachable!("payloads are ours") };
        out.extend_from_slice(format!("PUB {channel} _INBOX.{}.{id} {}\r\n", stamp.stream, payload.len()).as_bytes());
        out.extend_from_slice(payload);
        out.extend_from_slice(b"\r\n");
    }

    pub(super) fn pong(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"PONG\r\n");
    }
}

/// Reads what a server says.
#[derive(Debug)]
pub struct Reader;

impl Reader {
    pub(super) fn read(&self, input: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<usize, Violation> {
        // A pong is to the first ping of the client, which comes behind all that it says about itself.
        nats::read_lines(input, b"PONG", hear, |line, json, hear| {
            hear(answer(line, json).ok_or_else(|| nats::unknown(line))?);
            Ok(())
        })
    }
}

/// What a stream says of a publish: `MSG _INBOX.NUMBER.ID 1 BYTES`, and JSON with an error where it was not kept.
fn answer<'a>(line: &[u8], json: &[u8]) -> Option<Heard<'a>> {
    let subject = line.split(|byte| *byte == b' ').nth(1)?;
    let id = std::str::from_utf8(subject.rsplit(|byte| *byte == b'.').next()?).ok()?.parse().ok()?;
    if memchr::memmem::find(json, b"\"error\"").is_some() {
        return Some(Heard::Refused { id, why: String::from_utf8_lossy(json).into_owned(), is_temporary: false });
    }
    Some(Heard::Acknowledged { id })
}

#[cfg(test)]
mod tests;
