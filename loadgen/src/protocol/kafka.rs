//! Kafka's protocol, as far as publishes need it: `ApiVersions` says that there is a broker, `Produce` (version 3, all
//! replicas must have it) publishes. All channels are one topic with one partition; a channel is the record's key.
//!
//! Each message is a batch of its own in a request of its own: who publishes waits for nobody. Clients of Kafka commonly wait
//! some milliseconds for more, which makes a message cheaper, and later.

use anyhow::ensure;

use super::words::{CONNECT_ID, Heard, Violation};
use crate::limits::FRAME_BYTES_MAX;
use crate::plan::Plan;

/// The topic that all is published to.
const TOPIC: &[u8] = b"durable";
const PRODUCE: i16 = 0;
const API_VERSIONS: i16 = 18;
/// All replicas in sync must have it before it is answered.
const ALL: i16 = -1;
const TIMEOUT_MS: i32 = 10_000;
/// Of a batch, what stands before that which its checksum covers.
const BATCH_HEAD_BYTES: usize = 8 + 4 + 4 + 1 + 4;

/// Whether Kafka can do this: publishers whom nobody hears.
///
/// # Errors
/// Why it cannot.
pub(super) fn check(plan: &Plan) -> anyhow::Result<()> {
    ensure!(
        plan.clients.iter().all(Vec::is_empty),
        "publishes to Kafka are measured where nobody subscribes: run `publish` against it"
    );
    Ok(())
}

/// Writes what a client says.
#[derive(Debug, Default)]
pub struct Writer {
    /// Scratch space.
    record: Vec<u8>,
    batch: Vec<u8>,
}

impl Writer {
    pub(super) fn connect(&self, out: &mut Vec<u8>) {
        request(API_VERSIONS, 0, CONNECT_ID, out, |_| {});
    }

    pub(super) fn publish(&mut self, id: u32, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        self.write_batch(channel.as_bytes(), payload);
        request(PRODUCE, 3, id, out, |out| {
            // No transaction.
            out.extend_from_slice(&(-1i16).to_be_bytes());
            out.extend_from_slice(&ALL.to_be_bytes());
            out.extend_from_slice(&TIMEOUT_MS.to_be_bytes());
            out.extend_from_slice(&1i32.to_be_bytes());
            out.extend_from_slice(&(TOPIC.len() as i16).to_be_bytes());
            out.extend_from_slice(TOPIC);
            // One partition, number 0.
            out.extend_from_slice(&1i32.to_be_bytes());
            out.extend_from_slice(&0i32.to_be_bytes());
            out.extend_from_slice(&(self.batch.len() as i32).to_be_bytes());
            out.extend_from_slice(&self.batch);
        });
    }

