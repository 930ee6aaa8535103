//! Whose request a proxy passes on: `X-Forwarded-For`, or `Forwarded` (RFC 7239).
//!
//! Each proxy writes to the right of what came whom it has the request from. So only what trusted proxies wrote is looked
//! at, from the right; what stands to the left of it may be anybody's invention. Where it cannot be told who wrote what,
//! nothing is believed.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use smallvec::SmallVec;

/// How proxies name whom they have a request from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Addresses between commas.
    XForwardedFor,
    /// Elements with parameters, `for` among them.
    Forwarded,
}

/// Who sent a request that came from `peer` with these lines of the header, in their order: the first from the right that
/// is not trusted. Where all are, the last that could be read.
pub fn client<'a>(
    peer: IpAddr,
    lines: impl DoubleEndedIterator<Item = &'a str>,
    syntax: Syntax,
    trusts: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer;
    for line in lines.rev() {
        let Some(hops) = hops(line, syntax) else { return client };
        for hop in hops.into_iter().rev() {
            match node(hop) {
                Some(address) if trusts(client) => client = address,
                // Not trusted; or it wrote nothing that is an address, such as `unknown`.
                _ => return client,
            }
        }
    }
    client
}

/// The nodes that a line names, from left to right. `None` where the line is malformed.
fn hops(line: &str, syntax: Syntax) -> Option<SmallVec<[&str; 4]>> {
    match syntax {
        Syntax::XForwardedFor => Some(line.split(',').map(str::trim).collect()),
        Syntax::Forwarded => Rest(line).elements(),
    }
}

/// The address of a node, which can have a port: `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80`; some proxies leave the
/// brackets out.
fn node(text: &str) -> Option<IpAddr> {
    let within = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match within {
        Some(address) => address.parse::<Ipv6Addr>().ok()?.into(),
        None => text.parse().or_else(|_| text.parse().map(|address: SocketAddr| address.ip())).ok()?,
    };
    Some(address.to_canonical())
}

