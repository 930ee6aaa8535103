//! What a message carries: which stream it belongs to, its place there, and when it was due.
//!
//! The payload is one JSON value, `{"loadgen":"…"}`, of 28 hexadecimal digits and padding. It is the same in every
//! encoding, so that it is found in a frame by its beginning, without reading the frame.

use std::cell::Cell;

use memchr::memmem::Finder;

const HEAD: &[u8] = br#"{"loadgen":""#;
const TAIL: &[u8] = br#""}"#;
const STREAM_DIGITS: usize = 8;
const SEQUENCE_DIGITS: usize = 8;
const DUE_DIGITS: usize = 12;
const DIGITS: usize = STREAM_DIGITS + SEQUENCE_DIGITS + DUE_DIGITS;

/// Shortest payload, bytes.
pub const PAYLOAD_BYTES_MIN: usize = HEAD.len() + DIGITS + TAIL.len();

/// What is read back from a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Publisher and channel.
    pub stream: u32,
    /// Place in the stream, from 0.
    pub sequence: u32,
    /// When the message was due, nanoseconds since the run began; below 2⁴⁸.
    pub due_ns: u64,
}

/// A message of ours that did not come as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// Writes payloads of one size, or of the smallest, and finds them again.
#[derive(Debug)]
pub struct Payloads {
    bytes: Vec<u8>,
    short: [u8; PAYLOAD_BYTES_MIN],
    finder: Finder<'static>,
    /// Where the last one was: a server writes the same before each message of a channel.
    found_at: Cell<usize>,
}

impl Payloads {
    /// Payloads of so many bytes.
    ///
    /// # Panics
    /// Below [`PAYLOAD_BYTES_MIN`].
    pub fn new(bytes: usize) -> Self {
        assert!(bytes >= PAYLOAD_BYTES_MIN, "no room for the stamp");
        let mut payload = HEAD.to_vec();
        payload.resize(bytes - TAIL.len(), b'x');
        payload.extend_from_slice(TAIL);
        Self { bytes: payload, short: [0; PAYLOAD_BYTES_MIN], finder: Finder::new(HEAD), found_at: Cell::new(0) }
    }

    /// How many bytes each has.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The payload of a message.
    pub fn write(&mut self, stamp: Stamp) -> &[u8] {
        let digits = &mut self.bytes[HEAD.len()..HEAD.len() + DIGITS];
        let (stream, rest) = digits.split_at_mut(STREAM_DIGITS);
        let (sequence, due) = rest.split_at_mut(SEQUENCE_DIGITS);
        write_hex(stamp.stream.into(), stream);
        write_hex(stamp.sequence.into(), sequence);
        write_hex(stamp.due_ns, due);
        &self.bytes
    }

    /// The payload of a message that is as short as one can be.
    pub fn write_short(&mut self, stamp: Stamp) -> &[u8] {
        self.write(stamp);
        self.short.copy_from_slice(&self.bytes[..PAYLOAD_BYTES_MIN]);
        self.short[PAYLOAD_BYTES_MIN - TAIL.len()..].copy_from_slice(TAIL);
        &self.short
    }

    /// Looks for a payload in what a server sent; `None` where there is none.
    #[inline]
    pub fn find(&self, word: &[u8]) -> Option<Result<Stamp, Damaged>> {
        let mut at = self.found_at.get();
        if !word.get(at..).is_some_and(|rest| rest.starts_with(HEAD)) {
            at = self.finder.find(word)?;
            self.found_at.set(at);
        }
        Some(self.read(&word[at..]).ok_or(Damaged))
    }

    fn read(&self, payload: &[u8]) -> Option<Stamp> {
        let is_short = payload.get(..PAYLOAD_BYTES_MIN)?.ends_with(TAIL);
        let payload = payload.get(..if is_short { PAYLOAD_BYTES_MIN } else { self.bytes.len() })?;
        if !payload.ends_with(TAIL) {
            return None;
        }
        let digits = &payload[HEAD.len()..HEAD.len() + DIGITS];
        let eight = |at: usize| read_eight(*digits[at..].first_chunk()?);
        // The first eight of the twelve digits of the due time, and the last eight.
        let due = (eight(STREAM_DIGITS + SEQUENCE_DIGITS)?, eight(DIGITS - 8)?);
        Some(Stamp {
            stream: eight(0)?,
            sequence: eight(STREAM_DIGITS)?,
            due_ns: u64::from(due.0) << 16 | u64::from(due.1) & 0xffff,
        })
    }
}

