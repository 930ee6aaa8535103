//! Which bucket a channel or a user is in, where several nodes share their order.

/// The bucket of a name, of so many. Every node and every later version must say the same.
pub fn bucket_of(name: &str, buckets: u16) -> u16 {
    (crc32c::crc32c(name.as_bytes()) % u32::from(buckets)) as u16
}
