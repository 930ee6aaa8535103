//! What streams have kept and nobody needs any more: freed a part per sweep, since a stream may have kept a million
//! publications, and freeing them takes a while.

use std::collections::VecDeque;

use super::history::Kept;
use crate::limits::FREED_AT_ONCE;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Remains(Vec<VecDeque<Kept>>);

impl Remains {
    /// Takes what is to be freed: at once where it is little.
    pub(super) fn bury(&mut self, kept: VecDeque<Kept>) {
        if kept.len() > FREED_AT_ONCE {
            self.0.push(kept);
        }
    }

    /// Frees a part.
    pub(super) fn sweep(&mut self) {
        let Some(last) = self.0.last_mut() else { return };
        last.truncate(last.len().saturating_sub(FREED_AT_ONCE));
        if last.is_empty() {
            self.0.pop();
        }
    }

    #[cfg(test)]
    pub(super) fn publications(&self) -> usize {
        self.0.iter().map(VecDeque::len).sum()
    }
}