fn write_hex(mut value: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
    assert!(value == 0, "the number has more digits than there is room for");
}

/// Reads eight digits, a byte each, side by side in a word. A delivery has 28 of them: one by one they take longer than
/// all else that is done about it.
#[inline]
fn read_eight(digits: [u8; 8]) -> Option<u32> {
    let digits = u64::from_be_bytes(digits);
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH_HALVES: u64 = 0xf0 * ONES;
    // Digits have bit 6 clear, and their value in the lower half; letters have it set, and nine less than theirs.
    let is_letter = digits >> 6 & ONES;
    let values = (digits & !HIGH_HALVES) + 9 * is_letter;
    // Anything else comes back as something else: above 9, letters stand 39 further than digits.
    let is_above_nine = (values + 6 * ONES) >> 4 & ONES;
    if values & HIGH_HALVES != 0 || values + 0x30 * ONES + 39 * is_above_nine != digits {
        return None;
    }
    let pairs = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    Some((fours | fours >> 16) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { stream: 0x12, sequence: u32::MAX, due_ns: 0xfedc_ba98_7654 };

    #[test]
    fn a_payload_has_its_size_and_is_json() {
        for bytes in [PAYLOAD_BYTES_MIN, 96, 1024] {
            let mut payloads = Payloads::new(bytes);
            let payload = payloads.write(STAMP);
            assert_eq!(payload.len(), bytes);
            assert!(serde_json::from_slice::<serde_json::Value>(payload).unwrap()["loadgen"].is_string());
        }
    }

    #[test]
    fn a_stamp_is_found_within_a_word() {
        let mut payloads = Payloads::new(64);
        let payload = String::from_utf8(payloads.write(STAMP).to_vec()).unwrap();
        let word = format!(r#"{{"push":{{"channel":"room","pub":{{"data":{payload},"offset":7}}}}}}"#);
        assert_eq!(payloads.find(word.as_bytes()), Some(Ok(STAMP)));
        let other_channel = word.replace("room", "another room");
        for word in [&word, &word, &other_channel, &word] {
            assert_eq!(payloads.find(word.as_bytes()), Some(Ok(STAMP)), "wherever the last one was");
        }
        assert_eq!(payloads.find(br#"{"id":7,"publish":{}}"#), None);
    }

    #[test]
    fn a_short_payload_is_found_among_longer_ones() {
        let mut payloads = Payloads::new(96);
        let short = payloads.write_short(STAMP).to_vec();
        assert_eq!(short.len(), PAYLOAD_BYTES_MIN);
        assert!(serde_json::from_slice::<serde_json::Value>(&short).is_ok());
        assert_eq!(payloads.find(&[&short[..], b",\"offset\":7}}}"].concat()), Some(Ok(STAMP)));
        assert_eq!(payloads.find(&short[..short.len() - 1]), Some(Err(Damaged)));
    }

    #[test]
    fn a_payload_that_was_cut_or_changed_is_damaged() {
        let mut payloads = Payloads::new(64);
        let whole = payloads.write(STAMP).to_vec();
        assert_eq!(payloads.find(&whole[..whole.len() - 1]), Some(Err(Damaged)));
        let mut longer = whole.clone();
        longer.insert(50, b'x');
        assert_eq!(payloads.find(&longer), Some(Err(Damaged)));
        let mut other_digit = whole.clone();
        other_digit[HEAD.len()] = b'X';
        assert_eq!(payloads.find(&other_digit), Some(Err(Damaged)));
    }

    #[test]
    fn numbers_are_read_as_they_were_written_and_nothing_else_is() {
        for value in [0, 1, 0x0123_4567, 0x89ab_cdef, u32::MAX] {
            let mut digits = [0; 8];
            write_hex(value.into(), &mut digits);
            assert_eq!(read_eight(digits), Some(value));
        }
        for at in 0..8 {
            for byte in 0..=u8::MAX {
                let mut digits = *b"00000000";
                digits[at] = byte;
                let value = (byte as char).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
                assert_eq!(read_eight(digits), value.map(|value| value << (4 * (7 - at))), "{byte} at {at}");
            }
        }
    }
}
