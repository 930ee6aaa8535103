//! Why conns end, and how often for each reason: the one list of all causes.
//!
//! Every conn that was accepted ends exactly once, by one of them, so that the accepted ones are the open ones and
//! the endings together.

use std::borrow::Cow;

use rustix::io::Errno;

use super::counter::Counter;
use crate::model::refusal::DisconnectKind;
use crate::protocol::centrifuge::codes::{self, DISCONNECTS};

/// Why a conn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The node ended its session.
    Disconnect(DisconnectKind),
    /// The peer broke the WebSocket protocol, and was told this close code (RFC 6455, 7.4).
    Violation(u16),
    /// Its request was refused with this HTTP status.
    Refusal(u16),
    /// The peer said goodbye with a close frame.
    PeerClosed,
    /// The peer ended its side of the connection.
    PeerEnded,
    /// The connection broke, and this is what the kernel said of it.
    Broken(Errno),
    /// The peer said nothing in time.
    Silent,
    /// It came from a proxy that did not say rightly, or not in time, whose it is.
    ProxyHeader,
    /// It was no client, and its place or its memory was needed.
    GaveWay,
    /// It was closed as soon as it came: all places were taken, and too many were about to go.
    TurnedAway,
    /// It was a probe, and got its answer.
    Answered,
    /// Nobody had a session on it when the node began to drain.
    Drained,
    /// It is no client: the control plane serves it.
    HandedOver,
}

impl Ending {
    /// What it is called, as in the metrics.
    pub fn cause(self) -> &'static str {
        match self {
            Self::Disconnect(_) => "disconnect",
            Self::Violation(_) => "violation",
            Self::Refusal(_) => "refusal",
            Self::PeerClosed => "peer_closed",
            Self::PeerEnded => "peer_ended",
            Self::Broken(_) => "broken",
            Self::Silent => "silent",
            Self::ProxyHeader => "proxy_header",
            Self::GaveWay => "gave_way",
            Self::TurnedAway => "turned_away",
            Self::Answered => "answered",
            Self::Drained => "drained",
            Self::HandedOver => "handed_over",
        }
    }

    /// Its code: of the client protocol, of WebSocket, or the HTTP status.
    pub fn code(self) -> Option<u16> {
        match self {
            Self::Disconnect(kind) => Some(codes::of_disconnect(kind).0),
            Self::Violation(code) | Self::Refusal(code) => Some(code),
            _ => None,
        }
    }

    /// Why, for a person, where it says more than what it is called.
    pub fn reason(self) -> Option<Cow<'static, str>> {
        match self {
            Self::Disconnect(kind) => {
                Some(codes::of_disconnect(kind).1.into()).filter(|text: &Cow<'_, str>| !text.is_empty())
            }
            Self::Broken(errno) => Some(errno.to_string().into()),
            _ => None,
        }
    }
}

const VIOLATIONS: [u16; 3] = [1002, 1007, 1009];
/// Ways to break that are counted by themselves, and what they are called.
const BREAKS: [(Errno, &str); 3] =
    [(Errno::CONNRESET, "reset"), (Errno::PIPE, "broken_pipe"), (Errno::TIMEDOUT, "timed_out")];
const REFUSALS: [u16; 11] = [400, 403, 404, 405, 408, 414, 426, 429, 431, 503, 505];

/// How often conns ended, by cause.
#[derive(Debug, Default)]
pub struct Endings {
    disconnects: [Counter; DISCONNECTS.len()],
    violations: [Counter; VIOLATIONS.len()],
    refusals: [Counter; REFUSALS.len()],
    /// Of a backend's own kinds, together; and codes that are in no list.
    others: Counter,
    breaks: [Counter; BREAKS.len()],
    /// Breaks that are in no list.
    other_breaks: Counter,
    peer_closed: Counter,
    peer_ended: Counter,
    silent: Counter,
    proxy_header: Counter,
    gave_way: Counter,
    turned_away: Counter,
    answered: Counter,
    drained: Counter,
    handed_over: Counter,
}

impl Endings {
    /// Counts one.
    pub fn count(&self, ending: Ending) {
        self.counter(ending).add(1);
    }

    /// How many there were. Codes that are counted together have one number.
    pub fn get(&self, ending: Ending) -> u64 {
        self.counter(ending).get()
    }

    /// All endings together.
    pub fn sum(&self) -> u64 {
        self.iter().map(|(_, _, number)| number).sum()
    }

