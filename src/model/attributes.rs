//! What an application says of a session: names and values, which the node keeps as long as the session lasts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::SESSION_ATTRIBUTES_BYTES_MAX;

/// Names and values, JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Attributes(BTreeMap<String, Value>);

/// They would take more than [`SESSION_ATTRIBUTES_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Attributes {
    /// Those that are left when some are set and then some removed.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn changed(&self, set: &Self, removed: &[String]) -> Result<Self, TooLong> {
        let Self(mut changed) = self.clone();
        changed.extend(set.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        changed.retain(|name, _| !removed.contains(name));
        let changed = Self(changed);
        match changed.is_empty() || changed.pack().len() <= SESSION_ATTRIBUTES_BYTES_MAX {
            true => Ok(changed),
            false => Err(TooLong),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As JSON; nothing where there are none.
    pub fn pack(&self) -> Vec<u8> {
        match self.is_empty() {
            true => Vec::new(),
            false => serde_json::to_vec(self).expect("names and values are written as JSON"),
        }
    }
}
