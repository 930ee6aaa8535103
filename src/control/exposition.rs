//! The two texts in which metrics are given: OpenMetrics 1.0, and the one before it (Prometheus 0.0.4), which is made of
//! it line by line.

use axum::http::{HeaderMap, header};

/// A text of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exposition {
    /// What Prometheus asks for since 2.5.
    OpenMetrics,
    /// What everything else reads.
    Plain,
}

impl Exposition {
    /// The one that a client takes rather, by its `Accept` (RFC 9110, 12.5.1). Who does not name OpenMetrics gets the other.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges: Vec<_> = accepted.flat_map(|value| value.split(',')).map(range).collect();
        let weight = |names: &[&str]| {
            let named = |name: &&str| ranges.iter().find(|(range, _)| range.eq_ignore_ascii_case(name));
            names.iter().find_map(named).map_or(0.0, |(_, weight)| *weight)
        };
        let open_metrics = weight(&["application/openmetrics-text"]);
        match open_metrics > 0.0 && open_metrics >= weight(&["text/plain", "text/*", "*/*"]) {
            true => Self::OpenMetrics,
            false => Self::Plain,
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The text, of one in OpenMetrics.
    pub(super) fn write(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Plain => plain(&open_metrics),
        }
    }
}

/// A media range, without its parameters, and its weight.
fn range(text: &str) -> (&str, f32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |weight| weight.parse().ok());
    (name, weight.unwrap_or(0.0))
}

/// A family is called as its samples are, there are no units and no end, and `info` is unknown.
fn plain(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = "";
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (end, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                kind => ("", kind),
            };
            text += &format!("# HELP {name}{end} {help}\n# TYPE {name}{end} {kind}\n");
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_the_text_that_it_takes_rather() {
        use Exposition::{OpenMetrics, Plain};
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            (None, Plain),
            (Some("*/*"), Plain),
            (Some("text/html, application/xhtml+xml, */*;q=0.8"), Plain),
            (Some("text/plain"), Plain),
            (Some("application/openmetrics-text"), OpenMetrics),
            (Some("Application/OpenMetrics-Text; charset=utf-8"), OpenMetrics),
            (Some(prometheus), OpenMetrics),
            (Some("text/plain;q=0.9, application/openmetrics-text;q=0.3"), Plain),
            (Some("application/openmetrics-text;q=0"), Plain),
            (Some("application/openmetrics-text;q=x"), Plain),
            (Some("application/openmetrics-text;q=0.3, text/*;q=0.4"), Plain),
        ] {
            let values = accept.map(|accept| (header::ACCEPT, accept.parse().unwrap()));
            assert_eq!(Exposition::of(&values.into_iter().collect()), expected, "{accept:?}");
        }
    }

    #[test]
    fn the_older_text_says_the_same() {
        let open_metrics = "# HELP a_bytes Sent.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\na_bytes_total{x=\"# y\"} 1\n\
                            # HELP b What runs.\n# TYPE b info\nb_info{version=\"1\"} 1\n# EOF\n";
        let expected = "# HELP a_bytes_total Sent.\n# TYPE a_bytes_total counter\na_bytes_total{x=\"# y\"} 1\n\
                        # HELP b_info What runs.\n# TYPE b_info gauge\nb_info{version=\"1\"} 1\n";
        assert_eq!(plain(open_metrics), expected);
    }
}
