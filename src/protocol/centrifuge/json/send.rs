//! What is sent without waiting for an answer, as SDKs write it: what devices say that they have received, most of all.
//!
//! Left to the general reader where it is not compact (`compact_json`). What both take they take alike.

use std::borrow::Cow;

use crate::model::{PayloadKind, PayloadRef};
use crate::protocol::compact_json::Cursor;
use crate::protocol::word::{Command, Verb};

/// Reads `{"send":{"data":{…}}}` at the beginning of `text`; the command and its length in bytes. `None` for everything else.
pub(super) fn decode_send(text: &str) -> Option<(Command<'_>, usize)> {
    let mut cursor = Cursor::new(text);
    cursor.skip("{\"send\":{\"data\":").then_some(())?;
    let data = cursor.object()?;
    cursor.skip("}}").then_some(())?;
    let data = PayloadRef { bytes: Cow::Borrowed(data.as_bytes()), kind: PayloadKind::Json };
    Some((Command { id: 0, verb: Verb::Send { data } }, cursor.at()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::read::decode_any;
    use super::*;
    use crate::protocol::compact_json::changed;

    const WRITTEN: [&str; 3] = [
        r#"{"send":{"data":{"method":"inbox.received","data":{"channel":"a","epoch":"b","offset":7}}}}"#,
        r#"{"send":{"data":{"a":1}}}{"send":{"data":{"a":2}}}"#,
        r#"{"send":{"data":{"a":"Grüße"}}} {"id":2,"ping":{}}"#,
    ];

    proptest! {
        #[test]
        fn what_both_readers_take_they_take_alike(text in changed(&WRITTEN)) {
            if let Some(read) = decode_send(&text) {
                prop_assert_eq!(Some(read), decode_any(&text));
            }
        }
    }

    #[test]
    fn what_sdks_write_is_read_at_once_and_as_the_general_reader_does() {
        for text in WRITTEN {
            let read = decode_send(text);
            assert!(read.is_some(), "{text}");
            assert_eq!(read, decode_any(text), "{text}");
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_the_general_reader() {
        for text in [
            r#"{"send":{}}"#,
            r#"{"send":{"data":null}}"#,
            r#"{"send":{"data":{"a":1},"data":{"a":2}}}"#,
            r#"{"send":{"data":{"a":1}},"id":7}"#,
            r#"{"id":7,"send":{"data":{"a":1}}}"#,
            r#"{"send":{"data": {"a":1}}}"#,
            r#"{"send":{"data":{"a":1}}"#,
        ] {
            assert_eq!(decode_send(text), None, "{text}");
        }
    }
}
