//! How often commands are refused, by code of the client protocol.

use super::counter::Counter;
use crate::model::refusal::ErrorKind;
use crate::protocol::centrifuge::codes::{self, ERROR_CODES};

/// One counter for each code.
#[derive(Debug, Default)]
pub struct Errors([Counter; (*ERROR_CODES.end() - *ERROR_CODES.start() + 1) as usize]);

impl Errors {
    /// Counts a refused command.
    pub fn count(&self, kind: ErrorKind) {
        let (code, ..) = codes::of_error(kind);
        self.0[(code - ERROR_CODES.start()) as usize].add(1);
    }

    /// Refused commands by code.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> {
        ERROR_CODES.zip(self.0.iter().map(Counter::get))
    }
}
