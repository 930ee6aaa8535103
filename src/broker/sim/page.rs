//! A page of history, as a client judges it.

use serde_json::Value;

use super::chronicle::{Chronicle, Listener};
use super::subscription::Place;
use crate::model::ClientId;

/// A page of history is a part of the stream, without a hole but for what the subscription's filter keeps out, from where it was
/// asked for. `least` is what the filter asks for, if there is one; `None` where it is not known whether the subscription was there.
pub(super) fn check_page(
    channel: &str,
    page: &Value,
    (limit, since, reverse): (usize, Option<Place>, bool),
    least: Option<Option<u32>>,
    chronicle: &mut Chronicle,
) {
    let publications = page["publications"].as_array().cloned().unwrap_or_default();
    let epoch = page["epoch"].as_str().unwrap_or_default();
    let top = page["offset"].as_u64().unwrap_or(0);
    assert!(publications.len() <= limit, "{channel}: more than was asked for: {page}");
    let offsets: Vec<u64> =
        publications.iter().map(|publication| publication["offset"].as_u64().unwrap_or(0)).collect();
    let follows = |pair: &[u64]| {
        let (from, to) = if reverse { (pair[1], pair[0]) } else { (pair[0], pair[1]) };
        let reader = |least| Listener { client: ClientId::nil(), epoch: Some(epoch), least };
        least.map_or(to > from, |least| chronicle.follows(channel, from, to, &reader(least)))
    };
    assert!(offsets.windows(2).all(follows), "{channel}: a hole in a page by {least:?}: {page}");
    let is_kept_out = |least| publications.iter().any(|one| chronicle.is_kept_out(&one["data"].to_string(), least));
    assert!(!least.flatten().is_some_and(is_kept_out), "{channel}: by {least:?} not for it: {page}");
    for (publication, offset) in publications.iter().zip(&offsets) {
        assert!(*offset <= top, "{channel}: {offset} is past the top: {page}");
        chronicle.check(channel, epoch, *offset, &publication["data"].to_string());
    }
    if let (Some((_, since)), Some(first)) = (since, offsets.first()) {
        assert!(if reverse { *first < since } else { *first > since }, "{channel}: not since {since}: {page}");
    }
}
