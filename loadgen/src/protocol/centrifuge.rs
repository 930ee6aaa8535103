//! The Centrifugo client protocol: JSON and Protobuf, over WebSocket and TCP.

mod inbox;

use ringpost::model::{HistoryFilter, PayloadKind, PayloadRef, Position, Recover};
use ringpost::protocol::Format;
use ringpost::protocol::centrifuge::Encoding;
use ringpost::protocol::centrifuge::client::{
    self, Answer, FromNode, HistoryPage, Incoming, Publication, Pushed, Subscribed,
};
use ringpost::protocol::word::{Command, Connect, History, Subscribe, Verb};
use ringpost::wire::length;
use ringpost::wire::websocket::{self, Opcode};

use super::masks::Masks;
use super::upgrade;
use super::words::{CONNECT_ID, Heard, InboxCall, Joined, Page, Terms, Violation};
use crate::limits::FRAME_BYTES_MAX;
use crate::payload::{Damaged, Payloads, Stamp};
use crate::target::Transport;

/// The format of a transport and an encoding.
fn format(transport: &Transport, encoding: Encoding) -> Format {
    match (transport, encoding) {
        (Transport::WebSocket { .. }, Encoding::Json) => Format::WebSocketJson,
        (Transport::WebSocket { .. }, Encoding::Protobuf) => Format::WebSocketProtobuf,
        (Transport::Tcp, Encoding::Json) => Format::TcpJson,
        (Transport::Tcp, Encoding::Protobuf) => Format::TcpProtobuf,
    }
}

/// Writes what a client says.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    /// Scratch space.
    body: Vec<u8>,
    masks: Masks,
}

impl Writer {
    pub(super) fn new(transport: &Transport, encoding: Encoding) -> Self {
        Self { format: format(transport, encoding), body: Vec::new(), masks: Masks::default() }
    }

    /// For WebSocket only.
    pub(super) fn open(&self, host: &str, path: &str, out: &mut Vec<u8>) {
        upgrade::request(host, path, subprotocol(self.format)).write(out);
    }

    fn command(&mut self, id: u32, verb: Verb<'_>, out: &mut Vec<u8>) {
        let mask = self.masks.next();
        client::write_command(self.format, &Command { id, verb }, mask, &mut self.body, out);
    }

    pub(super) fn connect(&mut self, token: &str, out: &mut Vec<u8>) {
        let connect = Connect { token: token.into(), name: "ringpost-loadgen".into(), ..Connect::default() };
        self.command(CONNECT_ID, Verb::Connect(Box::new(connect)), out);
    }

    pub(super) fn subscribe(&mut self, id: u32, channel: &str, out: &mut Vec<u8>) {
        let subscribe = Subscribe { channel: channel.into(), ..Subscribe::default() };
        self.command(id, Verb::Subscribe(Box::new(subscribe)), out);
    }

    /// Positioning and recovery are asked for: a server may leave them
    /// to the client.
    pub(super) fn subscribe_since(&mut self, id: u32, channel: &str, since: Option<(u64, &str)>, out: &mut Vec<u8>) {
        let recover = Recover { recover: since.is_some(), since: since.map(position).unwrap_or_default() };
        let subscribe =
            Subscribe { channel: channel.into(), recover, positioned: true, recoverable: true, ..Subscribe::default() };
        self.command(id, Verb::Subscribe(Box::new(subscribe)), out);
    }

    pub(super) fn unsubscribe(&mut self, id: u32, channel: &str, out: &mut Vec<u8>) {
        self.command(id, Verb::Unsubscribe { channel: channel.into() }, out);
    }

    pub(super) fn presence(&mut self, id: u32, channel: &str, out: &mut Vec<u8>) {
        self.command(id, Verb::Presence { channel: channel.into() }, out);
    }

    pub(super) fn history(
        &mut self,
        id: u32,
        channel: &str,
        since: Option<(u64, &str)>,
        limit: u32,
        out: &mut Vec<u8>,
    ) {
        let filter = HistoryFilter { limit: limit as i32, since: since.map(position), reverse: false };
        self.command(id, Verb::History(History { channel: channel.into(), filter }), out);
    }

