//! The wire of the floor in binary WebSocket messages, one for each of its messages.
//!
//! The first message of a connection says what it is, and carries the client's token where it has one, so that it is as
//! long as what a client of a real protocol has to show. It comes back whole.

use ringpost::wire::websocket::{self, Decoded, Opcode, Sender};

use super::masks::Masks;
use super::words::{Client, Heard, Terms, Violation};
use super::{floor, upgrade};
use crate::limits::FRAME_BYTES_MAX;

/// What opens the WebSocket.
pub(super) fn open(host: &str, path: &str, out: &mut Vec<u8>) {
    upgrade::request(host, path, None).write(out);
}

/// Writes what a client says.
#[derive(Debug)]
pub struct Writer {
    floor: floor::Writer,
    masks: Masks,
    /// Scratch space.
    greeting: Vec<u8>,
}

impl Writer {
    pub(super) fn new(terms: &Terms) -> Self {
        Self { floor: floor::Writer::new(terms), masks: Masks::default(), greeting: Vec::new() }
    }

    pub(super) fn connect(&mut self, client: &Client<'_>, out: &mut Vec<u8>) {
        self.greeting.clear();
        self.greeting.push(self.floor.role(client));
        self.greeting.extend_from_slice(client.token.as_bytes());
        websocket::write_masked(Opcode::Binary, &self.greeting, self.masks.next(), out);
    }

    #[inline]
    pub(super) fn publish(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        websocket::write_masked(Opcode::Binary, payload, self.masks.next(), out);
    }

    pub(super) fn websocket_pong(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        websocket::write_masked(Opcode::Pong, payload, self.masks.next(), out);
    }

    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        websocket::write_masked(Opcode::Close, &1000u16.to_be_bytes(), self.masks.next(), out);
    }
}

/// Reads what the server says.
#[derive(Debug)]
pub struct Reader {
    floor: floor::Reader,
}

impl Reader {
    pub(super) fn new(terms: &Terms) -> Self {
        Self { floor: floor::Reader::new(terms) }
    }

    pub(super) fn answers_publish(&self) -> bool {
        self.floor.answers_publish()
    }

    pub(super) fn open(&self, input: &[u8]) -> Result<Option<usize>, Violation> {
        upgrade::answer(None, input)
    }

    pub(super) fn read(&self, input: &mut [u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<usize, Violation> {
        let mut at = 0;
        loop {
            let decoded = websocket::decode(&mut input[at..], Sender::Server, FRAME_BYTES_MAX);
            let frame = match decoded.map_err(|violation| Violation::Word(violation.to_string()))? {
                Decoded::Partial => return Ok(at),
                Decoded::Frame(frame) => frame,
            };
            let payload = &input[at + frame.payload.start..at + frame.payload.end];
            at += frame.consumed;
            match frame.opcode {
                Opcode::Ping => hear(Heard::WebSocketPing(payload)),
                Opcode::Close => hear(Heard::Goodbye("the server closes the connection".into())),
                Opcode::Binary if frame.fin && payload.first().is_some_and(|first| floor::is_role(*first)) => {
                    self.floor.read(&payload[..1], hear)?;
                }
                Opcode::Binary if frame.fin => {
                    if self.floor.read(payload, hear)? != payload.len() {
                        return Err(Violation::Word("a message of another length than was sent".into()));
                    }
                }
                Opcode::Pong => {}
                other => return Err(Violation::Word(format!("a frame {other:?} that no message of ours is in"))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ringpost::protocol::centrifuge::Encoding;

    use super::*;
    use crate::payload::{Payloads, Stamp};

    const STAMP: Stamp = Stamp { stream: 3, sequence: 9, due_ns: 77 };

    fn terms(has_audience: bool) -> Terms {
        Terms { encoding: Encoding::Json, payload_bytes: 64, has_audience }
    }

    fn hear(mut input: Vec<u8>) -> Result<(Vec<String>, usize), Violation> {
        let mut heard = Vec::new();
        let read = Reader::new(&terms(true)).read(&mut input, &mut |word| heard.push(format!("{word:?}")))?;
        Ok((heard, read))
    }

    fn message() -> Vec<u8> {
        let mut frame = Vec::new();
        websocket::write_frame(Opcode::Binary, Payloads::new(64).write(STAMP), &mut frame);
        frame
    }

    #[test]
    fn roles_and_messages_are_masked_binary_frames() {
        let mut out = Vec::new();
        let mut writer = Writer::new(&terms(true));
        writer.connect(&Client { user: "u", token: "", subscribes: true }, &mut out);
        writer.connect(&Client { user: "u", token: "token", subscribes: true }, &mut out);
        writer.publish(&[b'x'; 64], &mut out);
        for expected in [b"S".to_vec(), b"Stoken".to_vec(), vec![b'x'; 64]] {
            let Ok(Decoded::Frame(frame)) = websocket::decode(&mut out, Sender::Client, 1 << 20) else { panic!() };
            assert_eq!((frame.opcode, &out[frame.payload.clone()]), (Opcode::Binary, &expected[..]));
            out.drain(..frame.consumed);
        }
    }

    #[test]
    fn frames_are_heard_when_they_are_whole() {
        let message = message();
        let heard = format!("Message(Ok({STAMP:?}))");
        let input = [&message[..], &message, &message[..9]].concat();
        assert_eq!(hear(input).unwrap(), (vec![heard.clone(), heard], 2 * message.len()));
        let mut role = Vec::new();
        websocket::write_frame(Opcode::Binary, b"S", &mut role);
        websocket::write_frame(Opcode::Ping, b"hi", &mut role);
        assert_eq!(hear(role).unwrap().0, ["Done", "Done", "WebSocketPing([104, 105])"]);
        let mut with_token = Vec::new();
        websocket::write_frame(Opcode::Binary, b"Stoken", &mut with_token);
        assert_eq!(hear(with_token).unwrap().0, ["Done", "Done"]);
    }

    #[test]
    fn what_is_no_message_of_ours_is_a_violation() {
        for (opcode, payload) in [(Opcode::Text, &b"S"[..]), (Opcode::Binary, b"xyz"), (Opcode::Binary, &[b'x'; 65])] {
            let mut frame = Vec::new();
            websocket::write_frame(opcode, payload, &mut frame);
            assert!(hear(frame).is_err(), "{opcode:?} {payload:?}");
        }
        assert!(hear(vec![0xff, 0]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_harm(head in prop::collection::vec(any::<u8>(), 0..80)) {
            for input in [head.clone(), [message(), head].concat()] {
                let len = input.len();
                if let Ok((_, read)) = hear(input) {
                    prop_assert!(read <= len);
                }
            }
        }
    }
}
