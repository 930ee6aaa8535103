//! Why a record cannot be read.

/// Why a record cannot be read. As it is it never can be.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Its header names a format that is not known.
    #[error("its content-type is {0:?}: it must be application/json or application/protobuf")]
    ContentType(String),
    /// It says that it is JSON, or nothing, and is no such object.
    #[error("it is no such JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It says that it is Protobuf, and is no such message.
    #[error("it is no such Protobuf: {0}")]
    Protobuf(#[from] prost::DecodeError),
}
