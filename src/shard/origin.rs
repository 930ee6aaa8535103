//! Which web pages may connect: browsers say where a page came from, and the node believes them.

/// Whether a page of `origin` may connect to `host`, as the headers have them. Pages of the same host always
/// may; others need a pattern: an origin, one with a `*` for any subdomain, or `*` for all.
pub fn is_allowed(origin: &str, host: Option<&str>, patterns: &[String]) -> bool {
    let same_host = host.is_some_and(|host| {
        origin.split_once("://").is_some_and(|(_, origin_host)| origin_host.eq_ignore_ascii_case(host))
    });
    same_host || patterns.iter().any(|pattern| matches(pattern, origin))
}

fn matches(pattern: &str, origin: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern.eq_ignore_ascii_case(origin);
    };
    if pattern == "*" {
        return true;
    }
    let (origin, before, after) =
        (origin.to_ascii_lowercase(), before.to_ascii_lowercase(), after.to_ascii_lowercase());
    let middle = origin.strip_prefix(&before).and_then(|rest| rest.strip_suffix(&after));
    // A star stands for names and dots, never for a port, a path or another host's beginning.
    middle.is_some_and(|middle| {
        !middle.is_empty() && middle.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    fn allowed(origin: &str, patterns: &[&str]) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).into()).collect();
        is_allowed(origin, Some("chat.example.com:8000"), &patterns)
    }

    #[test]
    fn a_page_of_the_same_host_and_port_may_connect() {
        assert!(allowed("http://chat.example.com:8000", &[]));
        assert!(!allowed("http://chat.example.com", &[]));
        assert!(!is_allowed("http://a.example", None, &[]));
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
    fn a_star_stands_for_subdomains_only() {
        let patterns = &["https://*.example.com"];
        assert!(allowed("https://a.example.com", patterns));
        assert!(allowed("https://a.b.example.com", patterns));
        assert!(!allowed("https://.example.com", patterns));
        assert!(!allowed("https://example.com", patterns));
        assert!(!allowed("https://evil.example/.example.com", patterns));
        assert!(!allowed("http://a.example.com", patterns));
    }
}
