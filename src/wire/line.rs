//! Lines: messages that end with a line feed, or a carriage return and a line feed.

use std::ops::Range;

/// What lies at the beginning of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// No line end yet.
    Partial,
    /// A line, without its end.
    Whole {
        /// Where its bytes are, without the line end.
        line: Range<usize>,
        /// Where the next one begins.
        consumed: usize,
    },
}

/// The line is longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line too long")]
pub struct LineTooLong;

/// Looks for one line of at most `max` bytes without its end.
///
/// # Errors
/// [`LineTooLong`], as soon as it is certain.
pub fn next(input: &[u8], max: usize) -> Result<Line, LineTooLong> {
    let Some(feed) = memchr::memchr(b'\n', input) else {
        return if input.len() > max + 1 { Err(LineTooLong) } else { Ok(Line::Partial) };
    };
    let end = if feed > 0 && input[feed - 1] == b'\r' { feed - 1 } else { feed };
    if end > max { Err(LineTooLong) } else { Ok(Line::Whole { line: 0..end, consumed: feed + 1 }) }
}