    pub(super) fn call_inbox(&mut self, id: u32, channel: &str, call: InboxCall, out: &mut Vec<u8>) {
        let (method, data) = inbox::call(channel, call);
        let json = |data: &str| PayloadRef { bytes: data.as_bytes().to_vec().into(), kind: PayloadKind::Json };
        let verb = match id {
            0 => Verb::Send { data: json(&inbox::sent(method, &data)) },
            _ => Verb::Rpc { method: method.into(), data: json(&data) },
        };
        self.command(id, verb, out);
    }

    pub(super) fn ping(&mut self, id: u32, out: &mut Vec<u8>) {
        self.command(id, Verb::Ping, out);
    }

    pub(super) fn publish(&mut self, id: u32, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        let data = PayloadRef { bytes: payload.into(), kind: PayloadKind::Json };
        self.command(id, Verb::Publish { channel: channel.into(), data }, out);
    }

    pub(super) fn pong(&mut self, out: &mut Vec<u8>) {
        self.command(0, Verb::Pong, out);
    }

    pub(super) fn websocket_pong(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        let mask = self.masks.next();
        websocket::write_masked(Opcode::Pong, payload, mask, out);
    }

    /// Nothing for plain TCP.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        if self.format.is_websocket() {
            let mask = self.masks.next();
            websocket::write_masked(Opcode::Close, &1000u16.to_be_bytes(), mask, out);
        }
    }
}

fn position((offset, epoch): (u64, &str)) -> Position {
    Position { offset, epoch: epoch.into() }
}

/// The subprotocol of an encoding.
fn subprotocol(format: Format) -> Option<&'static str> {
    Some(match format.encoding() {
        Encoding::Json => "centrifuge-json",
        Encoding::Protobuf => "centrifuge-protobuf",
    })
}

/// Reads what a server says.
#[derive(Debug)]
pub struct Reader {
    format: Format,
    payloads: Payloads,
    is_whole: bool,
}

impl Reader {
    pub(super) fn new(transport: &Transport, terms: &Terms) -> Self {
        let payloads = Payloads::new(terms.payload_bytes);
        Self { format: format(transport, terms.encoding), payloads, is_whole: false }
    }

    pub(super) fn read_whole(&mut self, is_whole: bool) {
        self.is_whole = is_whole;
    }

    pub(super) fn answers_open(&self) -> bool {
        self.format.is_websocket()
    }

    pub(super) fn open(&self, input: &[u8]) -> Result<Option<usize>, Violation> {
        upgrade::answer(subprotocol(self.format), input)
    }

