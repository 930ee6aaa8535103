//! A figure of a run: its name, how it is told, and what it is where it is a number that can be compared.

use super::unit::Unit;

/// A figure of a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    /// What it is.
    pub(super) name: String,
    /// How it is told.
    pub(super) text: String,
    /// What it is, where it is a number.
    pub(super) number: Option<f64>,
    /// The same of each second, where seconds have it.
    pub(super) by_second: Vec<f64>,
}

impl Figure {
    /// One that is told and not compared.
    pub(super) fn told(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), text, number: None, by_second: Vec::new() }
    }

    /// A number that is told in its unit.
    pub(super) fn number(name: &str, number: f64, unit: Unit) -> Self {
        Self { number: Some(number), ..Self::told(name, unit.value(number)) }
    }

    /// The same, told in other words.
    pub(super) fn in_words(self, text: String) -> Self {
        Self { text, ..self }
    }

    /// The same, with what it is in each second.
    pub(super) fn by_second(self, by_second: Vec<f64>) -> Self {
        Self { by_second, ..self }
    }
}
