//! The headers of records that strangers wrote.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};

/// The value of the last header of this name, as those who append headers mean it; `None` where there is none, or it has no value.
pub fn header<'m>(message: &'m BorrowedMessage<'_>, name: &str) -> Option<&'m [u8]> {
    let headers = message.headers()?;
    // rdkafka 0.39 panics over a name that is no UTF-8, which the broker lets anybody write.
    let named = |at| catch_unwind(AssertUnwindSafe(|| headers.try_get(at))).ok().flatten();
    let of_name = (0..headers.count()).rev().filter_map(named).find(|header| header.key == name);
    of_name?.value
}
