//! Until when a caller waits: the header `grpc-timeout`.

use std::time::Duration;

use axum::http::HeaderMap;

/// How long the caller waits, if it says so: up to eight digits and a unit. What is malformed says nothing.
pub(super) fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_up_to_eight_digits_and_a_unit() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            of(&headers)
        };
        for (text, ms) in
            [("2H", 7_200_000), ("3M", 180_000), ("4S", 4_000), ("50m", 50), ("99999999u", 99_999), ("0S", 0)]
        {
            assert_eq!(read(text).map(|timeout| timeout.as_millis()), Some(ms), "{text}");
        }
        for text in ["", "S", "5", "5s", "-5S", "+5S", "1.5S", "123456789S", "5 S", "5SS"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
