//! Frames ↔ words.

pub mod centrifuge;
pub mod compact_json;
pub mod format;
#[cfg(test)]
mod tests;
pub mod word;

pub use format::Format;
