//! Which primary of a Cluster has which slots, as one of its nodes has said.

use crc16::{State, XMODEM};
use redis::Value;

/// How many slots there are.
const SLOTS: u16 = 16_384;

/// The slot of keys that have this in braces.
pub(super) fn slot_of(tag: &str) -> u16 {
    State::<XMODEM>::calculate(tag.as_bytes()) % SLOTS
}

/// Slots that follow each other, of one primary.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    first: i64,
    last: i64,
    primary: Vec<u8>,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slots(Vec<Range>);

impl Slots {
    /// What `CLUSTER SLOTS` has answered; what it says of replicas is of no interest.
    pub(super) fn parse(said: &Value) -> Option<Self> {
        let Value::Array(ranges) = said else { return None };
        let mut ranges: Vec<_> = ranges.iter().filter_map(range).collect();
        ranges.sort_unstable();
        Some(Self(ranges))
    }

    /// Which primary has a slot: the number of its first range, which no other primary has.
    pub(super) fn primary_of(&self, slot: u16) -> Option<usize> {
        let range = self.0.iter().find(|range| (range.first..=range.last).contains(&slot.into()))?;
        self.0.iter().position(|other| other.primary == range.primary)
    }
}

fn range(said: &Value) -> Option<Range> {
    let Value::Array(parts) = said else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = &parts[..] else { return None };
    // Behind its address and port.
    let Some(Value::BulkString(id)) = primary.get(2) else { return None };
    Some(Range { first: *first, last: *last, primary: id.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primaries_are_told_apart_whatever_ranges_they_have_and_what_is_none_is_passed_over() {
        let node = |id: &str| Value::Array(vec![Value::Nil, Value::Int(1), Value::BulkString(id.into())]);
        let range =
            |first, last, id| Value::Array(vec![Value::Int(first), Value::Int(last), node(id), node("replica")]);
        let said =
            [range(200, 300, "a"), range(0, 99, "a"), range(100, 199, "b"), Value::Nil, Value::Array(Vec::new())];
        let slots = Slots::parse(&Value::Array(said.into())).unwrap();
        assert_eq!([0, 99, 200, 300].map(|slot| slots.primary_of(slot)), [Some(0); 4]);
        assert_eq!([100, 199, 301].map(|slot| slots.primary_of(slot)), [Some(1), Some(1), None]);
        assert_eq!(Slots::parse(&Value::Nil), None);
    }
}
