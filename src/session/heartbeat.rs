//! Pings and their answers: interval, time to answer, misses in a row.
//!
//! A session keeps the rhythm that its client was told, whatever is configured since. Whatever the client says is a
//! sign of life: it answers the ping before it, and who speaks by itself is not asked to answer the next one.

use crate::config::ClientConfig;
use crate::time::Duration;

/// What a look at the clock brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeartbeatEvent {
    /// Nothing yet.
    Nothing,
    /// Send a ping.
    Ping,
    /// Too many pings in a row were not answered in time.
    Dead,
}

/// The heartbeat of one session. Begins with [`Heartbeat::start`]; before that only the deadline of the
/// first command is watched. As small as can be: every idle connection has one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heartbeat {
    /// Monotonic milliseconds; before the start the deadline of the first command.
    next_ping_ms: u64,
    rhythm: Rhythm,
    misses: u8,
    /// The last ping waits for an answer.
    is_awaiting: bool,
    /// The client has said something by itself since the last ping.
    has_spoken: bool,
}

/// How a heart beats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rhythm {
    /// Between two pings, milliseconds; 0 never pings.
    pub interval_ms: u32,
    /// Time to answer, milliseconds, shorter than the interval; 0 expects no answer.
    pub timeout_ms: u32,
    /// Unanswered pings in a row that end the connection.
    pub misses_max: u8,
}

impl Rhythm {
    /// The configured one.
    pub fn of(client: &ClientConfig) -> Self {
        let millis = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        Self {
            interval_ms: millis(client.ping_interval),
            timeout_ms: millis(client.pong_timeout),
            misses_max: client.pong_misses,
        }
    }

    /// Whether clients are to answer pings.
    pub fn expects_answers(self) -> bool {
        self.interval_ms != 0 && self.timeout_ms != 0
    }
}

impl Heartbeat {
    /// Begins. The first ping comes after a part of the interval that `spread` (any number) decides, so that
    /// clients that came together are not pinged together for ever.
    pub fn start(rhythm: Rhythm, now_ms: u64, spread: u64) -> Self {
        if rhythm.interval_ms == 0 {
            return Self { next_ping_ms: u64::MAX, rhythm, ..Self::default() };
        }
        let half = (u64::from(rhythm.interval_ms) / 2).max(1);
        // Where one miss ends it, the connect command spares the first answer: who speaks by itself as often as the node
        // pings would otherwise be late for a first ping that comes early.
        let has_spoken = rhythm.misses_max <= 1;
        Self { next_ping_ms: now_ms + half + spread % half, rhythm, has_spoken, ..Self::default() }
    }

    /// Before the heartbeat begins: the connect command has to come within `delay_ms`.
    pub fn expect_connect(&mut self, now_ms: u64, delay_ms: u64) {
        self.next_ping_ms = now_ms.saturating_add(delay_ms);
    }

    /// Whether the connect command is overdue; only before the heartbeat begins.
    pub fn is_stale(&self, now_ms: u64) -> bool {
        now_ms >= self.next_ping_ms
    }

    /// The client answered a ping.
    pub fn pong(&mut self) {
        self.is_awaiting = false;
        self.misses = 0;
    }

    /// The client said something else.
    pub fn heard(&mut self) {
        self.pong();
        self.has_spoken = true;
    }

    /// Nobody has listened for so long: a deadline of the first command is later, an answer is asked for again.
    pub fn make_up_for(&mut self, pause_ms: u64, is_begun: bool) {
        if is_begun {
            self.is_awaiting = false;
        } else {
            self.next_ping_ms = self.next_ping_ms.saturating_add(pause_ms);
        }
    }

    /// What is due at `now_ms`.
    pub fn check(&mut self, now_ms: u64) -> HeartbeatEvent {
        if self.is_awaiting && now_ms >= self.answer_until_ms() {
            self.is_awaiting = false;
            self.misses += 1;
            if self.misses >= self.rhythm.misses_max.max(1) {
                return HeartbeatEvent::Dead;
            }
        }
        if now_ms < self.next_ping_ms {
            return HeartbeatEvent::Nothing;
        }
        self.next_ping_ms = now_ms + u64::from(self.rhythm.interval_ms.max(1));
        self.is_awaiting = self.rhythm.expects_answers() && !std::mem::take(&mut self.has_spoken);
        HeartbeatEvent::Ping
    }

