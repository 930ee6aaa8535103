//! Frames ↔ words.

pub mod centrifuge;
pub mod codes;
pub mod word;
