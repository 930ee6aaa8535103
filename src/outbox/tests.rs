//! What waits for sockets, and how much of it each takes.

mod slices;

use std::io;

use super::*;

const CONN: u32 = 3;
const REPLY: &str = "{\"id\":1,\"publish\":{}}\n";

/// An outbox with one conn, and a socket that takes what it is told to.
struct Pipe {
    outbox: Outbox,
    sent: Vec<u8>,
    calls: usize,
}

impl Pipe {
    fn new(bytes_max: usize) -> Self {
        let mut outbox = Outbox::new(bytes_max);
        outbox.open(CONN);
        Self { outbox, sent: Vec::new(), calls: 0 }
    }

    /// Flushes into a socket with this much room.
    fn flush(&mut self, mut room: usize) -> Flushed {
        let mut outcome = Flushed::Sent;
        let Self { outbox, sent, calls } = self;
        while outbox.is_dirty() {
            outbox.flush(
                |conn, bytes| {
                    assert_eq!(conn, CONN);
                    *calls += 1;
                    take(bytes, &mut room, sent)
                },
                |_, flushed| outcome = flushed,
            );
        }
        outcome
    }

    fn resume(&mut self, mut room: usize) -> Flushed {
        let sent = &mut self.sent;
        self.outbox.resume(CONN, |bytes| take(bytes, &mut room, sent))
    }

    fn raw(&mut self, bytes: &[u8]) {
        let frame = self.frame(bytes);
        self.outbox.attach(CONN, frame, Tag::KEEP);
    }

    fn frame(&mut self, bytes: &[u8]) -> Extent {
        self.outbox.encode(LARGE_ROOM + 1, |out| out.extend_from_slice(bytes))
    }

    fn control(&mut self, bytes: &[u8]) {
        self.outbox.write(CONN, Tag::CONTROL, |out| out.extend_from_slice(bytes));
    }

    fn latest(&mut self, channel: u32, bytes: &[u8]) {
        let frame = self.frame(bytes);
        self.outbox.attach(CONN, frame, Tag::latest_of(channel));
    }

    fn sent(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.sent)).expect("the tests send text")
    }
}

