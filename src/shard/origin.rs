//! Which web pages may connect: browsers say where a page came from, and the node believes them.
//!
//! Owns the comparison of an `Origin` header with `client.allowed_origins`. Never looks at a client without that
//! header: only browsers send it.

/// Whether a page of `origin` may connect to `host`, as the headers have them. Pages of the same host always
/// may; others need a pattern. In a pattern `*` stands for any characters or none, so that `*` alone allows all,
/// `https://*.example.com` every subdomain, and `file://*` the pages of local files. `null` is what browsers send
/// for pages that they trust with no origin (RFC 6454, 7.3); it is allowed by its name or by `*`.
pub fn is_allowed(origin: &str, host: &str, patterns: &[String]) -> bool {
    let origin_host = origin.split_once("://").map(|(_, host)| host).filter(|host| !host.is_empty());
    origin_host.is_some_and(|origin_host| origin_host.eq_ignore_ascii_case(host))
        || patterns.iter().any(|pattern| pattern == "*")
        || is_serialized(origin) && patterns.iter().any(|pattern| matches(pattern, origin))
}

/// Whether it is what a browser sends (RFC 6454, 6.2): `null`, or scheme, host and port. A star could otherwise stand
/// for the path of a foreign page. The host of `file:` is empty.
fn is_serialized(origin: &str) -> bool {
    match origin.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("file") => rest.is_empty() || rest == "/",
        Some((_, host)) => !host.is_empty() && !host.starts_with('.') && !host.contains(['/', '?', '#', '@', '\\']),
        None => origin.eq_ignore_ascii_case("null"),
    }
}

/// Whether the whole of `origin` is as the pattern has it, in whichever case.
fn matches(pattern: &str, origin: &str) -> bool {
    let (pattern, origin) = (pattern.to_ascii_lowercase(), origin.to_ascii_lowercase());
    let mut literals = pattern.split('*');
    let Some(mut rest) = origin.strip_prefix(literals.next().unwrap_or_default()) else { return false };
    let Some(last) = literals.next_back() else { return rest.is_empty() };
    // Each literal where it first comes: that leaves most to those that follow.
    for literal in literals {
        let Some((_, behind)) = rest.split_once(literal) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    fn allowed(origin: &str, patterns: &[&str]) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).into()).collect();
        is_allowed(origin, "chat.example.com:8000", &patterns)
    }

    #[test]
    fn a_page_of_the_same_host_and_port_may_connect() {
        assert!(allowed("http://chat.example.com:8000", &[]));
        assert!(!allowed("http://chat.example.com", &[]));
        assert!(!is_allowed("http://a.example", "", &[]) && !is_allowed("file://", "", &[]));
    }

    #[test]
    fn other_pages_need_a_pattern() {
        assert!(!allowed("https://evil.example", &[]));
        assert!(allowed("https://app.example.com", &["https://app.example.com"]));
        assert!(allowed("HTTPS://APP.example.com", &["https://app.example.com"]));
        assert!(!allowed("https://app.example.com.evil.example", &["https://app.example.com"]));
        assert!(allowed("https://anything.example", &["*"]));
        assert!(!allowed("null", &["https://app.example.com"]));
    }

    #[test]
    fn a_star_stands_for_no_path_and_no_other_scheme() {
        let patterns = &["https://*.example.com"];
        assert!(allowed("https://a.example.com", patterns));
        assert!(allowed("https://a.b.example.com", patterns));
        assert!(!allowed("https://.example.com", patterns));
        assert!(!allowed("https://example.com", patterns));
        assert!(!allowed("https://evil.example/.example.com", patterns));
        assert!(!allowed("https://evil.example?.example.com", patterns));
        assert!(!allowed("https://evil.example\\.example.com", patterns));
        assert!(!allowed("http://a.example.com", patterns));
    }

    #[test]
    fn pages_without_a_host_are_allowed_by_name() {
        assert!(allowed("null", &["null"]) && allowed("null", &["*"]));
        assert!(!allowed("null", &["file://*", "https://*"]));
        assert!(allowed("file://", &["file://*"]) && allowed("file://", &["file://"]));
        assert!(!allowed("file://", &["null"]));
        assert!(!allowed("file://evil.example", &["file://*"]));
        assert!(allowed("capacitor://localhost", &["capacitor://localhost"]));
    }

    #[test]
    fn a_star_may_stand_anywhere_and_more_than_once() {
        assert!(allowed("https://two.Example.com", &["*.example.com"]));
        assert!(!allowed("https://two.\u{435}xample.com", &["*.example.com"]));
        assert!(allowed("http://localhost:3000", &["http://localhost:*"]));
        assert!(allowed("https://a.example.com:8443", &["https://*.example.com:*"]));
        assert!(allowed("https://a.b.a.b", &["*a*b"]) && !allowed("https://a.b.a", &["*a*b"]));
        assert!(!allowed("https://aba", &["https://ab*ba"]), "a character is not used twice");
    }
}
