//! The PROXY protocol, versions 1 and 2 (haproxy.org, `proxy-protocol.txt`): what a proxy says of a connection before the
//! first byte of its client.
//!
//! Reads in place and keeps nothing. Never asks who the proxy is: whether it is believed is the caller's to know.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::limits::PROXY_HEADER_BYTES_MAX;

/// Longest header of version 1, bytes, with its line end.
const TEXT_BYTES_MAX: usize = 107;
const TEXT_PREFIX: &[u8] = b"PROXY ";
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of version 2 before the addresses: signature, command, family, length.
const FIXED_BYTES: usize = 16;
/// The type of the field that holds a checksum of the whole header.
const CRC32C: u8 = 0x03;

/// What lies at the beginning of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// The header is not whole yet.
    Partial,
    /// A whole header.
    Whole {
        /// The client's address. `None` where the conn is the proxy's own, or where the proxy does not say.
        client: Option<IpAddr>,
        /// Bytes of the header.
        consumed: usize,
    },
}

/// Why the input is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyViolation {
    /// It begins otherwise: the proxy was not told to send one, or somebody else is there.
    #[error("no PROXY header")]
    Missing,
    /// This part of it is wrong.
    #[error("malformed PROXY header: {0}")]
    Malformed(&'static str),
    /// It is longer than [`PROXY_HEADER_BYTES_MAX`].
    #[error("PROXY header too long")]
    TooLong,
    /// Its checksum is another's.
    #[error("PROXY header with a wrong checksum")]
    Checksum,
}

