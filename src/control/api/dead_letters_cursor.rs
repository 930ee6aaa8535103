//! Where a list of the dead letters of all channels goes on: as text, for backends to give back.

use std::sync::Arc;

use crate::control::nodes::LettersAt;
use crate::delivery::Place;
use crate::model::ledger::LetterPlace;

/// How one begins that goes on among the node's own.
const OWN: &str = "own";

/// The node's own come first, by channel and offset; then those that nodes share, by bucket, channel and offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cursor {
    /// Behind this place among the node's own.
    Own(Place),
    /// Among those that nodes share.
    Shared(LettersAt),
}

impl Cursor {
    /// Before all.
    pub(super) fn first() -> Self {
        Self::Own(("".into(), 0))
    }

    /// What a backend gives back; nothing is the first. `None` where it was never given.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::first());
        }
        let mut parts = text.splitn(3, '/');
        let part = parts.next()?;
        let place = match (parts.next(), parts.next()) {
            (Some(offset), Some(channel)) => Some((Arc::<str>::from(channel), offset.parse().ok()?)),
            (None, None) => None,
            _ => return None,
        };
        if part == OWN {
            return place.map(Self::Own);
        }
        let after = place.map(|(channel, offset)| LetterPlace { channel, offset });
        Some(Self::Shared(LettersAt { bucket: part.parse().ok()?, after }))
    }

    /// As a backend is given it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Own((channel, offset)) => format!("{OWN}/{offset}/{channel}"),
            Self::Shared(LettersAt { bucket, after: None }) => bucket.to_string(),
            Self::Shared(LettersAt { bucket, after: Some(LetterPlace { channel, offset }) }) => {
                format!("{bucket}/{offset}/{channel}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_goes_on_there_and_what_was_never_given_is_refused() {
        let after = |channel: &str| Some(LetterPlace { channel: channel.into(), offset: u64::MAX });
        for cursor in [
            Cursor::first(),
            Cursor::Own(("a/b/c".into(), 7)),
            Cursor::Shared(LettersAt { bucket: 17, after: None }),
            Cursor::Shared(LettersAt { bucket: 0, after: after("room/1") }),
        ] {
            assert_eq!(Cursor::parse(&cursor.text()), Some(cursor));
        }
        assert_eq!(Cursor::parse(""), Some(Cursor::first()));
        for text in ["own", "own/7", "own/x/room", "17/7", "-1", "65536", "x/7/room", "17/-1/room", "/"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
