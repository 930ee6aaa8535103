//! What the files in `proto/` describe: services, their calls, and the messages of these.

use prost_reflect::{DescriptorPool, MessageDescriptor};

/// The files in `proto/`, as a compiler of Protobuf understands them. A test compiles them, and writes this anew.
pub(super) const DESCRIPTORS: &[u8] = include_bytes!("../../../proto/descriptors.bin");

/// One call of a service.
#[derive(Debug)]
pub(super) struct Rpc {
    /// As HTTP/2 has it: `/package.Service/Method`.
    pub(super) path: String,
    /// The method of the API: `presence_stats` for `PresenceStats`.
    pub(super) method: String,
    /// What it takes.
    pub(super) request: MessageDescriptor,
    /// What it answers.
    pub(super) response: MessageDescriptor,
}

/// All that is described.
///
/// # Panics
/// Never: the tests read the same bytes.
pub(super) fn pool() -> DescriptorPool {
    DescriptorPool::decode(DESCRIPTORS).expect("a test has compiled the descriptors")
}

/// The calls of all services.
pub(super) fn rpcs(pool: &DescriptorPool) -> Vec<Rpc> {
    let mut rpcs = Vec::new();
    for service in pool.services() {
        rpcs.extend(service.methods().map(|method| Rpc {
            path: format!("/{}/{}", service.full_name(), method.name()),
            method: method_of(method.name()),
            request: method.input(),
            response: method.output(),
        }));
    }
    rpcs
}

/// The method of the API that a call is, by its name or its path.
pub(super) fn method_of(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_the_method_of_its_name() {
        assert_eq!(method_of("/centrifugal.centrifugo.api.CentrifugoApi/PresenceStats"), "presence_stats");
        assert_eq!((method_of("/a.B/Info"), method_of("/a.B/")), ("info".into(), String::new()));
    }
}