    /// Cause, code or nothing, and number of each.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, String, u64)> {
        let disconnects = DISCONNECTS.map(|kind| codes::of_disconnect(kind).0.to_string());
        let with_code = [
            ("disconnect", disconnects.to_vec(), &self.disconnects[..]),
            ("violation", VIOLATIONS.map(|code| code.to_string()).to_vec(), &self.violations),
            ("refusal", REFUSALS.map(|status| status.to_string()).to_vec(), &self.refusals),
            ("broken", BREAKS.map(|(_, name)| name.to_string()).to_vec(), &self.breaks),
        ];
        let with_code = with_code.into_iter().flat_map(|(cause, codes, counters)| {
            codes.into_iter().zip(counters).map(move |(code, counter)| (cause, code, counter.get()))
        });
        let others = [("disconnect", &self.others), ("broken", &self.other_breaks)];
        let others = others.into_iter().map(|(cause, counter)| (cause, "other".to_string(), counter.get()));
        let without_code = [
            (Ending::PeerClosed.cause(), &self.peer_closed),
            (Ending::PeerEnded.cause(), &self.peer_ended),
            (Ending::Silent.cause(), &self.silent),
            (Ending::ProxyHeader.cause(), &self.proxy_header),
            (Ending::GaveWay.cause(), &self.gave_way),
            (Ending::TurnedAway.cause(), &self.turned_away),
            (Ending::Answered.cause(), &self.answered),
            (Ending::Drained.cause(), &self.drained),
            (Ending::HandedOver.cause(), &self.handed_over),
        ];
        let without_code = without_code.into_iter().map(|(cause, counter)| (cause, String::new(), counter.get()));
        with_code.chain(others).chain(without_code)
    }

    fn counter(&self, ending: Ending) -> &Counter {
        let of = |codes: &[u16], code: u16| codes.iter().position(|known| *known == code);
        match ending {
            Ending::Disconnect(kind) => {
                let place = DISCONNECTS.iter().position(|known| *known == kind);
                place.map_or(&self.others, |at| &self.disconnects[at])
            }
            Ending::Violation(code) => of(&VIOLATIONS, code).map_or(&self.others, |at| &self.violations[at]),
            Ending::Refusal(status) => of(&REFUSALS, status).map_or(&self.others, |at| &self.refusals[at]),
            Ending::Broken(errno) => {
                let place = BREAKS.iter().position(|(known, _)| *known == errno);
                place.map_or(&self.other_breaks, |at| &self.breaks[at])
            }
            Ending::PeerClosed => &self.peer_closed,
            Ending::PeerEnded => &self.peer_ended,
            Ending::Silent => &self.silent,
            Ending::ProxyHeader => &self.proxy_header,
            Ending::GaveWay => &self.gave_way,
            Ending::TurnedAway => &self.turned_away,
            Ending::Answered => &self.answered,
            Ending::Drained => &self.drained,
            Ending::HandedOver => &self.handed_over,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ending_is_counted_under_its_own_cause_and_code() {
        let endings = Endings::default();
        let slow = Ending::Disconnect(DisconnectKind::Slow);
        for ending in [slow, Ending::Refusal(503), Ending::Violation(1009), Ending::PeerClosed] {
            endings.count(ending);
            assert_eq!(endings.get(ending), 1, "{ending:?}");
        }
        endings.count(Ending::Disconnect(DisconnectKind::Backend(4000)));
        endings.count(Ending::Disconnect(DisconnectKind::Backend(4999)));
        endings.count(Ending::Broken(Errno::CONNRESET));
        endings.count(Ending::Broken(Errno::NETUNREACH));
        let counted: Vec<_> = endings.iter().filter(|(_, _, number)| *number > 0).collect();
        let expected = [
            ("disconnect", "3008", 1),
            ("violation", "1009", 1),
            ("refusal", "503", 1),
            ("broken", "reset", 1),
            ("disconnect", "other", 2),
            ("broken", "other", 1),
            ("peer_closed", "", 1),
        ];
        assert_eq!(counted, expected.map(|(cause, code, number)| (cause, code.to_string(), number)));
        assert_eq!(endings.sum(), 8);
    }

    #[test]
    fn every_status_of_a_refused_head_is_counted_by_itself() {
        use crate::wire::http::HttpViolation as Violation;
        let violations = [
            Violation::Malformed("start line"),
            Violation::HttpVersion,
            Violation::TargetTooLong,
            Violation::TooLarge,
            Violation::Method,
            Violation::WebSocketVersion,
        ];
        for violation in violations {
            assert!(REFUSALS.contains(&violation.status().0), "{violation}");
        }
    }
}
