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
