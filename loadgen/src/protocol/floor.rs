//! The wire of the floor, the smallest server that does the same socket work (`benches/node/floor.rs`).
//!
//! There are no frames: a message is as many bytes as the payload. The first byte of a connection says what it is:
//! `S` hears all that is published, `P` publishes, `E` hears back what it sends. The floor says the byte back, so that
//! it is known when the connection is one. Publishes have no answer; an echo is the answer of a client without
//! audience. What subscribers send later it passes over.

use anyhow::ensure;

use super::words::{Client, Heard, Terms, Violation};
use crate::payload::Payloads;
use crate::plan::{Plan, Stream};

const SUBSCRIBER: u8 = b'S';
const PUBLISHER: u8 = b'P';
const ECHO: u8 = b'E';

/// Bytes of a word of what was received, which the floor passes over: about as many as a node gets.
const RECEIVED_BYTES: usize = 96;

/// Writes what a subscriber says of what it has received.
pub(super) fn say_received(out: &mut Vec<u8>) {
    out.resize(out.len() + RECEIVED_BYTES, b'r');
}

/// Whether a byte says what a connection is. No message begins with one.
pub(super) fn is_role(byte: u8) -> bool {
    [SUBSCRIBER, PUBLISHER, ECHO].contains(&byte)
}

/// Whether the floor can do this: it knows one channel, and nobody who both publishes and hears.
///
/// # Errors
/// Why it cannot.
pub(super) fn check(plan: &Plan) -> anyhow::Result<()> {
    let publishes = |stream: &Stream| !plan.clients[stream.publisher as usize].is_empty();
    ensure!(
        !plan.streams.iter().any(publishes),
        "the floor knows nobody who both publishes and subscribes: run `fanout`, `publish` or `idle` against it"
    );
    let one_channel = plan.streams.is_empty() || plan.channels == 1 || plan.clients.iter().all(Vec::is_empty);
    ensure!(one_channel, "the floor knows one channel: set channels=1");
    ensure!(plan.clients.iter().all(|channels| channels.len() < 2), "the floor knows one channel of each client");
    Ok(())
}

/// Writes what a client says.
#[derive(Debug)]
pub struct Writer {
    has_audience: bool,
}

impl Writer {
    pub(super) fn new(terms: &Terms) -> Self {
        Self { has_audience: terms.has_audience }
    }

    /// What a client is.
    pub(super) fn role(&self, client: &Client<'_>) -> u8 {
        match (client.subscribes, self.has_audience) {
            (true, _) => SUBSCRIBER,
            (false, true) => PUBLISHER,
            (false, false) => ECHO,
        }
    }

    pub(super) fn connect(&self, client: &Client<'_>, out: &mut Vec<u8>) {
        out.push(self.role(client));
    }

    #[inline]
    pub(super) fn publish(&self, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(payload);
    }
}

/// Reads what the floor says.
#[derive(Debug)]
pub struct Reader {
    payloads: Payloads,
    has_audience: bool,
}

impl Reader {
    pub(super) fn new(terms: &Terms) -> Self {
        Self { payloads: Payloads::new(terms.payload_bytes), has_audience: terms.has_audience }
    }

    pub(super) fn answers_publish(&self) -> bool {
        !self.has_audience
    }

    pub(super) fn read(&self, input: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<usize, Violation> {
        let mut at = 0;
        while let Some(first) = input.get(at) {
            match *first {
                PUBLISHER | ECHO => {
                    hear(Heard::Done);
                    at += 1;
                }
                SUBSCRIBER => {
                    // To connect and to subscribe is one.
                    hear(Heard::Done);
                    hear(Heard::Done);
                    at += 1;
                }
                _ => {
                    let Some(message) = input[at..].get(..self.payloads.bytes()) else { break };
                    let message = self.payloads.find(message);
                    let message = message.ok_or_else(|| Violation::Word("bytes that were never sent".into()))?;
                    hear(if message.is_ok() && !self.has_audience { Heard::Done } else { Heard::Message(message) });
                    at += self.payloads.bytes();
                }
            }
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ringpost::protocol::centrifuge::Encoding;

    use super::*;
    use crate::payload::{Damaged, Stamp};
    use crate::scenario::{find, read, set};

    const STAMP: Stamp = Stamp { stream: 3, sequence: 9, due_ns: 77 };

    fn terms(has_audience: bool) -> Terms {
        Terms { encoding: Encoding::Json, payload_bytes: 64, has_audience }
    }

    fn reader(has_audience: bool) -> Reader {
        Reader::new(&terms(has_audience))
    }

    fn hear(reader: &Reader, input: &[u8]) -> (Vec<String>, usize) {
        let mut heard = Vec::new();
        let read = reader.read(input, &mut |word| heard.push(format!("{word:?}"))).unwrap();
        (heard, read)
    }

    #[test]
    fn a_client_says_in_a_byte_what_it_is() {
        for (subscribes, has_audience, role) in [(true, true, b'S'), (false, true, b'P'), (false, false, b'E')] {
            let mut out = Vec::new();
            Writer::new(&terms(has_audience)).connect(&Client { user: "u", token: "", subscribes }, &mut out);
            assert_eq!(out, [role]);
        }
    }

    #[test]
    fn a_subscriber_is_welcome_and_subscribed_and_hears_messages() {
        let message = Payloads::new(64).write(STAMP).to_vec();
        let input = [b"S", &message[..], &message, &message[..10]].concat();
        let heard = format!("Message(Ok({STAMP:?}))");
        assert_eq!(hear(&reader(true), &input), (vec!["Done".into(), "Done".into(), heard.clone(), heard], 129));
    }

    #[test]
    fn an_echo_is_an_answer_unless_it_was_changed() {
        let mut message = Payloads::new(64).write(STAMP).to_vec();
        assert_eq!(hear(&reader(false), &[b"E", &message[..]].concat()).0, ["Done", "Done"]);
        message[20] = b'?';
        assert_eq!(hear(&reader(false), &message).0, [format!("Message(Err({Damaged:?}))")]);
    }

    #[test]
    fn what_the_floor_cannot_do_is_refused() {
        let plan = |name: &str, settings: &[&str]| {
            let scenario = read(&find(name).unwrap()).unwrap();
            settings.iter().fold(scenario, |scenario, setting| set(&scenario, setting).unwrap()).plan().unwrap()
        };
        for name in ["fanout", "publish", "idle", "connect"] {
            check(&plan(name, &[])).unwrap();
        }
        assert!(check(&plan("direct", &[])).unwrap_err().to_string().contains("both publishes and subscribes"));
        assert!(check(&plan("fanout", &["channels=2"])).unwrap_err().to_string().contains("channels=1"));
    }

    proptest! {
        #[test]
        fn no_bytes_harm(input in prop::collection::vec(any::<u8>(), 0..300), has_audience: bool) {
            if let Ok(read) = reader(has_audience).read(&input, &mut |_| {}) {
                prop_assert!(read <= input.len());
            }
        }
    }
}
