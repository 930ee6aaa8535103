//! What is due when on a chat's day: one schedule for each kind of errand. Sans-IO: time is an argument.

use crate::plan::Day;
use crate::schedule::Schedule;
use crate::turns::Turns;

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// Shows that the message of the same number is being written.
    Type,
    /// Sends a message.
    Speak,
    /// Asks who is in a room.
    Ask,
    /// Leaves a room for another one.
    Move,
    /// Loses the connection.
    Drop,
}

/// An errand that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) errand: Errand,
    /// Of all errands of its kind, from 0.
    pub(super) number: u64,
    pub(super) due_ns: u64,
}

/// All errands of a day.
#[derive(Debug)]
pub(super) struct Agenda {
    schedules: Vec<(Errand, Schedule)>,
}

impl Agenda {
    /// From `begin_ns` on. The typing for a message is due that much before it.
    pub(super) fn new(day: &Day, begin_ns: u64) -> Self {
        let is_typed = day.typing_share > 0.0;
        let speak_ns = begin_ns + if is_typed { day.typing_lead_ns } else { 0 };
        let rates = [
            (Errand::Type, begin_ns, if is_typed { day.messages_per_s } else { 0.0 }),
            (Errand::Speak, speak_ns, day.messages_per_s),
            (Errand::Ask, begin_ns, day.presence_per_s),
            (Errand::Move, begin_ns, day.moves_per_s),
            (Errand::Drop, begin_ns, day.drops_per_s),
        ];
        let happening = rates.into_iter().filter(|(.., rate_per_s)| *rate_per_s > 0.0);
        let schedule = |begin_ns, rate_per_s| Schedule::new(begin_ns, rate_per_s, 1, Turns::all(1));
        Self { schedules: happening.map(|(errand, ns, rate_per_s)| (errand, schedule(ns, rate_per_s))).collect() }
    }

    /// When the next errand is due.
    pub(super) fn next_due_ns(&self) -> u64 {
        self.schedules.iter().filter_map(|(_, schedule)| schedule.next_due_ns()).min().unwrap_or(u64::MAX)
    }

    /// Takes the errand that has been due for the longest time.
    pub(super) fn take(&mut self, now_ns: u64) -> Option<Due> {
        let (errand, schedule) = self.schedules.iter_mut().min_by_key(|(_, schedule)| schedule.next_due_ns())?;
        let number = schedule.next_number()?;
        let due_ns = schedule.take(now_ns)?;
        Some(Due { errand: *errand, number, due_ns })
    }

    /// Errands that were due before `end_ns` and were not taken. Typing goes with its message.
    pub(super) fn behind(&self, end_ns: u64) -> u64 {
        let schedules = self.schedules.iter().filter(|(errand, _)| *errand != Errand::Type);
        schedules.map(|(_, schedule)| schedule.behind(end_ns)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn day() -> Day {
        Day { messages_per_s: 10.0, typing_share: 0.5, typing_lead_ns: SECOND_NS / 4, ..Day::default() }
    }

    fn take_all(agenda: &mut Agenda, now_ns: u64) -> Vec<Due> {
        std::iter::from_fn(|| agenda.take(now_ns)).collect()
    }

    #[test]
    fn typing_comes_before_its_message() {
        let mut agenda = Agenda::new(&day(), 7);
        let due = take_all(&mut agenda, 7 + SECOND_NS);
        let of = |errand| due.iter().find(|due| due.errand == errand && due.number == 3).unwrap().due_ns;
        assert_eq!((of(Errand::Type), of(Errand::Speak)), (7 + SECOND_NS * 3 / 10, 7 + SECOND_NS * 11 / 20));
        assert!(due.is_sorted_by_key(|due| due.due_ns), "{due:?}");
    }

    #[test]
    fn each_kind_of_errand_has_its_own_rate() {
        let day = Day { presence_per_s: 5.0, moves_per_s: 3.0, drops_per_s: 2.0, typing_share: 0.0, ..day() };
        let mut agenda = Agenda::new(&day, 0);
        assert_eq!(agenda.behind(SECOND_NS), 20);
        let due = take_all(&mut agenda, SECOND_NS - 1);
        let count = |errand| due.iter().filter(|due| due.errand == errand).count();
        let kinds = [Errand::Type, Errand::Speak, Errand::Ask, Errand::Move, Errand::Drop];
        assert_eq!(kinds.map(count), [0, 10, 5, 3, 2]);
        assert_eq!((agenda.behind(SECOND_NS), agenda.next_due_ns()), (0, SECOND_NS));
    }

    #[test]
    fn a_day_without_errands_is_never_due() {
        let mut agenda = Agenda::new(&Day { messages_per_s: 0.0, ..day() }, 0);
        assert_eq!((agenda.next_due_ns(), agenda.take(SECOND_NS)), (u64::MAX, None));
    }
}
