//! What processes say to each other: a JSON value a line.

use std::io::{self, BufRead, Read as _, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::LINE_BYTES_MAX;

/// Says a word.
///
/// # Errors
/// When the other process does not listen, or the word is longer than it would take.
pub(super) fn write(out: &mut impl Write, word: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    if line.len() as u64 > LINE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a word that is too long"));
    }
    out.write_all(&line)?;
    out.flush()
}

/// Hears a word; `None` at the end.
///
/// # Errors
/// When the line is none, or too long.
pub(super) fn read<T: DeserializeOwned>(input: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    input.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(serde_json::from_slice(&line)?)),
        Some(_) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "half a line")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_as_they_were_said_until_the_end() {
        let mut pipe = Vec::new();
        for word in ["one", "two\nlines"] {
            write(&mut pipe, &word).unwrap();
        }
        let mut input = &pipe[..];
        let mut hear = || read::<String>(&mut input).unwrap();
        assert_eq!([hear(), hear(), hear()], [Some("one".into()), Some("two\nlines".into()), None]);
    }

    #[test]
    fn half_a_line_and_another_language_are_errors() {
        for wrong in ["\"half", "{}\n", "\"one\" \"two\"\n"] {
            assert!(read::<String>(&mut wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
