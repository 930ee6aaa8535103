//! A publish as SDKs write it, read without the machinery that takes any JSON apart: nine of ten commands of a busy
//! node are one.
//!
//! Gives up at the first byte that is not where SDKs put it (blanks, escapes in the channel, other fields, fields that
//! come twice): the general reader then decides. What both take they take alike.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::shape::payload;
use crate::protocol::compact_json::{Cursor, set_once};
use crate::protocol::word::{Command, Verb};

/// Reads `{"id":7,"publish":{"channel":"…","data":…}}` at the beginning of `text`, members in any order; the command
/// and its length in bytes. `None` for everything else.
pub(super) fn decode_publish(text: &str) -> Option<(Command<'_>, usize)> {
    let mut cursor = Cursor::new(text);
    let (mut id, mut verb) = (None, None);
    cursor.skip("{").then_some(())?;
    loop {
        if cursor.skip("\"id\":") {
            set_once(&mut id, cursor.integer(9)? as u32)?;
        } else {
            cursor.skip("\"publish\":{").then_some(())?;
            set_once(&mut verb, publish(&mut cursor)?)?;
        }
        if cursor.ends()? {
            return Some((Command { id: id?, verb: verb? }, cursor.at()));
        }
    }
}

/// What follows the opening brace of a publish, with its closing one.
fn publish<'a>(cursor: &mut Cursor<'a>) -> Option<Verb<'a>> {
    let (mut channel, mut data) = (None, None);
    loop {
        if cursor.skip("\"channel\":\"") {
            set_once(&mut channel, cursor.text()?)?;
        } else {
            cursor.skip("\"data\":").then_some(())?;
            set_once(&mut data, value(cursor)?)?;
        }
        if cursor.ends()? {
            return Some(Verb::Publish { channel: Cow::Borrowed(channel?), data: payload(data) });
        }
    }
}

/// Any value, without blanks before it.
fn value<'a>(cursor: &mut Cursor<'a>) -> Option<&'a RawValue> {
    let rest = cursor.rest();
    if matches!(rest.as_bytes().first()?, b' ' | b'\t' | b'\n' | b'\r') {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(rest).into_iter();
    let value = values.next()?.ok()?;
    cursor.pass(values.byte_offset());
    Some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::read::decode_any;
    use super::*;
    use crate::protocol::compact_json::changed;

    const WRITTEN: [&str; 4] = [
        r#"{"id":7,"publish":{"channel":"chat:room","data":{"text":"Grüße, \"you\"","n":[1,2.5e3,null]}}}"#,
        r#"{"publish":{"channel":"a","data":"b"},"id":4294}"#,
        r#"{"id":1,"publish":{"data":17,"channel":""}} {"id":2,"ping":{}}"#,
        r#"{"id":0,"publish":{"channel":"no data"}}"#,
    ];

    #[test]
    fn what_sdks_write_is_read_at_once_and_as_the_general_reader_does() {
        for text in WRITTEN {
            let read = decode_publish(text);
            assert!(read.is_some(), "{text}");
            assert_eq!(read, decode_any(text), "{text}");
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_the_general_reader() {
        for text in [
            r#"{"id":7,"publish":{"channel":"a","data":1},"id":8}"#,
            r#"{"id":7,"publish":{"channel":"a","data":1,"data":2}}"#,
            r#"{"id":7,"publish":{"channel":"a","data":1,"type":3}}"#,
            r#"{"id":7,"publish":{"channel":"\u0061","data":1}}"#,
            r#"{"id":07,"publish":{"channel":"a","data":1}}"#,
            r#"{"id":9999999999,"publish":{"channel":"a","data":1}}"#,
            r#"{"id":7,"publish":{"channel":"a","data": 1}}"#,
            r#"{"id":7,"publish":{"channel":"a","data":{"b":}}}"#,
            r#"{"publish":{"channel":"a","data":1}}"#,
            r#"{"id":7}"#,
            r#"{"id":7,"publish":{"channel":"a","data":1}"#,
        ] {
            assert_eq!(decode_publish(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_both_readers_take_they_take_alike(text in changed(&WRITTEN)) {
            if let Some(read) = decode_publish(&text) {
                prop_assert_eq!(Some(read), decode_any(&text));
            }
        }
    }
}
