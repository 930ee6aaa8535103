//! MQTT 3.1.1 (OASIS): packets with their type and length before them.
//!
//! Publishes have quality of service 1, so that the server answers them (`PUBACK`), in the order in which they came, as
//! the standard demands [MQTT-4.6.0-2]. Subscriptions have 0: nobody acknowledges deliveries. Keep-alive is 18 hours, the
//! longest there is, so that there are no pings; not every server lets it be off.

use anyhow::ensure;

use super::words::{CONNECT_ID, Client, Heard, Terms, Violation};
use crate::limits::FRAME_BYTES_MAX;
use crate::payload::Payloads;

/// Types of packets with their flags (2.2.1, 2.2.2).
mod packet {
    pub(super) const CONNECT: u8 = 0x10;
    pub(super) const CONNACK: u8 = 0x20;
    /// With flags for duplicates, quality of service and retained messages.
    pub(super) const PUBLISH: u8 = 0x30;
    pub(super) const PUBACK: u8 = 0x40;
    pub(super) const SUBSCRIBE: u8 = 0x82;
    pub(super) const SUBACK: u8 = 0x90;
    pub(super) const DISCONNECT: u8 = 0xe0;
}

const QOS_MASK: u8 = 0b0110;
const QOS_1: u8 = 0b0010;

/// Flags of CONNECT (3.1.2.3).
const CLEAN_SESSION: u8 = 0x02;
const HAS_USER_AND_PASSWORD: u8 = 0xc0;

/// Return code of SUBACK for a refused subscription (3.9.3).
const SUBSCRIPTION_FAILED: u8 = 0x80;

/// Whether a channel can be a topic.
///
/// # Errors
/// Why it cannot.
pub(super) fn check(channel: &str) -> anyhow::Result<()> {
    ensure!(
        !channel.is_empty() && channel.len() <= u16::MAX.into() && !channel.contains(['+', '#', '\0']),
        "`{channel}` is no topic of MQTT: choose a channel_prefix without + and #"
    );
    Ok(())
}

/// Writes what a client says.
#[derive(Debug)]
pub struct Writer;

impl Writer {
    pub(super) fn connect(&self, client: &Client<'_>, out: &mut Vec<u8>) {
        let credentials = if client.token.is_empty() { &[][..] } else { &[client.user, client.token] };
        let flags = CLEAN_SESSION | if credentials.is_empty() { 0 } else { HAS_USER_AND_PASSWORD };
        let strings = [client.user].into_iter().chain(credentials.iter().copied());
        let length = 10 + strings.clone().map(|string| 2 + string.len()).sum::<usize>();
        head(packet::CONNECT, length, out);
        string("MQTT", out);
        // Version 4 is 3.1.1; the last two are the keep-alive, seconds.
        out.extend_from_slice(&[4, flags, 0xff, 0xff]);
        strings.for_each(|value| string(value, out));
    }

    pub(super) fn subscribe(&self, id: u32, channel: &str, out: &mut Vec<u8>) {
        head(packet::SUBSCRIBE, 2 + 2 + channel.len() + 1, out);
        out.extend_from_slice(&packet_id(id));
        string(channel, out);
        out.push(0);
    }

    #[inline]
    pub(super) fn publish(&self, id: u32, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        head(packet::PUBLISH | QOS_1, 2 + channel.len() + 2 + payload.len(), out);
        string(channel, out);
        out.extend_from_slice(&packet_id(id));
        out.extend_from_slice(payload);
    }

    pub(super) fn close(&self, out: &mut Vec<u8>) {
        head(packet::DISCONNECT, 0, out);
    }
}

/// Ids of commands go round in 16 bits, and none is 0 (2.3.1): one above the id.
fn packet_id(id: u32) -> [u8; 2] {
    let id = 1 + id % u32::from(u16::MAX);
    (id as u16).to_be_bytes()
}

/// Type and length (2.2): seven bits a byte, the lowest first.
fn head(kind: u8, mut length: usize, out: &mut Vec<u8>) {
    out.push(kind);
    while length > 0x7f {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// Two bytes of length, and the text (1.5.3).
fn string(text: &str, out: &mut Vec<u8>) {
    assert!(text.len() <= u16::MAX.into(), "names and tokens have limits far below");
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Reads what a server says.
#[derive(Debug)]
pub struct Reader {
    payloads: Payloads,
}

impl Reader {
    pub(super) fn new(terms: &Terms) -> Self {
        Self { payloads: Payloads::new(terms.payload_bytes) }
    }

    pub(super) fn read(&self, input: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<usize, Violation> {
        let mut at = 0;
        while let Some((kind, body)) = next(&input[at..])? {
            let end = at + body.end;
            self.read_packet(kind, &input[at + body.start..end], hear)?;
            at = end;
        }
        Ok(at)
    }

    fn read_packet(&self, kind: u8, body: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<(), Violation> {
        match (kind, body) {
            (packet::PUBACK, [_, _]) => hear(Heard::Done),
            (packet::CONNACK, [_, 0]) => hear(Heard::Done),
            (packet::CONNACK, [_, code]) => {
                hear(Heard::Refused { id: CONNECT_ID, why: refusal(*code).into(), is_temporary: false });
            }
            (packet::SUBACK, [high, low, code]) => hear(match *code {
                SUBSCRIPTION_FAILED => Heard::Refused {
                    id: u32::from(u16::from_be_bytes([*high, *low])).saturating_sub(1),
                    why: "the subscription failed".into(),
                    is_temporary: false,
                },
                _ => Heard::Done,
            }),
            _ if kind & 0xf0 == packet::PUBLISH && kind & QOS_MASK == 0 => {
                let payload = payload(body).ok_or_else(|| unknown(kind, body.len()))?;
                // Nobody but us writes payloads: others' messages are of no interest.
                if let Some(message) = self.payloads.find(payload) {
                    hear(Heard::Message(message));
                }
            }
            _ => return Err(unknown(kind, body.len())),
        }
        Ok(())
    }
}

/// The type of the first packet and where its body is; `None` while it is not whole.
fn next(input: &[u8]) -> Result<Option<(u8, std::ops::Range<usize>)>, Violation> {
    let Some((kind, rest)) = input.split_first() else { return Ok(None) };
    let mut length = 0;
    for (index, byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            if length > FRAME_BYTES_MAX {
                return Err(Violation::Word(format!("a packet of {length} bytes")));
            }
            let body = index + 2..index + 2 + length;
            return Ok((input.len() >= body.end).then_some((*kind, body)));
        }
    }
    if rest.len() >= 4 { Err(Violation::Word("a length of more than four bytes".into())) } else { Ok(None) }
}

/// What follows the topic of a PUBLISH.
fn payload(body: &[u8]) -> Option<&[u8]> {
    let (length, rest) = body.split_first_chunk()?;
    rest.get(u16::from_be_bytes(*length).into()..)
}

/// Return codes of CONNACK (3.2.2.3).
fn refusal(code: u8) -> &'static str {
    match code {
        1 => "MQTT 3.1.1 is not spoken",
        2 => "the client identifier is rejected",
        3 => "the server is unavailable",
        4 => "bad user name or password",
        5 => "not authorized",
        _ => "the connection is refused for no known reason",
    }
}

#[cold]
fn unknown(kind: u8, length: usize) -> Violation {
    Violation::Word(format!("a packet {kind:#04x} of {length} bytes"))
}

#[cfg(test)]
mod tests;