    pub(super) fn read(&self, input: &mut [u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<usize, Violation> {
        let mut at = 0;
        loop {
            match client::next_frame(self.format, &mut input[at..], FRAME_BYTES_MAX)? {
                Incoming::Partial => return Ok(at),
                Incoming::Words { frame, consumed } => {
                    let words = &input[at + frame.start..at + frame.end];
                    at += consumed;
                    self.read_words(words, hear)?;
                }
                Incoming::Control { opcode, payload, consumed } => {
                    let payload = &input[at + payload.start..at + payload.end];
                    at += consumed;
                    match opcode {
                        Opcode::Ping => hear(Heard::WebSocketPing(payload)),
                        Opcode::Close => hear(Heard::Goodbye(close_reason(payload))),
                        _ => {}
                    }
                }
            }
        }
    }

    /// A frame carries one word or several: lines of JSON, or Protobuf messages with their lengths before them.
    fn read_words(&self, mut words: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<(), Violation> {
        while !words.is_empty() {
            let end = match self.format.encoding() {
                Encoding::Json => memchr::memchr(b'\n', words).map_or(words.len(), |feed| feed + 1),
                Encoding::Protobuf => match length::next(words, FRAME_BYTES_MAX) {
                    Ok(length::Message::Whole { consumed, .. }) => consumed,
                    _ => return Err(Violation::Word("a Protobuf message that is not whole".into())),
                },
            };
            let (word, rest) = words.split_at(end);
            words = rest;
            if let Some(id) = acknowledged(word) {
                hear(Heard::Acknowledged { id });
                continue;
            }
            // Nobody but us writes payloads, so what holds one is a delivery: it need not be read whole.
            match self.payloads.find(word) {
                Some(message) if !self.is_whole => hear(Heard::Message(message)),
                _ => self.read_word(word, hear)?,
            }
        }
        Ok(())
    }

    fn read_word(&self, word: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<(), Violation> {
        for word in client::decode(self.format, word) {
            let heard = match word.map_err(|error| Violation::Word(error.to_string()))? {
                FromNode::Ping => Heard::Ping,
                FromNode::Reply { id, answer } => match answer {
                    Answer::Publish | Answer::Ping => Heard::Acknowledged { id },
                    Answer::Connect(connected) => Heard::Welcome { pong: connected.pong, version: connected.version },
                    Answer::Subscribe(subscribed) if self.is_whole => {
                        self.read_subscribed(id, &subscribed, hear);
                        continue;
                    }
                    Answer::Subscribe(_) => Heard::Subscribed,
                    Answer::History(page) if self.is_whole => {
                        self.read_page(id, &page, hear);
                        continue;
                    }
                    Answer::Rpc(data) => {
                        inbox::read(id, data, hear)?;
                        continue;
                    }
                    Answer::Unsubscribe if self.is_whole => Heard::Left { id },
                    Answer::Presence(clients) if self.is_whole => Heard::Present { id, clients: clients.len() },
                    Answer::Error(error) => {
                        Heard::Refused { id, why: error.to_string(), is_temporary: error.temporary }
                    }
                    other => return Err(Violation::Word(format!("an answer to nothing asked: {other:?}"))),
                },
                FromNode::Push { channel, push } => match push {
                    Pushed::Publication(publication) if self.is_whole => {
                        let message = self.message(&publication);
                        let (offset, attempt) = (publication.offset, inbox::attempt(&publication));
                        hear(Heard::Publication { channel: &channel, offset, attempt, message });
                        continue;
                    }
                    Pushed::Unsubscribe(why) => {
                        let why = format!("{} {}", why.code, why.reason);
                        hear(Heard::Unsubscribed { channel: &channel, why });
                        continue;
                    }
                    Pushed::Disconnect(why) => Heard::Goodbye(format!("{} {}", why.code, why.reason)),
                    // Server-side subscriptions, joins and others' messages: of no interest.
                    _ => continue,
                },
            };
            hear(heard);
        }
        Ok(())
    }

    /// Nobody but us writes payloads: what is none was one.
    fn message(&self, publication: &Publication<'_>) -> Result<Stamp, Damaged> {
        self.payloads.find(publication.data).unwrap_or(Err(Damaged))
    }

    fn read_subscribed(&self, id: u32, subscribed: &Subscribed<'_>, hear: &mut impl FnMut(Heard<'_>)) {
        let first = subscribed.publications.first();
        hear(Heard::Joined {
            id,
            joined: Joined {
                offset: first.map_or(subscribed.offset, |first| first.offset.saturating_sub(1)),
                epoch: &subscribed.epoch,
                is_recoverable: subscribed.recoverable,
                is_recovered: subscribed.recovered,
            },
        });
        for publication in &subscribed.publications {
            hear(Heard::Recovered { offset: publication.offset, message: self.message(publication) });
        }
    }

    fn read_page(&self, id: u32, page: &HistoryPage<'_>, hear: &mut impl FnMut(Heard<'_>)) {
        let last = page.publications.last().map_or(0, |last| last.offset);
        hear(Heard::Page { id, page: Page { top: page.offset, epoch: &page.epoch, last } });
        for publication in &page.publications {
            hear(Heard::Kept { offset: publication.offset, message: self.message(publication) });
        }
    }
}

/// The id in the answer to a publish, where it is JSON written as servers commonly do. It is what a publisher hears
/// most, and a JSON reader takes longer for it than all else that is done about it; written otherwise, it is left to one.
fn acknowledged(word: &[u8]) -> Option<u32> {
    let digits = word.strip_prefix(br#"{"id":"#)?.trim_ascii_end().strip_suffix(br#","publish":{}}"#)?;
    let add = |id: u32, digit: &u8| id.checked_mul(10)?.checked_add(char::from(*digit).to_digit(10)?);
    (!digits.is_empty()).then(|| digits.iter().try_fold(0, add))?
}

/// Code and reason of a WebSocket close frame.
fn close_reason(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => {
            format!("{} {}", u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason))
        }
        _ => "without a code".into(),
    }
}

#[cfg(test)]
mod tests;
