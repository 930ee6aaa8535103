//! Numbers and texts as the Functions pack them: big-endian, lengths before what they measure.

use bytes::{Buf as _, Bytes};
use redis::Value;

use super::fault::Fault;

/// What six bytes can say is below this.
const SIX_END: u64 = 1 << 48;

/// A number that somebody says, as six bytes can: no bucket reaches the last of them.
pub(super) fn clip(value: u64) -> u64 {
    value.min(SIX_END - 1)
}

/// What is told to a Function in one argument.
#[derive(Debug, Default)]
pub(super) struct Packed(Vec<u8>);

impl Packed {
    /// With room for so many bytes.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(super) fn byte(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(super) fn two(mut self, value: u16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn four(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// A count or Unix milliseconds, in six bytes.
    pub(super) fn six(mut self, value: u64) -> Self {
        assert!(value < SIX_END, "a count that no bucket reaches");
        self.0.extend(&value.to_be_bytes()[2..]);
        self
    }

    pub(super) fn bytes(mut self, value: &[u8]) -> Self {
        self.0.extend(value);
        self
    }

    /// At most 255 bytes, with their number before them; the caller has bounded them.
    pub(super) fn short(self, value: &[u8]) -> Self {
        let length = u8::try_from(value.len()).expect("names are bounded at 255 bytes");
        self.byte(length).bytes(value)
    }

    pub(super) fn end(self) -> Vec<u8> {
        self.0
    }
}

/// What a Function has packed; what is short of it is garbled.
#[derive(Clone, Debug)]
pub(super) struct Unpack(Bytes);

impl Unpack {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// A string of an answer.
    pub(super) fn of(value: Value) -> Result<Self, Fault> {
        match value {
            Value::BulkString(bytes) => Ok(Self(bytes.into())),
            _ => Err(Fault::Garbled),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<Bytes, Fault> {
        if self.0.len() < count {
            return Err(Fault::Garbled);
        }
        Ok(self.0.split_to(count))
    }

    fn number(&mut self, count: usize) -> Result<u64, Fault> {
        // Bytes of its own would count as another that shares the whole.
        let number = self.0.get(..count).ok_or(Fault::Garbled)?;
        let number = number.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        self.0.advance(count);
        Ok(number)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.number(1)? as u8)
    }

    pub(super) fn two(&mut self) -> Result<u16, Fault> {
        Ok(self.number(2)? as u16)
    }

    pub(super) fn four(&mut self) -> Result<u32, Fault> {
        Ok(self.number(4)? as u32)
    }

    pub(super) fn six(&mut self) -> Result<u64, Fault> {
        self.number(6)
    }

    pub(super) fn eight(&mut self) -> Result<[u8; 8], Fault> {
        Ok(self.number(8)?.to_be_bytes())
    }

    pub(super) fn short(&mut self) -> Result<Bytes, Fault> {
        let length = self.byte()?;
        self.take(length.into())
    }

    /// As [`Unpack::short`], a text.
    pub(super) fn text(&mut self) -> Result<String, Fault> {
        let length = self.byte()?;
        self.text_of(length.into())
    }

    /// A text of so many bytes.
    pub(super) fn text_of(&mut self, count: usize) -> Result<String, Fault> {
        let text = self.0.get(..count).and_then(|bytes| str::from_utf8(bytes).ok());
        let text = text.ok_or(Fault::Garbled)?.to_owned();
        self.0.advance(count);
        Ok(text)
    }

    pub(super) fn rest(self) -> Bytes {
        self.0
    }

    /// As [`Unpack::rest`], a text.
    pub(super) fn rest_text(self) -> Result<String, Fault> {
        String::from_utf8(self.0.into()).map_err(|_| Fault::Garbled)
    }
}

/// The values of an answer that is a list.
pub(super) fn list(value: Value) -> Result<Vec<Value>, Fault> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(Fault::Garbled),
    }
}

/// A number of an answer, in either of the two ways in which Redis writes them.
pub(super) fn number(value: &Value) -> Result<u64, Fault> {
    redis::FromRedisValue::from_redis_value_ref(value).map_err(|_| Fault::Garbled)
}

/// The bytes of a string of an answer.
pub(super) fn string(value: Value) -> Result<Bytes, Fault> {
    Ok(Unpack::of(value)?.rest())
}
