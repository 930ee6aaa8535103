//! How the values of records lie in bytes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unreadable::Unreadable;

/// How the values of records lie in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An object with names: larger, and read by everything.
    #[default]
    Json,
    /// A message of docs/events.proto.
    Protobuf,
}

/// Of a header that is not known no more than this is told, bytes.
const TOLD_BYTES_MAX: usize = 100;

impl Format {
    /// What the header of a record says.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/protobuf",
        }
    }

    /// What a stranger's header says, if there is one: parameters are left alone, as is the case.
    pub(super) fn of(content_type: Option<&[u8]>) -> Result<Self, Unreadable> {
        let Some(said) = content_type else { return Ok(Self::Json) };
        let is_as_ours = |format: &Self| said == format.content_type().as_bytes();
        if let Some(format) = [Self::Json, Self::Protobuf].into_iter().find(is_as_ours) {
            return Ok(format);
        }
        let essence = said.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let is = |known: &[&str]| known.iter().any(|known| essence.eq_ignore_ascii_case(known.as_bytes()));
        if is(&["application/json"]) {
            Ok(Self::Json)
        } else if is(&["application/protobuf", "application/x-protobuf"]) {
            Ok(Self::Protobuf)
        } else {
            let told = &said[..said.len().min(TOLD_BYTES_MAX)];
            Err(Unreadable::ContentType(String::from_utf8_lossy(told).into_owned()))
        }
    }
}
