use crate::wire::line::{Line, LineTooLong, next};

#[test]
fn a_line_ends_at_its_feed_and_loses_one_carriage_return() {
    assert_eq!(next(b"{}\n", 9), Ok(Line::Whole { line: 0..2, consumed: 3 }));
    assert_eq!(next(b"{}\r\n{", 9), Ok(Line::Whole { line: 0..2, consumed: 4 }));
    assert_eq!(next(b"\n\n", 9), Ok(Line::Whole { line: 0..0, consumed: 1 }));
    assert_eq!(next(b"\r\r\n", 9), Ok(Line::Whole { line: 0..1, consumed: 3 }));
}

#[test]
fn a_line_without_its_feed_is_waited_for() {
    assert_eq!(next(b"", 9), Ok(Line::Partial));
    assert_eq!(next(b"{}\r", 9), Ok(Line::Partial));
}

#[test]
fn a_line_is_too_long_as_soon_as_no_end_can_save_it() {
    assert_eq!(next(b"1234\r\n", 4), Ok(Line::Whole { line: 0..4, consumed: 6 }));
    assert_eq!(next(b"1234\r", 4), Ok(Line::Partial), "a carriage return and a feed may follow");
    assert_eq!(next(b"123456", 4), Err(LineTooLong));
    assert_eq!(next(b"12345\n", 4), Err(LineTooLong));
}
