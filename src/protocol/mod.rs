//! Frames ↔ words.

pub mod centrifuge;
pub mod word;
