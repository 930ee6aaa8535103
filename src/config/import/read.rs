//! A configuration file of another server as a tree of JSON values, whichever format it is in.

use std::path::Path;

use serde_json::{Map, Value as Json};

/// The formats that Centrifugo reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// By `.json`.
    Json,
    /// By `.yaml` and `.yml`.
    Yaml,
    /// By `.toml`.
    Toml,
}

impl Format {
    /// The format that a file's name tells; `None` for another ending.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// Where and why it is not of the format, or has no keys.
    pub(super) fn read(self, text: &str) -> Result<Map<String, Json>, String> {
        let value: Json = match self {
            Self::Json => serde_json::from_str(text).map_err(|error| error.to_string())?,
            Self::Yaml => serde_saphyr::from_str(text).map_err(|error| error.to_string())?,
            Self::Toml => toml::from_str(text).map_err(|error| error.to_string())?,
        };
        match value {
            Json::Object(keys) => Ok(keys),
            Json::Null => Ok(Map::new()),
            _ => Err("it has no keys".into()),
        }
    }
}
