//! Buckets, in which several nodes share the order of channels: which one a name is in, and what it keeps.

/// The layout of buckets and of what lies in them: part of the names of their keys and of epochs, so that two do not meet.
pub const BUCKET_LAYOUT: u8 = 1;

/// What a bucket keeps of a publication, and for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// How many publications the stream keeps, up to an eighth more; 0: none.
    pub size: u32,
    /// For how long, milliseconds.
    pub ttl_ms: u64,
    /// How long the stream's offsets and epoch outlive its last use, milliseconds; longer than `ttl_ms`.
    pub meta_ttl_ms: u64,
}

/// The bucket of a name, of so many. Every node and every later version must say the same.
pub fn bucket_of(name: &str, buckets: u16) -> u16 {
    (crc32c::crc32c(name.as_bytes()) % u32::from(buckets)) as u16
}