/// Reads a header of either version.
///
/// # Errors
/// See [`ProxyViolation`].
pub fn read(input: &[u8]) -> Result<ProxyHeader, ProxyViolation> {
    if input.is_empty() {
        return Ok(ProxyHeader::Partial);
    }
    let begins_with = |prefix: &[u8]| input.iter().zip(prefix).all(|(byte, expected)| byte == expected);
    if begins_with(TEXT_PREFIX) {
        read_text(input)
    } else if begins_with(SIGNATURE) {
        read_binary(input)
    } else {
        Err(ProxyViolation::Missing)
    }
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 4711 8000\r\n`
fn read_text(input: &[u8]) -> Result<ProxyHeader, ProxyViolation> {
    let line = &input[..input.len().min(TEXT_BYTES_MAX)];
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        return if line.len() < TEXT_BYTES_MAX { Ok(ProxyHeader::Partial) } else { Err(ProxyViolation::TooLong) };
    };
    let text = std::str::from_utf8(&line[TEXT_PREFIX.len()..end]).unwrap_or_default();
    let (protocol, rest) = text.split_once(' ').unwrap_or((text, ""));
    let client = match protocol {
        // Whatever follows is to be overlooked.
        "UNKNOWN" => None,
        "TCP4" => Some(addresses::<Ipv4Addr>(rest).ok_or(ProxyViolation::Malformed("addresses"))?),
        "TCP6" => Some(addresses::<Ipv6Addr>(rest).ok_or(ProxyViolation::Malformed("addresses"))?),
        _ => return Err(ProxyViolation::Malformed("protocol")),
    };
    Ok(ProxyHeader::Whole { client, consumed: end + 2 })
}

/// The client's address of `client server port port`.
fn addresses<A: FromStr + Into<IpAddr>>(text: &str) -> Option<IpAddr> {
    let mut parts = text.split(' ');
    let client: A = parts.next()?.parse().ok()?;
    let _: A = parts.next()?.parse().ok()?;
    for port in [parts.next()?, parts.next()?] {
        let _: u16 = port.parse().ok().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()))?;
    }
    parts.next().is_none().then(|| client.into().to_canonical())
}

fn read_binary(input: &[u8]) -> Result<ProxyHeader, ProxyViolation> {
    let Some((fixed, rest)) = input.split_first_chunk::<FIXED_BYTES>() else { return Ok(ProxyHeader::Partial) };
    let [.., command, family, high, low] = *fixed;
    let len = usize::from(u16::from_be_bytes([high, low]));
    if !matches!(command, 0x20 | 0x21) {
        return Err(ProxyViolation::Malformed("version or command"));
    }
    if FIXED_BYTES + len > PROXY_HEADER_BYTES_MAX {
        return Err(ProxyViolation::TooLong);
    }
    let Some(body) = rest.get(..len) else { return Ok(ProxyHeader::Partial) };
    let consumed = FIXED_BYTES + len;
    let is_local = command == 0x20;
    if is_local {
        // The proxy's own conn, such as a look at the node's health: the rest is to be overlooked.
        return Ok(ProxyHeader::Whole { client: None, consumed });
    }
    let (client, fields) = client_of(family, body)?;
    if let Some(fields) = fields {
        check_fields(&input[..consumed], consumed - fields.len())?;
    }
    Ok(ProxyHeader::Whole { client, consumed })
}

/// The client's address, and the fields behind the addresses where it is known how long these are.
fn client_of(family: u8, body: &[u8]) -> Result<(Option<IpAddr>, Option<&[u8]>), ProxyViolation> {
    let too_short = ProxyViolation::Malformed("addresses");
    let fields = |len: usize| body.get(len..).map(Some).ok_or(too_short);
    // Two addresses and two ports; a path takes 108 bytes.
    let (client, fields) = match (family >> 4, family & 0xf) {
        (_, 3..) | (4.., _) => return Err(ProxyViolation::Malformed("address family")),
        (1, 1 | 2) => (body.first_chunk::<4>().map(|bytes| IpAddr::from(*bytes)), fields(12)?),
        (2, 1 | 2) => (body.first_chunk::<16>().map(|bytes| IpAddr::from(*bytes)), fields(36)?),
        (3, _) => (None, fields(216)?),
        _ => (None, None),
    };
    Ok((client.map(|client| client.to_canonical()), fields))
}

/// Each field has a type, a length and a value; a checksum among them must be right. The others are overlooked.
fn check_fields(header: &[u8], mut at: usize) -> Result<(), ProxyViolation> {
    const MALFORMED: ProxyViolation = ProxyViolation::Malformed("field");
    while at < header.len() {
        let [kind, high, low] = *header[at..].first_chunk::<3>().ok_or(MALFORMED)?;
        let start = at + 3;
        let end = start + usize::from(u16::from_be_bytes([high, low]));
        let value = header.get(start..end).ok_or(MALFORMED)?;
        if kind == CRC32C {
            let told = u32::from_be_bytes(value.try_into().map_err(|_| MALFORMED)?);
            // It was made while zeros stood in its place.
            let sum =
                [&[0; 4], &header[end..]].into_iter().fold(crc32c::crc32c(&header[..start]), crc32c::crc32c_append);
            if sum != told {
                return Err(ProxyViolation::Checksum);
            }
        }
        at = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proxy_header::{ProxiedAddress, ProxyHeader as Reference, Tlv};

    use super::*;

    fn whole(client: Option<&str>, consumed: usize) -> Result<ProxyHeader, ProxyViolation> {
        Ok(ProxyHeader::Whole { client: client.map(|client| client.parse().unwrap()), consumed })
    }

    /// Version 2 with this command, family and body.
    fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let len = (body.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &len, body].concat()
    }

    const FOUR: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x67, 0x1f, 0x40];

    /// With its checksum set.
    fn with_checksum(fields: &[u8]) -> Vec<u8> {
        let mut header = binary(0x21, 0x11, &[&FOUR[..], &[CRC32C, 0, 4, 0, 0, 0, 0], fields].concat());
        let sum = crc32c::crc32c(&header);
        header[31..35].copy_from_slice(&sum.to_be_bytes());
        header
    }

    fn assert_refused(input: &[u8], violation: ProxyViolation) {
        assert_eq!(read(input), Err(violation), "{:?}", input.escape_ascii().to_string());
    }

    #[test]
    fn what_another_implementation_writes_is_read() {
        for client in ["192.0.2.1:4711", "[2001:db8::1]:4711"] {
            let server = if client.starts_with('[') { "[2001:db8::2]:8000" } else { "198.51.100.1:8000" };
            let address = ProxiedAddress::stream(client.parse().unwrap(), server.parse().unwrap());
            let named = Some(address.source.ip());
            let fields = [Tlv::Authority("a.example".into()), Tlv::UniqueId([7; 20][..].into()), Tlv::Noop(9)];
            let (mut text, mut bytes) = (Vec::new(), Vec::new());
            Reference::with_address(address.clone()).encode_v1(&mut text).unwrap();
            Reference::with_tlvs(Some(address), fields).encode_v2(&mut bytes).unwrap();
            for header in [text, bytes] {
                assert_eq!(read(&header), Ok(ProxyHeader::Whole { client: named, consumed: header.len() }));
            }
        }
        for encode in [Reference::encode_v1, Reference::encode_v2] {
            let mut header = Vec::new();
            encode(&Reference::with_local(), &mut header).unwrap();
            assert_eq!(read(&header), whole(None, header.len()));
        }
    }

    #[test]
    fn a_header_is_partial_until_its_last_byte_and_what_follows_is_not_its() {
        let longest = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
        let headers = [longest.as_bytes().to_vec(), b"PROXY UNKNOWN\r\n".to_vec(), with_checksum(&[4, 0, 2, 0, 0])];
        for header in headers {
            for len in 0..header.len() {
                assert_eq!(read(&header[..len]), Ok(ProxyHeader::Partial), "{len} of {}", header.escape_ascii());
            }
            let more = [&header[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
            assert!(matches!(read(&more), Ok(ProxyHeader::Whole { consumed, .. }) if consumed == header.len()));
        }
    }

    #[test]
    fn who_is_not_told_is_none() {
        assert_eq!(read(b"PROXY UNKNOWN anything at all\r\n"), whole(None, 31));
        // LOCAL, whatever is in it.
        assert_eq!(read(&binary(0x20, 0xff, &[9; 7])), whole(None, 23));
        assert_eq!(read(&binary(0x21, 0x00, &[9; 7])), whole(None, 23));
        assert_eq!(read(&binary(0x21, 0x31, &[0; 216])), whole(None, 232));
    }

    #[test]
    fn an_address_of_version_4_within_one_of_6_is_told_as_of_4() {
        assert_eq!(read(b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"), whole(Some("192.0.2.1"), 37));
    }

    #[test]
    fn who_begins_otherwise_is_told_from_its_first_byte() {
        for other in [&b"GET / HTTP/1.1\r\n"[..], b"{}", b"\x16\x03\x01", b"PROXYTCP4", b"proxy ", b"\r\n\r\nGET"] {
            assert_refused(other, ProxyViolation::Missing);
        }
    }

    #[test]
    fn lines_that_are_not_exactly_right_are_refused() {
        let lines = [
            "TCP4 192.0.2.1 198.51.100.1 1",
            "TCP4 192.0.2.1 198.51.100.1 1 2 3",
            "TCP4 192.0.2.1 198.51.100.1 1 65536",
            "TCP4 192.0.2.1 198.51.100.1 +1 2",
            "TCP4 192.0.2.1  198.51.100.1 1 2",
            "TCP4 192.0.2.01 198.51.100.1 1 2",
            "TCP4 ::1 ::1 1 2",
            "TCP6 192.0.2.1 198.51.100.1 1 2",
            "TCP4 a.example 198.51.100.1 1 2",
        ];
        for line in lines {
            assert_refused(format!("PROXY {line}\r\n").as_bytes(), ProxyViolation::Malformed("addresses"));
        }
        for line in ["", "TCP5 1", "tcp4 192.0.2.1 198.51.100.1 1 2", "\u{fc}", "TCP4\n"] {
            assert!(
                matches!(read(format!("PROXY {line}\r\n").as_bytes()), Err(ProxyViolation::Malformed(_))),
                "{line}"
            );
        }
        assert_refused(b"PROXY \xff\r\n", ProxyViolation::Malformed("protocol"));
        assert_refused(&[b"PROXY UNKNOWN ", &[b'x'; 93][..]].concat(), ProxyViolation::TooLong);
    }

    #[test]
    fn binary_headers_that_are_not_exactly_right_are_refused() {
        assert_refused(&binary(0x11, 0x11, &FOUR), ProxyViolation::Malformed("version or command"));
        assert_refused(&binary(0x22, 0x11, &FOUR), ProxyViolation::Malformed("version or command"));
        for family in [0x41, 0x13, 0xff] {
            assert_refused(&binary(0x21, family, &FOUR), ProxyViolation::Malformed("address family"));
        }
        assert_refused(&binary(0x21, 0x11, &FOUR[1..]), ProxyViolation::Malformed("addresses"));
        assert_refused(&binary(0x21, 0x21, &FOUR), ProxyViolation::Malformed("addresses"));
        for fields in [&[4, 0][..], &[4, 0, 2, 0], &[CRC32C, 0, 3, 0, 0, 0]] {
            assert_refused(&binary(0x21, 0x11, &[&FOUR[..], fields].concat()), ProxyViolation::Malformed("field"));
        }
        // Told from its length, before it comes.
        let long = binary(0x21, 0x11, &[0; PROXY_HEADER_BYTES_MAX]);
        assert_refused(&long[..FIXED_BYTES], ProxyViolation::TooLong);
    }

    #[test]
    fn a_checksum_must_be_right() {
        // Another type would make it no checksum.
        const TYPE_OF_CHECKSUM: std::ops::Range<usize> = 28..29;
        let right = with_checksum(&[5, 0, 3, 7, 7, 7]);
        assert_eq!(read(&right), whole(Some("192.0.2.1"), right.len()));
        for at in (FIXED_BYTES..right.len()).filter(|at| !TYPE_OF_CHECKSUM.contains(at)) {
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            assert!(read(&wrong).is_err(), "byte {at}");
        }
    }
}
