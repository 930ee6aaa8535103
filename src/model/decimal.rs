//! Decimal numbers as people write them, compared digit by digit: exact at any length, without an allocation.

use std::cmp::Ordering;

/// Longest number, bytes, and most digits behind its point: those of the reference.
const LENGTH_MAX: usize = 200;
const FRACTION_MAX: usize = 19;

/// A number in parts of its text.
#[derive(Clone, Copy, Debug)]
struct Decimal<'a> {
    is_negative: bool,
    /// Without leading zeros: the longer one is the larger.
    whole: &'a str,
    /// Without trailing zeros.
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    /// Digits with an optional sign before them, and an optional point between them. No exponent.
    fn parse(text: &'a str) -> Option<Self> {
        if text.len() > LENGTH_MAX {
            return None;
        }
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
        let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || fraction.is_some_and(|part| !are_digits(part) || part.len() > FRACTION_MAX) {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.unwrap_or_default().trim_end_matches('0');
        let is_zero = whole.is_empty() && fraction.is_empty();
        Some(Self { is_negative: text.starts_with('-') && !is_zero, whole, fraction })
    }

    fn compare(self, other: Self) -> Ordering {
        let size = |one: Self| (one.whole.len(), one.whole, one.fraction);
        match (self.is_negative, other.is_negative) {
            (false, false) => size(self).cmp(&size(other)),
            (true, true) => size(other).cmp(&size(self)),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

/// How two numbers compare; `None` where one of them is none.
pub(super) fn compare(one: &str, other: &str) -> Option<Ordering> {
    Some(Decimal::parse(one)?.compare(Decimal::parse(other)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_compare_by_value_and_not_by_spelling() {
        for (one, order, other) in [
            ("9", Ordering::Less, "10"),
            ("-9", Ordering::Greater, "-10"),
            ("1.50", Ordering::Equal, "+01.5"),
            ("-0", Ordering::Equal, "0.000"),
            ("1.05", Ordering::Less, "1.5"),
            ("0.0000000000000000001", Ordering::Greater, "0"),
            ("340282366920938463463374607431768211456", Ordering::Greater, "340282366920938463463374607431768211455.9"),
            ("-1", Ordering::Less, "0.5"),
        ] {
            assert_eq!(compare(one, other), Some(order), "{one} and {other}");
        }
    }

    #[test]
    fn what_is_no_number_compares_with_none() {
        let long = "1".repeat(LENGTH_MAX + 1);
        for text in
            ["", "-", "+", ".5", "5.", "1e3", "1,5", " 1", "1..2", "--1", "0x1", "NaN", "0.00000000000000000001", &long]
        {
            assert_eq!(compare(text, "1"), None, "{text}");
            assert_eq!(compare("1", text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_compare_as_they_count(one: i128, other: i128) {
            prop_assert_eq!(compare(&one.to_string(), &other.to_string()), Some(one.cmp(&other)));
        }
    }
}
