//! A hashed timer wheel: one entry per connection that waits for something, setting one costs a push.
//!
//! Entries are never removed before their time. Who takes one out compares its tick with the one that the
//! connection waits for now, so that a timer is moved by setting another.

use std::mem;

/// How much time one tick of the wheel is, milliseconds. What clients are told is counted in seconds.
pub const WHEEL_TICK_MS: u64 = 100;

const SLOTS: usize = 512;

/// Which connection wants to be looked at, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number among the shard's conns; who has it next may hear of it, too.
    pub conn: u32,
    /// In which turn of the wheel it is due.
    pub tick: u32,
}

/// The wheel. Time is counted in ticks of [`WHEEL_TICK_MS`] of the shard's monotonic clock.
#[derive(Debug)]
pub struct Wheel {
    slots: Box<[Vec<Entry>]>,
    /// The first tick that has not been taken out.
    next: u32,
}

impl Wheel {
    /// A wheel that begins at `now_ms`.
    pub fn new(now_ms: u64) -> Self {
        Self { slots: vec![Vec::new(); SLOTS].into(), next: tick_at(now_ms) }
    }

    /// The tick at which something that is due at `due_ms` is looked at: not before.
    pub fn tick_for(due_ms: u64) -> u32 {
        tick_at(due_ms.saturating_add(WHEEL_TICK_MS - 1))
    }

    /// Sets a timer; one whose tick has passed goes off at the next turn.
    pub fn set(&mut self, conn: u32, tick: u32) {
        let slot = tick.max(self.next) as usize % SLOTS;
        self.slots[slot].push(Entry { conn, tick });
    }

    /// Takes out what is due at `now_ms`, in no order within a tick.
    pub fn turn(&mut self, now_ms: u64, due: &mut Vec<Entry>) {
        let now = tick_at(now_ms);
        // After a long sleep every slot is looked at once, not once per tick that has passed.
        let turns = (now + 1).saturating_sub(self.next).min(SLOTS as u32);
        for turn in 0..turns {
            let slot = &mut self.slots[(self.next + turn) as usize % SLOTS];
            let mut entries = mem::take(slot);
            entries.retain(|entry| {
                let is_due = entry.tick <= now;
                if is_due {
                    due.push(*entry);
                }
                !is_due
            });
            *slot = entries;
        }
        self.next = self.next.max(now + 1);
    }
}

fn tick_at(ms: u64) -> u32 {
    // 13 years of ticks fit; a timer that is set for never is clipped to then.
    u32::try_from(ms / WHEEL_TICK_MS).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(wheel: &mut Wheel, now_ms: u64) -> Vec<u32> {
        let mut due = Vec::new();
        wheel.turn(now_ms, &mut due);
        let mut conns: Vec<u32> = due.iter().map(|entry| entry.conn).collect();
        conns.sort_unstable();
        conns
    }

    #[test]
    fn a_timer_goes_off_at_its_tick_and_only_once() {
        let mut wheel = Wheel::new(10_000);
        wheel.set(1, Wheel::tick_for(10_250));
        wheel.set(2, Wheel::tick_for(10_300));
        assert_eq!(turn(&mut wheel, 10_299), [0; 0]);
        assert_eq!(turn(&mut wheel, 10_300), [1, 2]);
        assert_eq!(turn(&mut wheel, 99_000), [0; 0]);
    }

    #[test]
    fn a_timer_further_away_than_the_wheel_is_round_waits_for_its_round() {
        let mut wheel = Wheel::new(0);
        let far_ms = 3 * SLOTS as u64 * WHEEL_TICK_MS + 500;
        wheel.set(1, Wheel::tick_for(far_ms));
        for now_ms in (0..far_ms).step_by(100) {
            assert_eq!(turn(&mut wheel, now_ms), [0; 0]);
        }
        assert_eq!(turn(&mut wheel, far_ms), [1]);
    }

    #[test]
    fn what_became_due_in_a_long_sleep_goes_off_at_once() {
        let mut wheel = Wheel::new(0);
        for conn in 0..2000 {
            wheel.set(conn, conn);
        }
        assert_eq!(turn(&mut wheel, 2000 * WHEEL_TICK_MS).len(), 2000);
    }

    #[test]
    fn a_timer_set_for_the_past_goes_off_at_the_next_turn() {
        let mut wheel = Wheel::new(50_000);
        turn(&mut wheel, 60_000);
        wheel.set(7, Wheel::tick_for(1000));
        assert_eq!(turn(&mut wheel, 60_100), [7]);
    }

    #[test]
    fn never_is_never() {
        let mut wheel = Wheel::new(0);
        wheel.set(1, Wheel::tick_for(u64::MAX));
        assert_eq!(turn(&mut wheel, 10_000_000), [0; 0]);
    }
}