fn take(bytes: &[u8], room: &mut usize, sent: &mut Vec<u8>) -> io::Result<usize> {
    let taken = bytes.len().min(*room);
    if taken == 0 {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    *room -= taken;
    sent.extend_from_slice(&bytes[..taken]);
    Ok(taken)
}

#[test]
fn all_of_a_tick_leaves_in_one_send() {
    let mut pipe = Pipe::new(1000);
    pipe.raw(b"one ");
    // Another conn's frame lies between.
    pipe.frame(b"else ");
    pipe.raw(b"two ");
    pipe.raw(b"three");
    assert_eq!(pipe.flush(usize::MAX), Flushed::Sent);
    assert_eq!((pipe.sent().as_str(), pipe.calls), ("one two three", 1));
    assert!(!pipe.outbox.is_waiting(CONN) && !pipe.outbox.is_dirty());
}

#[test]
fn neighbouring_frames_are_one_span() {
    let mut pipe = Pipe::new(1000);
    for _ in 0..10 {
        pipe.raw(b"x");
    }
    assert_eq!(pipe.outbox.batches.spans(), 1);
}

#[test]
fn more_than_one_send_takes_is_sent_in_several() {
    let mut pipe = Pipe::new(1000);
    let long = vec![b'x'; SEND_BYTES_MAX - 1];
    pipe.raw(&long);
    pipe.frame(b"else");
    pipe.raw(&long);
    assert_eq!(pipe.flush(usize::MAX), Flushed::Sent);
    assert_eq!((pipe.sent.len(), pipe.calls), (2 * long.len(), 2));
}

#[test]
fn a_socket_may_stop_at_any_byte() {
    let all = "one|two|three|four";
    for first in 0..=all.len() {
        for second in 0..=all.len() - first {
            let mut pipe = Pipe::new(1000);
            pipe.raw(b"one|");
            pipe.frame(b"else");
            pipe.raw(b"two|");
            let flushed = pipe.flush(first.min(8));
            assert_eq!(flushed, if first >= 8 { Flushed::Sent } else { Flushed::Blocked });
            pipe.raw(b"three|four");
            pipe.flush(first.saturating_sub(8));
            pipe.resume(second);
            assert_eq!(pipe.outbox.backlog_bytes(), all.len() - pipe.sent.len());
            assert_eq!(pipe.resume(usize::MAX), Flushed::Sent);
            assert_eq!(pipe.sent(), all, "stopped at {first} and {second}");
            assert_eq!(pipe.outbox.backlog_bytes(), 0);
            assert!(!pipe.outbox.is_waiting(CONN));
        }
    }
}

#[test]
fn who_waits_is_not_sent_to_until_the_socket_says_so() {
    let mut pipe = Pipe::new(1000);
    pipe.raw(b"one");
    assert_eq!(pipe.flush(1), Flushed::Blocked);
    pipe.raw(b"two");
    assert_eq!((pipe.flush(usize::MAX), pipe.calls), (Flushed::Blocked, 1));
    assert_eq!(pipe.resume(usize::MAX), Flushed::Sent);
    assert_eq!(pipe.sent(), "onetwo");
}

#[test]
fn a_socket_that_takes_nothing_does_not_hold_the_shard() {
    let mut pipe = Pipe::new(1000);
    pipe.raw(b"one");
    pipe.flush(0);
    assert_eq!(pipe.outbox.resume(CONN, |_| Ok(0)), Flushed::Blocked);
}

#[test]
fn a_broken_socket_is_told() {
    let mut pipe = Pipe::new(1000);
    pipe.raw(b"one");
    let mut outcome = Flushed::Sent;
    let broken = |_, _: &[u8]| Err(Errno::PIPE.into());
    pipe.outbox.flush(broken, |_, flushed| outcome = flushed);
    assert_eq!(outcome, Flushed::Failed(Errno::PIPE));
}

#[test]
fn past_the_bound_the_started_frame_alone_stays() {
    let mut pipe = Pipe::new(10);
    pipe.raw(b"0123456");
    assert_eq!(pipe.flush(3), Flushed::Blocked);
    pipe.raw(b"more than there may be");
    assert_eq!(pipe.flush(usize::MAX), Flushed::Slow);
    assert_eq!(pipe.outbox.backlog_bytes(), 4);
    pipe.control(b"3008");
    pipe.flush(0);
    assert_eq!(pipe.resume(usize::MAX), Flushed::Sent);
    let sent = pipe.sent();
    assert_eq!(sent, "01234563008");
}

#[test]
fn what_a_client_has_asked_for_does_not_count_as_slowness() {
    let mut pipe = Pipe::new(10);
    let answer = |pipe: &mut Pipe| pipe.outbox.write(CONN, Tag::ANSWER, |out| out.extend_from_slice(&[b'a'; 100]));
    answer(&mut pipe);
    assert_eq!(pipe.flush(1), Flushed::Blocked);
    pipe.raw(b"12345");
    answer(&mut pipe);
    assert_eq!(pipe.flush(0), Flushed::Blocked);
    assert_eq!((pipe.outbox.answer_bytes(CONN), pipe.outbox.backlog_bytes()), (199, 204));
    assert_eq!(pipe.resume(100), Flushed::Blocked);
    assert_eq!(pipe.outbox.answer_bytes(CONN), 100);
    pipe.raw(b"6789012");
    assert_eq!(pipe.flush(0), Flushed::Slow, "what it has not asked for does");
    assert_eq!((pipe.outbox.answer_bytes(CONN), pipe.outbox.backlog_bytes()), (0, 4));
}

#[test]
fn a_goodbye_is_sent_however_much_waits() {
    let mut pipe = Pipe::new(10);
    pipe.raw(b"0123456789");
    assert_eq!(pipe.flush(0), Flushed::Blocked);
    pipe.control(b"bye");
    assert_eq!(pipe.flush(0), Flushed::Slow);
    pipe.resume(usize::MAX);
    assert_eq!(pipe.sent(), "bye");
}

#[test]
fn a_cut_keeps_what_the_peer_has_a_part_of() {
    let mut pipe = Pipe::new(1000);
    pipe.raw(b"first|");
    pipe.raw(b"second|");
    assert_eq!(pipe.flush(2), Flushed::Blocked);
    pipe.raw(b"third|");
    pipe.outbox.cut(CONN);
    pipe.raw(b"bye");
    pipe.flush(usize::MAX);
    pipe.resume(usize::MAX);
    assert_eq!(pipe.sent(), "first|bye");
}

#[test]
fn a_cut_at_the_end_of_a_frame_leaves_nothing() {
    let mut pipe = Pipe::new(1000);
    pipe.raw(b"first|");
    pipe.raw(b"second|");
    assert_eq!(pipe.flush(6), Flushed::Blocked);
    pipe.outbox.cut(CONN);
    assert!(!pipe.outbox.is_waiting(CONN));
    assert_eq!(pipe.outbox.backlog_bytes(), 0);
}

#[test]
fn past_the_bound_only_the_latest_of_each_channel_is_kept() {
    let mut pipe = Pipe::new(12);
    pipe.latest(1, b"a1|");
    pipe.latest(2, b"b1|");
    pipe.raw(b"key|");
    assert_eq!(pipe.flush(0), Flushed::Blocked);
    pipe.latest(1, b"a2|");
    assert_eq!(pipe.flush(0), Flushed::Blocked);
    pipe.latest(1, b"a3|");
    pipe.latest(1, b"a4|");
    assert_eq!(pipe.flush(0), Flushed::Blocked);
    assert_eq!(pipe.outbox.backlog_bytes(), 10);
    pipe.resume(usize::MAX);
    assert_eq!(pipe.sent(), "b1|key|a4|");
}

#[test]
fn the_rest_of_a_started_frame_survives_a_newer_one() {
    let mut pipe = Pipe::new(4);
    pipe.latest(1, b"a1|");
    assert_eq!(pipe.flush(1), Flushed::Blocked);
    pipe.latest(1, b"a2|");
    pipe.latest(1, b"a3|");
    assert_eq!(pipe.flush(0), Flushed::Slow, "five bytes are more than four");
    pipe.resume(usize::MAX);
    assert_eq!(pipe.sent(), "a1|");
}

#[test]
fn a_closed_conn_takes_its_bytes_along() {
    let mut pipe = Pipe::new(1000);
    pipe.raw(b"one");
    pipe.flush(0);
    pipe.raw(b"two");
    pipe.outbox.close(CONN);
    assert_eq!(pipe.outbox.backlog_bytes(), 0);
    pipe.outbox.open(CONN);
    pipe.raw(b"three");
    assert_eq!(pipe.flush(usize::MAX), Flushed::Sent);
    assert_eq!(pipe.sent(), "three");
}

#[test]
fn one_encoding_serves_many_conns() {
    let mut outbox = Outbox::new(1000);
    let frame = outbox.encode(100, |out| out.extend_from_slice(b"a publication"));
    for conn in 0..100 {
        outbox.open(conn);
        outbox.attach(conn, frame, Tag::KEEP);
    }
    assert_eq!(outbox.batches.bytes(frame), b"a publication");
    let mut conns = Vec::new();
    while outbox.is_dirty() {
        outbox.flush(
            |conn, bytes| {
                conns.push(conn);
                Ok(bytes.len())
            },
            |_, flushed| panic!("{flushed:?}"),
        );
    }
    assert!(conns.into_iter().eq(0..100));
}

#[test]
fn a_steady_flow_allocates_nothing() {
    let mut pipe = Pipe::new(1000);
    let capacities = |outbox: &Outbox| {
        let Outbox { batches, small, large, parcels, scratch, .. } = outbox;
        (batches.capacities(), [small.capacity(), large.capacity(), parcels.capacity(), scratch.capacity()])
    };
    let tick = |pipe: &mut Pipe| {
        for _ in 0..10 {
            pipe.outbox.write(CONN, Tag::KEEP, |out| out.extend_from_slice(REPLY.as_bytes()));
            pipe.control(b"\n");
        }
        pipe.flush(usize::MAX);
        capacities(&pipe.outbox)
    };
    assert_eq!(tick(&mut pipe), tick(&mut pipe));
}

#[test]
fn a_burst_to_many_lies_side_by_side_although_its_publisher_is_answered_in_between() {
    let mut pipe = Pipe::new(1000);
    pipe.outbox.open(CONN + 1);
    for byte in [b"1", b"2", b"3"] {
        let frame = pipe.frame(byte);
        pipe.outbox.attach(CONN, frame, Tag::KEEP);
        pipe.outbox.write(CONN + 1, Tag::KEEP, |out| out.extend_from_slice(REPLY.as_bytes()));
    }
    assert_eq!(pipe.outbox.batches.spans(), 2);
    let mut sends = Vec::new();
    pipe.outbox.flush(
        |_, bytes| {
            sends.push(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        },
        |_, flushed| panic!("{flushed:?}"),
    );
    assert_eq!(sends, [&REPLY.repeat(3), "123"]);
}
