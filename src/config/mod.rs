//! The configuration.

/// placeholder
#[derive(Debug)]
pub struct Config;
