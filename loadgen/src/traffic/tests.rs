//! Traffic against a server that is a list of what it was told.

use proptest::prelude::*;

use super::*;
use crate::plan::{Load, Plan};
use crate::share::Part;

const MS: u64 = 1_000_000;

/// Two publishers (clients 2 and 3), each with a stream into the channel that clients 0 and 1 hear.
fn plan() -> Plan {
    let stream = |publisher| Stream { publisher, channel: 0 };
    let clients = vec![vec![0], vec![0], vec![], vec![]];
    Plan { clients, channels: 1, streams: vec![stream(2), stream(3)], load: Load::Idle }
}

struct Run {
    traffic: Traffic,
    interval: Interval,
    faults: Faults,
}

impl Run {
    fn new(pace: Pace) -> Self {
        Self::of(Share::whole(plan()), pace)
    }

    fn of(share: Share, pace: Pace) -> Self {
        Self { traffic: Traffic::new(&share, pace, 0), interval: Interval::default(), faults: Faults::default() }
    }

    fn take(&mut self, now_ns: u64) -> Option<Due> {
        self.traffic.take(now_ns, &mut self.interval)
    }

    fn take_all(&mut self, now_ns: u64) -> Vec<Due> {
        std::iter::from_fn(|| self.take(now_ns)).collect()
    }

    fn deliver(&mut self, client: u32, due: &Due, now_ns: u64) {
        self.traffic.delivered(client, due.stamp, Measure::Delivery, now_ns, &mut self.interval, &mut self.faults);
    }

    fn acknowledge(&mut self, due: &Due, now_ns: u64) {
        self.traffic.acknowledged(due.publisher, due.id, now_ns, &mut self.interval, &mut self.faults);
    }

    fn count(&self, measure: Measure) -> u64 {
        self.interval.histogram(measure).len()
    }
}

const OPEN: Pace = Pace::Open { rate_per_s: 1000.0, burst: 1 };

#[test]
fn streams_take_turns_and_count_their_messages() {
    let mut run = Run::new(OPEN);
    let due = run.take_all(3 * MS);
    let stamps: Vec<_> = due.iter().map(|due| (due.publisher, due.stamp.stream, due.stamp.sequence)).collect();
    assert_eq!(stamps, [(2, 0, 0), (3, 1, 0), (2, 0, 1), (3, 1, 1)]);
}

#[test]
fn latency_counts_from_when_a_message_was_due() {
    let mut run = Run::new(OPEN);
    run.take(0).unwrap();
    // Sent 9 ms late, heard 2 ms after that.
    let late = run.take(10 * MS).unwrap();
    assert_eq!(late.stamp.due_ns, MS);
    run.deliver(0, &late, 12 * MS);
    run.acknowledge(&late, 13 * MS);
    let max = |measure| run.interval.histogram(measure).max() as f64 / MS as f64;
    assert!((max(Measure::Lateness) - 9.0).abs() < 0.02, "{}", max(Measure::Lateness));
    assert!((max(Measure::Delivery) - 11.0).abs() < 0.02, "{}", max(Measure::Delivery));
    assert!((max(Measure::Reply) - 12.0).abs() < 0.02, "{}", max(Measure::Reply));
}

#[test]
fn what_is_under_way_is_replies_and_deliveries() {
    let mut run = Run::new(OPEN);
    let due = run.take(0).unwrap();
    assert_eq!(run.traffic.under_way(), 3);
    run.deliver(0, &due, MS);
    run.deliver(1, &due, MS);
    run.acknowledge(&due, MS);
    assert_eq!(run.traffic.under_way(), 0);
    run.traffic.finish(&mut run.faults);
    assert!(run.faults.is_empty(), "{:?}", run.faults);
}

#[test]
fn a_publisher_without_replies_holds_the_schedule_back_and_the_wait_counts() {
    let mut run = Run::new(Pace::Open { rate_per_s: 1e6, burst: 1 });
    let sent = run.take_all(60_000 * MS);
    assert_eq!(sent.len(), 2 * UNANSWERED_MAX);
    assert_eq!(run.traffic.next_due_ns(), None);
    assert_eq!(run.traffic.behind(10 * MS), 10_000 - sent.len() as u64);
    run.acknowledge(&sent[0], 60_000 * MS);
    let next = run.take(60_000 * MS).unwrap();
    assert_eq!((next.publisher, next.stamp.due_ns), (2, sent.len() as u64 * 1000));
}

