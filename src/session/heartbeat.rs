//! Pings and their answers: interval, time to answer, misses in a row.

/// What is due.
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
/// first command is watched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heartbeat {
    next_ping_ms: u64,
    /// 0: no answer is waited for.
    answer_until_ms: u64,
    misses: u8,
}

/// The configured rhythm.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// Between two pings; 0 never pings.
    pub interval_ms: u64,
    /// Time to answer; 0 expects no answer.
    pub timeout_ms: u64,
    /// Unanswered pings in a row that end the connection.
    pub misses_max: u8,
}

impl Heartbeat {
    /// Begins. The first ping comes after a part of the interval that `spread` (any number) decides, so that
    /// clients that came together are not pinged together for ever.
    pub fn start(rhythm: Rhythm, now_ms: u64, spread: u64) -> Self {
        if rhythm.interval_ms == 0 {
            return Self { next_ping_ms: u64::MAX, ..Self::default() };
        }
        let half = (rhythm.interval_ms / 2).max(1);
        Self { next_ping_ms: now_ms + half + spread % half, ..Self::default() }
    }

    /// Before the heartbeat begins: the connect command has to come within `delay_ms`.
    pub fn expect_connect(&mut self, now_ms: u64, delay_ms: u64) {
        self.next_ping_ms = now_ms + delay_ms;
    }

    /// Whether the connect command is overdue; only before the heartbeat begins.
    pub fn is_stale(&self, now_ms: u64) -> bool {
        now_ms >= self.next_ping_ms
    }

    /// The client answered.
    pub fn pong(&mut self) {
        self.answer_until_ms = 0;
        self.misses = 0;
    }

    /// What is due at `now_ms`.
    pub fn check(&mut self, rhythm: Rhythm, now_ms: u64) -> HeartbeatEvent {
        if self.answer_until_ms != 0 && now_ms >= self.answer_until_ms {
            self.answer_until_ms = 0;
            self.misses += 1;
            if self.misses >= rhythm.misses_max.max(1) {
                return HeartbeatEvent::Dead;
            }
        }
        if now_ms < self.next_ping_ms {
            return HeartbeatEvent::Nothing;
        }
        self.next_ping_ms = now_ms + rhythm.interval_ms.max(1);
        if rhythm.timeout_ms != 0 && self.answer_until_ms == 0 {
            self.answer_until_ms = now_ms + rhythm.timeout_ms;
        }
        HeartbeatEvent::Ping
    }

    /// When something is due next, monotonic milliseconds.
    pub fn next_ms(&self) -> u64 {
        if self.answer_until_ms == 0 { self.next_ping_ms } else { self.next_ping_ms.min(self.answer_until_ms) }
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
            match heartbeat.check(rhythm, now_ms) {
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
