//! Which names a pattern means.

use globset::{GlobBuilder, GlobMatcher};

use crate::limits::PATTERN_BYTES_MAX;

/// Names of channels: `*` stands for any characters, `?` for one, `[a-z]` for one of these and `[!a-z]` for another one,
/// `{a,b}` for one of several patterns; a backslash takes the next character as it is. Empty is every name. Matching takes
/// time that is linear in the name, whatever the pattern.
#[derive(Debug)]
pub struct Pattern(Option<GlobMatcher>);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        if text.len() > PATTERN_BYTES_MAX {
            return Err(format!("a pattern has at most {PATTERN_BYTES_MAX} bytes"));
        }
        let glob = GlobBuilder::new(text).backslash_escape(true).empty_alternates(true).build();
        glob.map(|glob| Self(Some(glob.compile_matcher()))).map_err(|error| error.to_string())
    }

    /// Whether it means this name.
    pub fn matches(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|matcher| matcher.is_match(name))
    }
}
