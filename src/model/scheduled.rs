//! By which a publication that is to come is called.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A publication that is to come, at its channel's home. In the order in which they are due, and of what is due at once in the
/// order in which it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScheduledId {
    /// When it is due, Unix milliseconds.
    pub due_unix_ms: i64,
    /// In which order it was asked for, among all of its shard.
    pub number: u64,
    /// Which life of the shard has made it: two lives give the same numbers.
    pub life: u32,
}

impl fmt::Display for ScheduledId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}-{:x}-{:x}", self.due_unix_ms, self.number, self.life)
    }
}

impl FromStr for ScheduledId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '-');
        let mut part = || parts.next().and_then(|part| u64::from_str_radix(part, 16).ok()).ok_or(());
        let (due, number, life) = (part()?, part()?, part()?);
        Ok(Self { due_unix_ms: i64::try_from(due).map_err(drop)?, number, life: u32::try_from(life).map_err(drop)? })
    }
}

impl Serialize for ScheduledId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_written_and_nothing_else_is() {
        let id = ScheduledId { due_unix_ms: 1_700_000_000_000, number: 7, life: u32::MAX };
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "1", "1-2", "1-2-3-4", "-1-2-3", "x-1-2", "1-2-100000000", "ffffffffffffffff-1-2"] {
            assert_eq!(text.parse::<ScheduledId>(), Err(()), "{text}");
        }
    }
}
