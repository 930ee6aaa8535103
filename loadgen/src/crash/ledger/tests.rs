use super::*;

/// A message of publisher 0.
fn message(sequence: u32) -> Message {
    Message { stream: 0, sequence }
}

/// A ledger of one channel, whose subscriber has heard so many messages; all were acknowledged.
fn heard(messages: u32) -> Ledger {
    let mut ledger = Ledger::new(1);
    ledger.joined(0, "one", 0, false);
    for sequence in 0..messages {
        ledger.sends(0, message(sequence));
        ledger.heard(0, u64::from(sequence) + 1, message(sequence));
        ledger.acknowledged(0, message(sequence));
    }
    ledger
}

/// The node is back, in the same epoch, and its history is read: these offsets with these messages.
fn look(ledger: &mut Ledger, top: u64, kept: &[(u64, u32)]) -> Counts {
    ledger.cut();
    let position = ledger.position(0).map_or(0, |(offset, _)| offset);
    ledger.joined(0, "one", position, true);
    kept.iter().for_each(|(offset, sequence)| ledger.kept(0, *offset, message(*sequence)));
    ledger.looked(0, top);
    ledger.take_counts()
}

fn wrong(counts: &Counts) -> Vec<(Wrong, u64)> {
    counts.wrong.iter().map(|(wrong, count)| (*wrong, *count)).collect()
}

#[test]
fn a_node_that_keeps_all_has_done_nothing_wrong() {
    let mut ledger = heard(2);
    let counts = look(&mut ledger, 2, &[(1, 0), (2, 1)]);
    assert_eq!((counts.acknowledged, wrong(&counts)), (2, vec![]));
    assert!(ledger.examples().is_empty());
}

#[test]
fn what_was_acknowledged_and_is_gone_is_missed_once() {
    let mut ledger = heard(1);
    ledger.sends(0, message(1));
    ledger.acknowledged(0, message(1));
    assert_eq!(wrong(&look(&mut ledger, 1, &[(1, 0)])), [(Wrong::Missing, 1)]);
    assert_eq!(wrong(&look(&mut ledger, 1, &[(1, 0)])), []);
    assert!(ledger.examples()[0].contains("message 1 of publisher 0"), "{:?}", ledger.examples());
}

#[test]
fn what_is_kept_once_must_be_kept_ever_after() {
    let mut ledger = heard(2);
    assert_eq!(wrong(&look(&mut ledger, 2, &[(1, 0), (2, 1)])), []);
    let counts = look(&mut ledger, 2, &[(2, 1)]);
    assert_eq!(wrong(&counts), [(Wrong::Missing, 1), (Wrong::Vanished, 1), (Wrong::Hole, 1)]);
}

#[test]
fn what_was_not_answered_may_be_kept_or_not_and_must_then_stay() {
    let mut ledger = heard(0);
    (0..2).for_each(|sequence| ledger.sends(0, message(sequence)));
    let counts = look(&mut ledger, 1, &[(1, 0)]);
    assert_eq!((counts.unanswered, counts.unanswered_kept, wrong(&counts)), (2, 1, vec![]));
    assert_eq!(wrong(&look(&mut ledger, 0, &[])), [(Wrong::Missing, 1), (Wrong::Vanished, 1)]);
}

#[test]
fn what_was_delivered_and_not_acknowledged_must_stay() {
    let mut ledger = heard(0);
    ledger.sends(0, message(0));
    ledger.heard(0, 1, message(0));
    assert_eq!(wrong(&look(&mut ledger, 0, &[])), [(Wrong::Vanished, 1)]);
}

#[test]
fn an_offset_of_two_messages_and_a_message_at_two_offsets_are_told() {
    let mut ledger = heard(1);
    (1..3).for_each(|sequence| ledger.sends(0, message(sequence)));
    let counts = look(&mut ledger, 3, &[(1, 1), (2, 0), (3, 2)]);
    assert_eq!(wrong(&counts), [(Wrong::Reused, 1), (Wrong::Twice, 1), (Wrong::OutOfOrder, 1)]);
}

#[test]
fn a_subscriber_hears_every_offset_once() {
    let mut ledger = heard(1);
    (1..4).for_each(|sequence| ledger.sends(0, message(sequence)));
    ledger.heard(0, 1, message(0));
    ledger.heard(0, 3, message(2));
    assert_eq!(wrong(&ledger.take_counts()), [(Wrong::Duplicate, 1), (Wrong::Gap, 1)]);
    ledger.joined(0, "one", 5, true);
    assert_eq!(wrong(&ledger.take_counts()), [(Wrong::Gap, 1)]);
}

#[test]
fn a_node_that_forgets_begins_a_new_epoch_and_has_lost_all() {
    let mut ledger = heard(3);
    ledger.cut();
    ledger.joined(0, "two", 0, false);
    ledger.looked(0, 0);
    let counts = ledger.take_counts();
    assert_eq!(wrong(&counts), [(Wrong::Missing, 3), (Wrong::Unrecovered, 1), (Wrong::Epoch, 1)]);
}

#[test]
fn what_nobody_sent_is_told() {
    let mut ledger = heard(0);
    assert_eq!(wrong(&look(&mut ledger, 1, &[(1, 7)])), [(Wrong::Strange, 1)]);
}

#[test]
fn a_refused_message_is_missed_by_nobody() {
    let mut ledger = heard(0);
    ledger.sends(0, message(0));
    ledger.refused(0, message(0));
    let counts = look(&mut ledger, 0, &[]);
    assert_eq!((counts.refused, counts.unanswered, wrong(&counts)), (1, 0, vec![]));
}