#[test]
fn a_closed_loop_goes_on_when_reply_and_deliveries_have_come() {
    let mut run = Run::new(Pace::Closed { outstanding: 1, burst: 1 });
    let first = run.take_all(0);
    assert_eq!(first.len(), 2);
    run.deliver(0, &first[0], MS);
    run.deliver(1, &first[0], MS);
    assert_eq!(run.traffic.next_due_ns(), None);
    run.acknowledge(&first[0], 2 * MS);
    let next = run.take_all(2 * MS);
    assert_eq!(next.len(), 1);
    assert_eq!((next[0].publisher, next[0].stamp.sequence, next[0].stamp.due_ns), (2, 1, 2 * MS));
    assert_eq!(run.count(Measure::Lateness), 0, "nothing is late in a closed loop");
}

#[test]
fn a_duplicate_is_measured_once_and_moves_no_closed_loop() {
    let mut run = Run::new(Pace::Closed { outstanding: 1, burst: 1 });
    let first = run.take_all(0);
    run.acknowledge(&first[0], MS);
    run.deliver(0, &first[0], MS);
    run.deliver(0, &first[0], MS);
    assert_eq!(run.count(Measure::Delivery), 1);
    assert_eq!(run.traffic.next_due_ns(), None, "client 1 has not heard it");
    assert_eq!(run.faults.count(Fault::Duplicate), 1);
}

#[test]
fn a_refused_message_is_waited_for_no_more_and_not_lost() {
    let mut run = Run::new(OPEN);
    let due = run.take(0).unwrap();
    run.traffic.refused(due.publisher, due.id, "103: permission denied", &mut run.faults);
    assert_eq!(run.traffic.under_way(), 0);
    run.traffic.finish(&mut run.faults);
    assert_eq!(run.faults.counts().collect::<Vec<_>>(), [(Fault::Refused, 1)]);
    assert!(run.faults.examples[0].contains("permission denied"));
}

#[test]
fn nothing_is_waited_for_that_a_client_who_was_cut_off_would_have_heard() {
    let mut run = Run::new(OPEN);
    let before = run.take_all(MS);
    run.deliver(0, &before[0], MS);
    run.traffic.excuse(0);
    let after = run.take_all(2 * MS);
    for due in before.iter().chain(&after) {
        run.deliver(1, due, 2 * MS);
        run.acknowledge(due, 2 * MS);
    }
    assert_eq!(run.traffic.under_way(), 0);
    run.traffic.finish(&mut run.faults);
    assert!(run.faults.is_empty(), "{:?}", run.faults);
}

#[test]
fn replies_to_nothing_are_unasked() {
    let mut run = Run::new(OPEN);
    let due = run.take(0).unwrap();
    run.acknowledge(&due, MS);
    run.acknowledge(&due, MS);
    run.traffic.acknowledged(99, due.id, MS, &mut run.interval, &mut run.faults);
    assert_eq!(run.faults.count(Fault::Unasked), 2);
    assert_eq!(run.count(Measure::Reply), 1);
}

#[test]
fn what_never_came_is_lost_and_unanswered() {
    let mut run = Run::new(OPEN);
    let due = run.take_all(MS);
    run.deliver(0, &due[0], MS);
    run.traffic.finish(&mut run.faults);
    let counts: Vec<_> = run.faults.counts().collect();
    assert_eq!(counts, [(Fault::Lost, 3), (Fault::Unanswered, 2)]);
}

/// Processes of their own for clients 0 and 2, and for clients 1 and 3.
fn two_processes() -> [Run; 2] {
    [0, 1].map(|index| Run::of(Share::of(plan(), Part { index, of: 2 }).unwrap(), OPEN))
}

#[test]
fn processes_send_together_what_one_would_send() {
    let mut together: Vec<_> = two_processes().iter_mut().flat_map(|run| run.take_all(3 * MS)).collect();
    together.sort_unstable_by_key(|due| due.stamp.due_ns);
    assert_eq!(together, Run::new(OPEN).take_all(3 * MS));
}

