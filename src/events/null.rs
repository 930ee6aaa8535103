//! Fields that are null where backends write records: what libraries write for nothing is nothing.

use serde::{Deserialize, Deserializer};

/// Reads a field; null is as if it were left out.
///
/// # Errors
/// Those of the field.
pub(super) fn is_nothing<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(field: D) -> Result<T, D::Error> {
    Option::deserialize(field).map(Option::unwrap_or_default)
}
