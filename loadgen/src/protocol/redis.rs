//! Redis Streams, in RESP: a channel is a stream, a publish an `XADD`, which is answered with the entry's id in the order in
//! which publishes came. What subscribers hear is not spoken here.

use anyhow::ensure;

use super::words::{Heard, Terms, Violation};
use crate::plan::Plan;

/// Entries that a stream keeps, about: as many as it takes not to trim for each.
const ENTRIES_KEPT: &str = "1000";

/// Whether Redis can do this: publishers whom nobody hears.
///
/// # Errors
/// Why it cannot.
pub(super) fn check(plan: &Plan) -> anyhow::Result<()> {
    ensure!(
        plan.clients.iter().all(Vec::is_empty),
        "publishes to Redis Streams are measured where nobody subscribes: run `publish` against it"
    );
    Ok(())
}

/// Writes what a client says.
#[derive(Debug)]
pub struct Writer {
    /// What stands between the channel and the payload.
    middle: Vec<u8>,
}

impl Writer {
    pub(super) fn new(terms: &Terms) -> Self {
        let mut middle = Vec::new();
        ["MAXLEN", "~", ENTRIES_KEPT, "*", "m"].into_iter().for_each(|word| string(word.as_bytes(), &mut middle));
        middle.extend_from_slice(format!("${}\r\n", terms.payload_bytes).as_bytes());
        Self { middle }
    }

    pub(super) fn connect(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
    }

    pub(super) fn publish(&self, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"*8\r\n$4\r\nXADD\r\n");
        string(channel.as_bytes(), out);
        out.extend_from_slice(&self.middle);
        out.extend_from_slice(payload);
        out.extend_from_slice(b"\r\n");
    }
}

fn string(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("${}\r\n", text.len()).as_bytes());
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

/// Reads what a server says.
#[derive(Debug)]
pub struct Reader;

impl Reader {
    pub(super) fn read(&self, input: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<usize, Violation> {
        let mut at = 0;
        while let Some(end) = memchr::memchr(b'\n', &input[at..]) {
            let (line, next) = (input[at..at + end].trim_ascii_end(), at + end + 1);
            at = match line {
                [b'+', ..] => {
                    hear(Heard::Done);
                    next
                }
                [b'$', length @ ..] => {
                    let length = std::str::from_utf8(length).ok().and_then(|length| length.parse::<usize>().ok());
                    let length = length.filter(|length| *length < 64).ok_or_else(|| unknown(line))?;
                    if input.len() < next + length + 2 {
                        break;
                    }
                    hear(Heard::Done);
                    next + length + 2
                }
                [b'-', why @ ..] => {
                    hear(Heard::Goodbye(String::from_utf8_lossy(why).into_owned()));
                    next
                }
                _ => return Err(unknown(line)),
            };
        }
        Ok(at)
    }
}

#[cold]
fn unknown(line: &[u8]) -> Violation {
    Violation::Word(String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned())
}

#[cfg(test)]
mod tests {
    use ringpost::protocol::centrifuge::Encoding;

    use super::*;

    fn hear(input: &[u8]) -> Result<(Vec<String>, usize), Violation> {
        let mut heard = Vec::new();
        let read = Reader.read(input, &mut |word| heard.push(format!("{word:?}")))?;
        Ok((heard, read))
    }

    #[test]
    fn a_publish_is_an_entry_of_the_channels_stream() {
        let terms = Terms { encoding: Encoding::Json, payload_bytes: 3, has_audience: false };
        let mut out = Vec::new();
        Writer::new(&terms).publish("room", b"abc", &mut out);
        let expected = "*8 $4 XADD $4 room $6 MAXLEN $1 ~ $4 1000 $1 * $1 m $3 abc ".replace(' ', "\r\n");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn an_id_answers_a_publish_once_it_is_whole() {
        let answer = b"$15\r\n1692632086370-0\r\n";
        assert_eq!(hear(answer).unwrap(), (vec!["Done".into()], answer.len()));
        for length in 0..answer.len() {
            assert_eq!(hear(&answer[..length]).unwrap(), (vec![], 0), "{length}");
        }
        assert_eq!(hear(b"+PONG\r\n+").unwrap(), (vec!["Done".into()], 7));
    }

    #[test]
    fn an_error_ends_the_connection_and_anything_else_is_no_redis() {
        assert_eq!(hear(b"-MISCONF no disk\r\n").unwrap().0, ["Goodbye(\"MISCONF no disk\")"]);
        for input in [&b"HTTP/1.1 400\r\n"[..], b"$-1\r\n", b"$9999\r\n"] {
            assert!(hear(input).is_err(), "{input:?}");
        }
    }
}
