//! A publish as SDKs write it, read without the machinery that takes any JSON apart: nine of ten commands of a busy
//! node are one.
//!
//! Gives up at the first byte that is not where SDKs put it (blanks, escapes in the channel, other fields, fields that
//! come twice): the general reader then decides. What both take they take alike.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::shape::payload;
use crate::protocol::word::{Command, Verb};

/// Reads `{"id":7,"publish":{"channel":"…","data":…}}` at the beginning of `text`, members in any order; the command
/// and its length in bytes. `None` for everything else.
pub(super) fn decode_publish(text: &str) -> Option<(Command<'_>, usize)> {
    let mut cursor = Cursor { text, at: 0 };
    let (mut id, mut publish) = (None, None);
    cursor.skip("{").then_some(())?;
    loop {
        if cursor.skip("\"id\":") {
            set_once(&mut id, cursor.number()?)?;
        } else {
            cursor.skip("\"publish\":{").then_some(())?;
            set_once(&mut publish, cursor.publish()?)?;
        }
        if cursor.ends()? {
            return Some((Command { id: id?, verb: publish? }, cursor.at));
        }
    }
}

fn set_once<T>(member: &mut Option<T>, value: T) -> Option<()> {
    member.replace(value).is_none().then_some(())
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Whether the token comes next. If so, it is passed.
    fn skip(&mut self, token: &str) -> bool {
        let comes = self.rest().starts_with(token);
        self.at += if comes { token.len() } else { 0 };
        comes
    }

    /// Whether the object ends here, or has another member.
    fn ends(&mut self) -> Option<bool> {
        let next = self.rest().as_bytes().first()?;
        self.at += 1;
        match next {
            b'}' => Some(true),
            b',' => Some(false),
            _ => None,
        }
    }

    /// A number of nine digits at most.
    fn number(&mut self) -> Option<u32> {
        let rest = self.rest().as_bytes();
        let digits = rest.iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 9 || (rest[0] == b'0' && digits > 1) {
            return None;
        }
        self.at += digits;
        Some(rest[..digits].iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
    }

    /// What follows the opening brace of a publish, with its closing one.
    fn publish(&mut self) -> Option<Verb<'a>> {
        let (mut channel, mut data) = (None, None);
        loop {
            if self.skip("\"channel\":\"") {
                set_once(&mut channel, self.plain_text()?)?;
            } else {
                self.skip("\"data\":").then_some(())?;
                set_once(&mut data, self.value()?)?;
            }
            if self.ends()? {
                return Some(Verb::Publish { channel: Cow::Borrowed(channel?), data: payload(data) });
            }
        }
    }

    /// What follows the opening quote of a string without escapes; its closing one is passed.
    fn plain_text(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let end = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20)?;
        self.at += end;
        self.skip("\"").then_some(&rest[..end])
    }

    /// Any value, without blanks before it.
    fn value(&mut self) -> Option<&'a RawValue> {
        let rest = self.rest();
        if matches!(rest.as_bytes().first()?, b' ' | b'\t' | b'\n' | b'\r') {
            return None;
        }
        let mut values = serde_json::Deserializer::from_str(rest).into_iter();
        let value = values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::read::decode_any;
    use super::*;

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
        fn what_both_readers_take_they_take_alike(
            text in prop::sample::select(&WRITTEN[..]),
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0..3usize, any::<char>()), 0..4),
            hostile in prop::sample::select(vec!['"', '\\', '{', '}', ',', ':', '0', '\u{1}', '\n', ' ', 'é']),
        ) {
            let mut text: Vec<char> = text.chars().collect();
            for (at, kind, other) in changes {
                let at = at.index(text.len());
                match kind {
                    0 => drop(text.remove(at)),
                    1 => text.insert(at, hostile),
                    _ => text[at] = other,
                }
            }
            let text: String = text.into_iter().collect();
            if let Some(read) = decode_publish(&text) {
                prop_assert_eq!(Some(read), decode_any(&text));
            }
        }
    }
}