/// What of a `Forwarded` line has not been read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// `for` of each element. A comma within quotes is no end of one, so the line is read from its beginning; a quote that
    /// never ends makes it malformed.
    fn elements(mut self) -> Option<SmallVec<[&'a str; 4]>> {
        let mut hops = SmallVec::new();
        loop {
            self.skip_blanks();
            hops.push(self.element()?);
            self.skip_blanks();
            if self.0.is_empty() {
                return Some(hops);
            }
            self.take(',')?;
        }
    }

    /// `for` of one element; empty where it names nobody.
    fn element(&mut self) -> Option<&'a str> {
        let mut hop = None;
        loop {
            let name = self.token()?;
            self.take('=')?;
            let value = self.value()?;
            if name.eq_ignore_ascii_case("for") && hop.replace(value).is_some() {
                return None;
            }
            if self.take(';').is_none() {
                return Some(hop.unwrap_or_default());
            }
        }
    }

    fn value(&mut self) -> Option<&'a str> {
        if self.take('"').is_none() {
            return self.token();
        }
        let mut is_escaped = false;
        let end = self.0.find(|char| {
            let ends = char == '"' && !is_escaped;
            is_escaped = char == '\\' && !is_escaped;
            ends
        })?;
        let (value, rest) = (&self.0[..end], &self.0[end + 1..]);
        self.0 = rest;
        Some(value)
    }

    /// RFC 9110, 5.6.2; colons and brackets too, which some proxies do not quote.
    fn token(&mut self) -> Option<&'a str> {
        let is_of_token = |char: char| char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:[]".contains(char);
        let len = self.0.find(|char| !is_of_token(char)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(len);
        self.0 = rest;
        (len > 0).then_some(token)
    }

    fn take(&mut self, expected: char) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who sent it, where 10.* are trusted proxies and the peer is 10.0.0.1.
    fn told(syntax: Syntax, lines: &[&str]) -> String {
        told_to("10.0.0.1", syntax, lines)
    }

    fn told_to(peer: &str, syntax: Syntax, lines: &[&str]) -> String {
        let trusts = |address: IpAddr| address.to_string().starts_with("10.");
        client(peer.parse().unwrap(), lines.iter().copied(), syntax, trusts).to_string()
    }

    #[test]
    fn the_first_from_the_right_that_is_no_trusted_proxy_is_the_client() {
        let told = |lines: &[&str]| told(Syntax::XForwardedFor, lines);
        assert_eq!(told(&[]), "10.0.0.1");
        assert_eq!(told(&["192.0.2.1"]), "192.0.2.1");
        assert_eq!(told(&["6.6.6.6, 192.0.2.1"]), "192.0.2.1");
        assert_eq!(told(&["6.6.6.6, 192.0.2.1 ,10.1.1.1,10.2.2.2"]), "192.0.2.1");
        assert_eq!(told(&["10.9.9.9, 10.1.1.1"]), "10.9.9.9", "where all are trusted, the last");
        assert_eq!(told(&["6.6.6.6", "192.0.2.1", "10.1.1.1"]), "192.0.2.1", "lines are one list");
    }

    #[test]
    fn who_is_no_trusted_proxy_is_not_believed() {
        for syntax in [Syntax::XForwardedFor, Syntax::Forwarded] {
            for line in ["192.0.2.1", "for=192.0.2.1"] {
                assert_eq!(told_to("203.0.113.9", syntax, &[line]), "203.0.113.9");
            }
        }
    }

    #[test]
    fn what_is_no_address_ends_the_search_at_the_proxy_that_wrote_it() {
        for line in ["", "unknown", "6.6.6.6, ", "6.6.6.6, _hidden", "6.6.6.6,192.0.2.256", "6.6.6.6, a b", "1.1.1.1;"]
        {
            assert_eq!(told(Syntax::XForwardedFor, &[line]), "10.0.0.1", "{line}");
        }
        assert_eq!(told(Syntax::XForwardedFor, &["6.6.6.6, unknown, 10.3.3.3"]), "10.3.3.3");
    }

    #[test]
    fn ports_and_brackets_are_read() {
        for (node, address) in [
            ("192.0.2.1:80", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(told(Syntax::XForwardedFor, &[node]), address);
            assert_eq!(told(Syntax::Forwarded, &[&format!("for=\"{node}\"")]), address);
            assert_eq!(told(Syntax::Forwarded, &[&format!("proto=https;For={node};by=10.0.0.1")]), address);
        }
    }

    #[test]
    fn elements_of_forwarded_are_read_as_the_rfc_has_them() {
        let told = |lines: &[&str]| told(Syntax::Forwarded, lines);
        assert_eq!(told(&["for=6.6.6.6;proto=http, for=192.0.2.1;by=10.2.2.2,for=10.2.2.2"]), "192.0.2.1");
        assert_eq!(told(&["for=6.6.6.6", "for=192.0.2.1"]), "192.0.2.1");
        assert_eq!(told(&["for=6.6.6.6, proto=https"]), "10.0.0.1", "it does not say whom it has it from");
        assert_eq!(told(&["for=6.6.6.6, for=unknown"]), "10.0.0.1");
        assert_eq!(told(&["for=6.6.6.6, for=\"_a\\\"b\""]), "10.0.0.1");
    }

    #[test]
    fn a_comma_that_a_client_brings_into_quotes_makes_no_element() {
        let told = |lines: &[&str]| told(Syntax::Forwarded, lines);
        assert_eq!(told(&["for=192.0.2.1;host=\"a, for=6.6.6.6\""]), "192.0.2.1");
        assert_eq!(told(&["for=192.0.2.1;host=\"a\\\", for=6.6.6.6\""]), "192.0.2.1");
    }

    #[test]
    fn of_a_line_that_is_malformed_nothing_is_believed() {
        let broken =
            ["for=\"6.6.6.6, for=192.0.2.1", "for 6.6.6.6, for=192.0.2.1", "for=1.1.1.1;for=6.6.6.6", "for=", ","];
        for line in broken.iter().chain(&["for=6.6.6.6;", "for=6.6.6.6,,for=6.6.6.6", "=6.6.6.6", "for=6.6.6.6 x"]) {
            assert_eq!(told(Syntax::Forwarded, &[line]), "10.0.0.1", "{line}");
        }
        assert_eq!(
            told(Syntax::Forwarded, &["for=\"", "for=192.0.2.1"]),
            "192.0.2.1",
            "a line of the client's is its own"
        );
    }
}
