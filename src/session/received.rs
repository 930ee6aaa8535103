//! `inbox.received` as clients write it, which of all that devices say is said most: read in one pass, without the machinery
//! that takes any JSON apart.
//!
//! Left to the general reader where it is not compact (`compact_json`). What both take they take alike.

use crate::protocol::compact_json::{Cursor, set_once};

/// All up to an offset of a channel was received.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Received<'a> {
    pub(super) channel: &'a str,
    /// Empty where none is named.
    pub(super) epoch: &'a str,
    pub(super) offset: u64,
}

impl<'a> Received<'a> {
    /// Reads `{"method":"inbox.received","data":{"channel":"…","epoch":"…","offset":7}}`, members in any order. `None` for
    /// everything else.
    pub(super) fn read(sent: &'a [u8]) -> Option<Self> {
        // It is short, and most of them ASCII: the standard library's is the quicker one for that.
        let mut cursor = Cursor::new(str::from_utf8(sent).ok()?);
        let (mut method, mut received) = (None, None);
        cursor.skip("{").then_some(())?;
        loop {
            if cursor.skip("\"method\":\"inbox.received\"") {
                set_once(&mut method, ())?;
            } else {
                cursor.skip("\"data\":{").then_some(())?;
                set_once(&mut received, Self::read_data(&mut cursor)?)?;
            }
            if cursor.ends()? {
                break;
            }
        }
        method?;
        received.filter(|_| cursor.rest().is_empty())
    }

    /// What follows the opening brace of the data, with its closing one.
    fn read_data(cursor: &mut Cursor<'a>) -> Option<Self> {
        let (mut channel, mut epoch, mut offset) = (None, None, None);
        loop {
            if cursor.skip("\"channel\":\"") {
                set_once(&mut channel, cursor.text()?)?;
            } else if cursor.skip("\"offset\":") {
                set_once(&mut offset, cursor.integer(18)?)?;
            } else {
                cursor.skip("\"epoch\":\"").then_some(())?;
                set_once(&mut epoch, cursor.text()?)?;
            }
            if cursor.ends()? {
                return Some(Self { channel: channel?, epoch: epoch.unwrap_or_default(), offset: offset? });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_write_is_read_whatever_the_order_of_members() {
        let received = |epoch, offset| Some(Received { channel: "chat:#ada", epoch, offset });
        for (text, expected) in [
            (
                r#"{"method":"inbox.received","data":{"channel":"chat:#ada","epoch":"Qm","offset":7}}"#,
                received("Qm", 7),
            ),
            (r#"{"data":{"offset":0,"channel":"chat:#ada"},"method":"inbox.received"}"#, received("", 0)),
        ] {
            assert_eq!(Received::read(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn everything_else_is_left_to_the_general_reader() {
        for text in [
            r#"{"method":"inbox.read","data":{"channel":"a","offset":7}}"#,
            r#"{"method":"inbox.received","data":{"channel":"a"}}"#,
            r#"{"method":"inbox.received","data":{"channel":"a","offset":7,"delay":1}}"#,
            r#"{"method":"inbox.received","data":{"channel":"a","offset":7,"offset":8}}"#,
            r#"{"method":"inbox.received","data":{"channel":"a","offset":7},"method":"inbox.received"}"#,
            r#"{"method":"inbox.received","data":{"channel":"\u0061","offset":7}}"#,
            r#"{"method":"inbox.received","data":{"channel":"a","offset":7.0}}"#,
            r#"{"method":"inbox.received","data":{"channel":"a","offset":-7}}"#,
            r#"{"method":"inbox.received","data":{"channel":"a","offset":7}} "#,
            r#"{"method":"inbox.received","data":{"channel":"a","offset":7}"#,
            r#"{"method":"inbox.received"}"#,
        ] {
            assert_eq!(Received::read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(
            Received::read(b"{\"method\":\"inbox.received\",\"data\":{\"channel\":\"\xff\",\"offset\":7}}"),
            None
        );
    }
}
