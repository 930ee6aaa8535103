//! Which life of a channel's stream something belongs to, where several nodes share it.

use std::sync::Arc;

use super::BUCKET_LAYOUT;

/// Which life of a channel's stream: its bucket's generation, and which creation of the stream in it. Its text is the epoch that
/// clients are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Life {
    /// Another where the bucket has lost writes.
    pub generation: u64,
    /// 0: there is no stream.
    pub created: u64,
}

impl Life {
    /// Its text, that of the stream's epoch.
    pub fn epoch(self) -> Arc<str> {
        format!("{BUCKET_LAYOUT}{:016x}{:x}", self.generation, self.created).into()
    }

    /// The life whose text this is, if it is one's.
    pub fn parse(epoch: &str) -> Option<Self> {
        let (generation, created) = epoch.strip_prefix(&BUCKET_LAYOUT.to_string())?.split_at_checked(16)?;
        let generation = u64::from_str_radix(generation, 16).ok()?;
        let life = Self { generation, created: u64::from_str_radix(created, 16).ok()? };
        (*life.epoch() == *epoch).then_some(life)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_read_as_the_life_that_it_was_made_of_and_nothing_else_is() {
        for life in [Life { generation: 7, created: 1 }, Life { generation: u64::MAX, created: 1 << 47 }] {
            assert_eq!(Life::parse(&life.epoch()), Some(life));
        }
        let known = Life { generation: 7, created: 1 }.epoch();
        for other in [
            "",
            "1",
            "abcdefghijk",
            "1é00000000000000071",
            &known[..17],
            &format!("{known}x"),
            &format!("2{}", &known[1..]),
        ] {
            assert_eq!(Life::parse(other), None, "{other}");
        }
    }
}