#[test]
fn what_another_process_sent_is_under_way_until_it_is_heard_and_lost_if_it_is_not() {
    let [mut here, mut there] = two_processes();
    let own = here.take(0).unwrap();
    let foreign = there.take_all(3 * MS);
    assert_eq!(foreign.len(), 2);
    here.acknowledge(&own, MS);
    here.deliver(0, &own, MS);
    here.deliver(0, &foreign[0], 2 * MS);
    assert_eq!(here.traffic.under_way(), 0, "nobody told of the second one");
    for _ in 0..2 {
        here.traffic.learn(there.traffic.tally());
        assert_eq!(here.traffic.under_way(), 1);
    }
    here.traffic.finish(&mut here.faults);
    assert_eq!(here.faults.counts().collect::<Vec<_>>(), [(Fault::Lost, 1)]);
}

#[test]
fn what_was_refused_in_another_process_is_not_lost_here() {
    let [mut here, mut there] = two_processes();
    let foreign = there.take(MS).unwrap();
    here.traffic.learn(there.traffic.tally());
    assert_eq!(here.traffic.under_way(), 1);
    there.traffic.refused(foreign.publisher, foreign.id, "103: permission denied", &mut there.faults);
    here.traffic.learn(there.traffic.tally());
    assert_eq!(here.traffic.under_way(), 0);
    here.traffic.finish(&mut here.faults);
    assert!(here.faults.is_empty(), "{:?}", here.faults);
}

proptest! {
    /// Whatever order deliveries and replies come in, a server that loses nothing has no loss, and what it loses is
    /// counted exactly.
    #[test]
    fn losses_are_counted_exactly(lost in proptest::collection::vec(any::<bool>(), 40), seed in any::<u64>()) {
        let mut run = Run::new(OPEN);
        let due = run.take_all(19 * MS);
        let mut arrivals: Vec<_> = due.iter().flat_map(|due| [(0, *due), (1, *due)]).zip(&lost).collect();
        prop_assert_eq!(arrivals.len(), 40);
        let mut random = seed;
        arrivals.sort_by_cached_key(|_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            random
        });
        for ((client, due), lost) in arrivals {
            if !lost {
                run.deliver(client, &due, MS);
            }
        }
        due.iter().for_each(|due| run.acknowledge(due, MS));
        run.traffic.finish(&mut run.faults);
        let losses = lost.iter().filter(|lost| **lost).count() as u64;
        prop_assert_eq!(run.faults.count(Fault::Lost), losses);
        prop_assert_eq!(run.traffic.under_way(), losses);
        prop_assert_eq!(run.count(Measure::Delivery), 40 - losses);
        prop_assert_eq!(run.faults.count(Fault::Duplicate), 0);
    }
}

#[test]
fn answers_that_do_not_say_which_are_of_the_oldest() {
    let mut run = Run::new(Pace::Open { rate_per_s: 1000.0, burst: 4 });
    let due = run.take_all(0);
    let first = due.iter().find(|due| due.publisher == 2).unwrap();
    for now_ns in [MS, 2 * MS, 3 * MS] {
        run.traffic.acknowledged_oldest(2, now_ns, &mut run.interval, &mut run.faults);
    }
    assert_eq!(run.count(Measure::Reply), 2, "it has sent two");
    assert_eq!(run.faults.count(Fault::Unasked), 1);
    run.acknowledge(first, 4 * MS);
    assert_eq!(run.faults.count(Fault::Unasked), 2, "it was answered already");
}

#[test]
fn where_nobody_is_answered_a_message_has_arrived_when_it_was_heard() {
    let mut run = Run::new(Pace::Closed { outstanding: 1, burst: 1 });
    run.traffic.is_answered = false;
    let due = run.take_all(0);
    assert_eq!((due.len(), run.traffic.under_way()), (2, 4));
    for due in &due {
        run.deliver(0, due, MS);
        assert!(run.take(MS).is_none(), "the other subscriber has not heard it");
        run.deliver(1, due, MS);
        assert!(run.take(MS).is_some());
    }
    assert_eq!(run.count(Measure::Reply), 0);
}
