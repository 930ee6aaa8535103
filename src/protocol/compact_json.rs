//! JSON in the compact form in which programs write it, read without the machinery that takes any JSON apart: what clients say
//! most is written so.
//!
//! Gives up at the first byte that is not where such a text has it: blanks, escapes, numbers that are no short integers.
//! Whoever uses it leaves the text to a general reader then, and takes nothing that this would refuse.

/// How far a text has been read.
#[derive(Debug)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the beginning of a text.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Bytes that were passed.
    pub fn at(&self) -> usize {
        self.at
    }

    /// What was not passed yet.
    pub fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Passes so many bytes, which must end at the end of a character.
    pub fn pass(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Whether the token comes next. If so, it is passed.
    // Inlined, a token is compared in a step or two: its length is known then.
    #[inline]
    pub fn skip(&mut self, token: &str) -> bool {
        let comes = self.text.as_bytes()[self.at..].get(..token.len()) == Some(token.as_bytes());
        self.at += if comes { token.len() } else { 0 };
        comes
    }

    /// Whether the object ends here, or has another member.
    #[inline]
    pub fn ends(&mut self) -> Option<bool> {
        let next = self.text.as_bytes().get(self.at)?;
        self.at += 1;
        match next {
            b'}' => Some(true),
            b',' => Some(false),
            _ => None,
        }
    }

    /// An integer of so many digits at most, 18 or less.
    pub fn integer(&mut self, digits_max: usize) -> Option<u64> {
        let rest = &self.text.as_bytes()[self.at..];
        let digits = rest.iter().take(digits_max + 1).take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > digits_max || (rest[0] == b'0' && digits > 1) {
            return None;
        }
        self.at += digits;
        // A fraction or an exponent may follow: nothing that an object goes on with.
        Some(rest[..digits].iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
    }

    /// What follows the opening quote of a string without escapes; its closing one is passed.
    pub fn text(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let end = plain(rest.as_bytes());
        self.at += end;
        self.skip("\"").then_some(&rest[..end])
    }

    /// An object of strings, integers and such objects, from its opening brace on.
    pub fn object(&mut self) -> Option<&'a str> {
        let (start, mut depth) = (self.at, 0);
        loop {
            if self.skip("{\"") {
                depth += 1;
            } else {
                if depth == 0 {
                    return None;
                }
                match self.skip("\"") {
                    true => _ = self.text()?,
                    false => _ = self.integer(18)?,
                }
                while self.ends()? {
                    depth -= 1;
                    if depth == 0 {
                        return Some(&self.text[start..self.at]);
                    }
                }
                self.skip("\"").then_some(())?;
            }
            self.text()?;
            self.skip(":").then_some(())?;
        }
    }
}

/// How many bytes come before a quote, a backslash or a control character, or the end. Eight are looked at at once.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    // Marks bytes below `limit` (128 at most) by their high bits: the lowest mark is right, beyond it there can be others.
    let below = |eight: u64, limit: u64| eight.wrapping_sub(ONES * limit) & !eight & HIGH;
    let mut at = 0;
    while let Some(eight) = bytes[at..].first_chunk() {
        let eight = u64::from_le_bytes(*eight);
        let is = |byte: u8| below(eight ^ (ONES * u64::from(byte)), 1);
        let marks = is(b'"') | is(b'\\') | below(eight, 0x20);
        if marks != 0 {
            return at + marks.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_plain = |byte: &&u8| **byte >= 0x20 && **byte != b'"' && **byte != b'\\';
    at + bytes[at..].iter().take_while(is_plain).count()
}

/// Keeps what a member of an object is. `None` where the member comes twice: two readers could take different ones.
pub fn set_once<T>(member: &mut Option<T>, value: T) -> Option<()> {
    member.replace(value).is_none().then_some(())
}

/// One of these texts, changed here and there: what is read from it by one reader is to be compared with what another reads.
#[cfg(test)]
pub(crate) fn changed(texts: &'static [&'static str]) -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let hostile = prop::sample::select(vec!['"', '\\', '{', '}', ',', ':', '0', '\u{1}', '\n', ' ', 'é']);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), 0..3usize, any::<char>()), 0..4);
    (prop::sample::select(texts), changes, hostile).prop_map(|(text, changes, hostile)| {
        let mut text: Vec<char> = text.chars().collect();
        for (at, kind, other) in changes {
            let at = at.index(text.len());
            match kind {
                0 => drop(text.remove(at)),
                1 => text.insert(at, hostile),
                _ => text[at] = other,
            }
        }
        text.into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    const OBJECTS: [&str; 4] = [
        r#"{"a":1}"#,
        r#"{"method":"inbox.received","data":{"channel":"Grüße","offset":70}}"#,
        r#"{"a":{"b":{"c":"d"},"e":0},"a":123456789012345678}"#,
        r#"{"":"","":{"":0}}"#,
    ];

    #[test]
    fn an_object_is_passed_and_what_follows_is_not() {
        for object in OBJECTS {
            let text = format!("{object},\"next\"");
            let mut cursor = Cursor::new(&text);
            assert_eq!(cursor.object(), Some(object));
            assert_eq!((cursor.at(), cursor.rest()), (object.len(), ",\"next\""));
        }
    }

    #[test]
    fn what_is_not_compact_is_given_up() {
        for text in [
            "",
            "1",
            "\"a\"",
            "{}",
            "{\"a\":1",
            "{\"a\": 1}",
            "{\"a\":1.5}",
            "{\"a\":-1}",
            "{\"a\":01}",
            "{\"a\":1e3}",
            "{\"a\":1234567890123456789}",
            "{\"a\":[1]}",
            "{\"a\":true}",
            "{\"a\":\"\\n\"}",
            "{\"a\":\"\n\"}",
            "{\"a\":1,}",
            "{\"a\":1 }",
            "{\"a\"}",
            "{\"a\":{\"b\":1}",
        ] {
            assert_eq!(Cursor::new(text).object(), None, "{text}");
        }
    }

    #[test]
    fn a_string_ends_where_it_does_wherever_that_is() {
        for length in 0..40 {
            for (end, expected) in [('"', true), ('\\', false), ('\u{1f}', false)] {
                let text =
                    format!("{}{end} {{\"", "aé~\u{80}\u{7f}".repeat(8).chars().take(length).collect::<String>());
                let read = Cursor::new(&text).text().map(|text| text.chars().count());
                assert_eq!(read, expected.then_some(length), "{text}");
            }
        }
        assert_eq!(Cursor::new("without an end of it").text(), None);
    }

    proptest! {
        #[test]
        fn plain_bytes_are_counted_as_one_by_one(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let is_other = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
            prop_assert_eq!(plain(&bytes), bytes.iter().position(is_other).unwrap_or(bytes.len()));
        }

        #[test]
        fn an_object_that_is_taken_is_one_to_the_general_reader(text in changed(&OBJECTS)) {
            if let Some(object) = Cursor::new(&text).object() {
                let first = serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>().next();
                prop_assert_eq!(first.unwrap().unwrap().get(), object);
            }
        }
    }
}
