//! What the host must give.