    /// When something is due next, monotonic milliseconds.
    pub fn next_ms(&self) -> u64 {
        if self.is_awaiting { self.answer_until_ms() } else { self.next_ping_ms }
    }

    /// The end of the time to answer the last ping.
    fn answer_until_ms(&self) -> u64 {
        let since_ping_ms = self.rhythm.interval_ms.saturating_sub(self.rhythm.timeout_ms);
        self.next_ping_ms - u64::from(since_ping_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: Rhythm = Rhythm { interval_ms: 30_000, timeout_ms: 10_000, misses_max: 3 };

    /// Runs a heartbeat that is checked whenever it asks for it; says when it pinged and when it died.
    fn run(rhythm: Rhythm, until_ms: u64, answers: impl Fn(usize) -> bool) -> (Vec<u64>, Option<u64>) {
        let mut heartbeat = Heartbeat::start(rhythm, 0, 0);
        let mut pings = Vec::new();
        loop {
            let now_ms = heartbeat.next_ms();
            if now_ms > until_ms {
                return (pings, None);
            }
            match heartbeat.check(now_ms) {
                HeartbeatEvent::Nothing => {}
                HeartbeatEvent::Dead => return (pings, Some(now_ms)),
                HeartbeatEvent::Ping => {
                    pings.push(now_ms);
                    if answers(pings.len()) {
                        heartbeat.pong();
                    }
                }
            }
        }
    }

    #[test]
    fn pings_come_at_the_interval_after_a_shorter_first_time() {
        let (pings, dead) = run(RHYTHM, 110_000, |_| true);
        assert_eq!((pings, dead), (vec![15_000, 45_000, 75_000, 105_000], None));
        let first = Heartbeat::start(RHYTHM, 0, u64::MAX).next_ms();
        assert!((15_000..30_000).contains(&first), "{first}");
    }

    #[test]
    fn the_third_ping_in_a_row_without_an_answer_ends_it() {
        assert_eq!(run(RHYTHM, u64::MAX - 1, |_| false).1, Some(75_000 + 10_000));
    }

    #[test]
    fn an_answer_forgives_the_misses_before_it() {
        assert_eq!(run(RHYTHM, 10_000_000, |ping| ping % 3 == 0).1, None);
    }

    /// Runs a heartbeat of a client that says something every `every_ms`, and answers no ping.
    fn run_talking(rhythm: Rhythm, every_ms: u64, until_ms: u64) -> Option<u64> {
        let mut heartbeat = Heartbeat::start(rhythm, 0, 0);
        let mut speaks_ms = every_ms;
        loop {
            let now_ms = heartbeat.next_ms().min(speaks_ms);
            if now_ms > until_ms {
                return None;
            }
            if now_ms == speaks_ms {
                heartbeat.heard();
                speaks_ms += every_ms;
            } else if heartbeat.check(now_ms) == HeartbeatEvent::Dead {
                return Some(now_ms);
            }
        }
    }

    #[test]
    fn who_speaks_by_itself_need_not_answer() {
        let strict = Rhythm { misses_max: 1, ..RHYTHM };
        for every_ms in [1_000, 15_000, 29_000, 30_000, 39_000] {
            assert_eq!(run_talking(strict, every_ms, 10_000_000), None, "every {every_ms} ms");
            assert_eq!(run_talking(RHYTHM, every_ms, 10_000_000), None, "every {every_ms} ms");
        }
        assert!(run_talking(strict, 120_000, 10_000_000).is_some());
    }

    #[test]
    fn who_spoke_and_falls_silent_is_found_out_a_ping_later() {
        let mut heartbeat = Heartbeat::start(RHYTHM, 0, 0);
        heartbeat.heard();
        let mut now_ms = 0;
        while heartbeat.check(now_ms) != HeartbeatEvent::Dead {
            now_ms = heartbeat.next_ms();
        }
        assert_eq!(now_ms, 105_000 + 10_000);
    }

    #[test]
    fn without_an_interval_nothing_is_ever_due() {
        let never = Rhythm { interval_ms: 0, ..RHYTHM };
        assert_eq!(Heartbeat::start(never, 5, 7).next_ms(), u64::MAX);
    }

    #[test]
    fn without_a_timeout_no_answer_is_expected() {
        let deaf = Rhythm { timeout_ms: 0, ..RHYTHM };
        assert_eq!(run(deaf, 1_000_000, |_| false).1, None);
    }
}
