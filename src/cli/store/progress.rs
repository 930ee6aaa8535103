//! How far a long look is.

/// Tells on standard error how far a long look is.
pub(super) fn tell_progress(done: usize, all: usize) {
    if done > 0 && done.is_multiple_of(crate::limits::STORE_PROGRESS_SEGMENTS) {
        eprintln!("{done} of {all} segments");
    }
}