    /// A batch of one record (the format of version 2).
    fn write_batch(&mut self, key: &[u8], value: &[u8]) {
        let Self { record, batch } = self;
        record.clear();
        // No attributes; the batch's time and offset.
        record.extend_from_slice(&[0, 0, 0]);
        for part in [key, value] {
            varint(part.len(), record);
            record.extend_from_slice(part);
        }
        // No headers.
        record.push(0);
        batch.clear();
        batch.resize(BATCH_HEAD_BYTES, 0);
        // No attributes, last offset 0, times that the broker sets, no producer that is known.
        batch.extend_from_slice(&[0; 2 + 4 + 8 + 8]);
        batch.extend_from_slice(&[0xff; 8 + 2 + 4]);
        batch.extend_from_slice(&1i32.to_be_bytes());
        varint(record.len(), batch);
        batch.extend_from_slice(record);
        let length = (batch.len() - 8 - 4) as i32;
        let checksum = crc32c::crc32c(&batch[BATCH_HEAD_BYTES..]);
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[12..16].copy_from_slice(&(-1i32).to_be_bytes());
        batch[16] = 2;
        batch[17..BATCH_HEAD_BYTES].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// A request with its length, and a head that names nobody.
fn request(kind: i16, version: i16, id: u32, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&(-1i16).to_be_bytes());
    body(out);
    let length = (out.len() - at - 4) as i32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// A number that is not negative: doubled (zigzag), seven bits a byte, the lowest first.
fn varint(number: usize, out: &mut Vec<u8>) {
    let mut rest = number << 1;
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Reads what a broker says.
#[derive(Debug)]
pub struct Reader;

impl Reader {
    pub(super) fn read(&self, input: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<usize, Violation> {
        let mut at = 0;
        while let Some(length) = input[at..].first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            if length > FRAME_BYTES_MAX {
                return Err(Violation::Word("an answer that is too long".into()));
            }
            let Some(answer) = input[at + 4..].get(..length) else { break };
            hear(read_answer(answer).ok_or_else(|| Violation::Word("an answer that is cut off".into()))?);
            at += 4 + length;
        }
        Ok(at)
    }
}

fn read_answer<'a>(answer: &[u8]) -> Option<Heard<'a>> {
    let id = u32::from_be_bytes(*answer.first_chunk()?);
    if id == CONNECT_ID {
        return Some(Heard::Done);
    }
    // One topic with its name, one partition with its number, then the code.
    let name_bytes = u16::from_be_bytes(*answer.get(8..)?.first_chunk()?) as usize;
    let code = i16::from_be_bytes(*answer.get(8 + 2 + name_bytes + 4 + 4..)?.first_chunk()?);
    Some(match code {
        0 => Heard::Acknowledged { id },
        _ => Heard::Refused { id, why: format!("error {code} of Kafka"), is_temporary: false },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(input: &[u8]) -> Result<(Vec<String>, usize), Violation> {
        let mut heard = Vec::new();
        let read = Reader.read(input, &mut |word| heard.push(format!("{word:?}")))?;
        Ok((heard, read))
    }

    /// The answer to a publish.
    fn answer(id: u32, code: i16) -> Vec<u8> {
        let mut body = id.to_be_bytes().to_vec();
        body.extend_from_slice(&[0, 0, 0, 1, 0, 7]);
        body.extend_from_slice(TOPIC);
        body.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0]);
        body.extend_from_slice(&code.to_be_bytes());
        body.extend_from_slice(&[0; 8 + 8 + 4]);
        [&(body.len() as u32).to_be_bytes()[..], &body].concat()
    }

    #[test]
    fn a_publish_is_a_batch_of_one_record_with_a_checksum_of_all_behind_it() {
        let (mut writer, mut out) = (Writer::default(), Vec::new());
        writer.publish(9, "room", b"hello", &mut out);
        assert_eq!(out.len(), 4 + u32::from_be_bytes(*out.first_chunk().unwrap()) as usize);
        assert_eq!(out[4..12], [0, 0, 0, 3, 0, 0, 0, 9]);
        let batch = &out[out.len() - writer.batch.len()..];
        let checksum = u32::from_be_bytes(*batch[17..].first_chunk().unwrap());
        assert_eq!((batch[16], checksum), (2, crc32c::crc32c(&batch[21..])));
        // Its length; no attributes, time or offset; key and value with theirs; no headers.
        let record = [&[30, 0, 0, 0, 8][..], b"room", &[10], b"hello", &[0]].concat();
        assert!(batch.ends_with(&record), "{batch:?}");
    }

    #[test]
    fn answers_say_which_publish_was_kept_or_was_not() {
        let input = [answer(9, 0), answer(10, 3)].concat();
        let expected = ["Acknowledged { id: 9 }", "Refused { id: 10, why: \"error 3 of Kafka\", is_temporary: false }"];
        assert_eq!(hear(&input).unwrap(), (expected.map(str::to_owned).to_vec(), input.len()));
        let half = answer(9, 0).len();
        assert_eq!(hear(&input[..input.len() - 1]).unwrap().1, half, "the rest is not whole yet");
    }

    #[test]
    fn a_broker_is_there_when_it_has_told_its_versions() {
        let mut out = Vec::new();
        Writer::default().connect(&mut out);
        assert_eq!(out, [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]);
        assert_eq!(hear(&[0, 0, 0, 6, 0, 0, 0, 1, 0, 0]).unwrap().0, ["Done"]);
        assert!(hear(&[0, 0, 0, 6, 0, 0, 0, 2, 0, 0]).is_err());
        assert!(hear(b"HTTP/1.1").is_err());
    }
}
