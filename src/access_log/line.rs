//! An entry of the access log as a line: a JSON object whose strings hold no control character, so that nobody can write
//! lines of their own into it, or anything to a terminal.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::entry::Entry;
use crate::broker::ending::Ending;
use crate::broker::visit::{Guest, Visit, VisitEvent};
use crate::model::Device;
use crate::protocol::Format;
use crate::protocol::centrifuge::Encoding;

/// The fields of a line, in their order.
#[derive(Default, Serialize)]
struct Line<'a> {
    time: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
}

/// Appends the line of an entry. False where it has none.
pub(super) fn write(entry: &Entry, out: &mut Vec<u8>) -> bool {
    let line = match entry {
        Entry::Visit(visit) => of_visit(visit),
        Entry::Call(call) => Line {
            time: time(call.time_unix_ms),
            event: "call_refused",
            address: Some(call.address),
            method: Some(&call.method),
            status: Some(call.status),
            code: call.code,
            ..Line::default()
        },
        Entry::Look => return false,
    };
    let mut serializer = Serializer::with_formatter(&mut *out, OneLine);
    line.serialize(&mut serializer).expect("a line of strings and numbers can be written to memory");
    out.push(b'\n');
    true
}

fn of_visit(visit: &Visit) -> Line<'_> {
    let line = Line {
        time: time(visit.time_unix_ms),
        address: Some(visit.address),
        transport: visit.format.map(|format| if format.is_websocket() { "websocket" } else { "tcp" }),
        protocol: visit.format.map(encoding),
        ..Line::default()
    };
    match &visit.event {
        VisitEvent::Connected(guest) => Line { event: "connect", ..of_guest(line, guest) },
        VisitEvent::Closed { guest, ending, reason, duration_ms } => Line {
            event: "close",
            duration_ms: Some(*duration_ms),
            ..of_ending(of_guest(line, guest), *ending, reason.as_deref())
        },
        VisitEvent::Refused { ending, reason } => {
            Line { event: "refuse", ..of_ending(line, *ending, reason.as_deref()) }
        }
    }
}

fn encoding(format: Format) -> &'static str {
    match format.encoding() {
        Encoding::Json => "json",
        Encoding::Protobuf => "protobuf",
    }
}

fn of_guest<'a>(line: Line<'a>, guest: &'a Guest) -> Line<'a> {
    Line {
        user: Some(&guest.user),
        client: Some(guest.client.to_string()),
        device: guest.device.as_deref().map(Device::label),
        ..line
    }
}

fn of_ending<'a>(line: Line<'a>, ending: Ending, reason: Option<&'a str>) -> Line<'a> {
    let reason = reason.map(Cow::Borrowed).or_else(|| ending.reason());
    Line { cause: Some(ending.cause()), code: ending.code().map(u32::from), reason, ..line }
}

/// RFC 3339 in UTC with milliseconds.
fn time(unix_ms: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// JSON on one line in which every control character is escaped: those that JSON allows, too, and what ends a line to some
/// readers.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|char: char| char.is_control() || matches!(char, '\u{2028}' | '\u{2029}')) {
            let (plain, behind) = rest.split_at(at);
            let char = behind.chars().next().expect("it was found");
            write!(writer, "{plain}\\u{:04x}", u32::from(char))?;
            rest = &behind[char.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}
