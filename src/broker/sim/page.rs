//! A page of history, as a client judges it.

use serde_json::Value;

use super::chronicle::Chronicle;
use super::subscription::Place;

/// A page of history is a part of the stream, without a hole, from where it was asked for.
pub(super) fn check_page(
    channel: &str,
    page: &Value,
    limit: usize,
    since: Option<Place>,
    reverse: bool,
    chronicle: &mut Chronicle,
) {
    let publications = page["publications"].as_array().cloned().unwrap_or_default();
    let epoch = page["epoch"].as_str().unwrap_or_default();
    let top = page["offset"].as_u64().unwrap_or(0);
    assert!(publications.len() <= limit, "{channel}: more than was asked for: {page}");
    let offsets: Vec<u64> =
        publications.iter().map(|publication| publication["offset"].as_u64().unwrap_or(0)).collect();
    let follows = |pair: &[u64]| if reverse { pair[0] == pair[1] + 1 } else { pair[1] == pair[0] + 1 };
    assert!(offsets.windows(2).all(follows), "{channel}: a hole in a page: {page}");
    for (publication, offset) in publications.iter().zip(&offsets) {
        assert!(*offset <= top, "{channel}: {offset} is past the top: {page}");
        chronicle.check(channel, epoch, *offset, &publication["data"].to_string());
    }
    if let (Some((_, since)), Some(first)) = (since, offsets.first()) {
        assert!(if reverse { *first < since } else { *first > since }, "{channel}: not since {since}: {page}");
    }
}
