//! Addresses of servers.

/// The parts of `host:port`; an address of IPv6 stands in brackets.
pub fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        assert_eq!(host_and_port("redis.example:6379"), Some(("redis.example", 6379)));
        assert_eq!(host_and_port("[::1]:6379"), Some(("::1", 6379)));
        for address in ["redis", ":6379", "redis:", "redis:0", "redis:70000", "::1:6379", "[::1:6379"] {
            assert_eq!(host_and_port(address), None, "{address}");
        }
    }
}
