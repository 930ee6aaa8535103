//! What waits for sockets: sent at once, gathered, kept for those that read slowly, and cut.

use std::io;

use ringpost::model::refusal::DisconnectKind;
use ringpost::model::{Payload, Publication};
use ringpost::outbox::{Extent, Flushed, Outbox, Tag};
use ringpost::protocol::Format;
use ringpost::protocol::word::Push;

use super::{Operation, data};

const FORMAT: Format = Format::WebSocketJson;
const CONNS: u32 = 100;
const FRAMES: u32 = 16;
const BACKLOG_BYTES_MAX: usize = 16 * 1024;

pub(super) fn operations() -> Vec<Operation> {
    let shared = format!("{FRAMES} frames to {CONNS} conns, side by side, per frame");
    let gathered = format!("{FRAMES} frames to {CONNS} conns, every other to each, gathered, per frame");
    vec![
        Operation::new("outbox", "push to a conn that keeps up", 1, push),
        Operation::new("outbox", shared, FRAMES * CONNS, side_by_side),
        Operation::new("outbox", gathered, FRAMES / 2 * CONNS, gathered_frames),
        Operation::new("outbox", "16 KiB kept for a slow reader, then cut", 1, cut),
        Operation::new("outbox", "16 KiB kept for a slow reader, conflated, then sent", 1, conflate),
    ]
}

fn outbox(conns: u32) -> Outbox {
    let mut outbox = Outbox::new(BACKLOG_BYTES_MAX);
    (0..conns).for_each(|conn| outbox.open(conn));
    outbox
}

fn publication() -> Publication {
    Publication { offset: 1, data: Payload::json(data()), info: None, tags: None, time_unix_ms: 0 }
}

fn encode(outbox: &mut Outbox, publication: &Publication) -> Extent {
    outbox.encode(CONNS as usize, |out| FORMAT.write_push(&Push::Publication { channel: "room", publication }, out))
}

/// To the first conn alone.
fn push_to_one(outbox: &mut Outbox, publication: &Publication) {
    outbox.write(0, Tag::KEEP, |out| FORMAT.write_push(&Push::Publication { channel: "room", publication }, out));
}

/// Into sockets that take everything.
fn send(outbox: &mut Outbox) {
    while outbox.is_dirty() {
        outbox.flush(|_, bytes| Ok(bytes.len()), |conn, flushed| unreachable!("conn {conn}: {flushed:?}"));
    }
}

/// Into a socket that takes nothing.
fn keep(outbox: &mut Outbox) -> Flushed {
    let mut outcome = Flushed::Sent;
    outbox.flush(|_, _| Err(io::ErrorKind::WouldBlock.into()), |_, flushed| outcome = flushed);
    outcome
}

fn push() -> impl FnMut() {
    let (mut outbox, publication) = (outbox(1), publication());
    move || {
        push_to_one(&mut outbox, &publication);
        send(&mut outbox);
    }
}

fn side_by_side() -> impl FnMut() {
    let (mut outbox, publication) = (outbox(CONNS), publication());
    move || {
        for _ in 0..FRAMES {
            let extent = encode(&mut outbox, &publication);
            (0..CONNS).for_each(|conn| outbox.attach(conn, extent, Tag::KEEP));
        }
        send(&mut outbox);
    }
}

fn gathered_frames() -> impl FnMut() {
    let (mut outbox, publication) = (outbox(CONNS), publication());
    move || {
        for number in 0..FRAMES {
            let extent = encode(&mut outbox, &publication);
            for pair in 0..CONNS / 2 {
                // Even conns get the even frames, odd conns the odd ones, and both as many.
                outbox.attach(2 * pair + number % 2, extent, Tag::KEEP);
            }
        }
        send(&mut outbox);
    }
}

fn cut() -> impl FnMut() {
    let (mut outbox, publication) = (outbox(1), publication());
    move || {
        loop {
            push_to_one(&mut outbox, &publication);
            match keep(&mut outbox) {
                Flushed::Blocked => {}
                Flushed::Slow => break,
                flushed => unreachable!("the socket takes nothing, but {flushed:?}"),
            }
        }
        outbox.cut(0);
        outbox.write(0, Tag::CONTROL, |out| FORMAT.write_push(&Push::Disconnect(&DisconnectKind::Slow.into()), out));
        assert_eq!(keep(&mut outbox), Flushed::Blocked);
        outbox.close(0);
        outbox.open(0);
    }
}

fn conflate() -> impl FnMut() {
    let (mut outbox, publication) = (outbox(1), publication());
    move || {
        let mut before = 0;
        // Until what waits has become less.
        while outbox.backlog_bytes() >= before {
            before = outbox.backlog_bytes();
            for channel in 0..4 {
                let extent = encode(&mut outbox, &publication);
                outbox.attach(0, extent, Tag::latest_of(channel));
            }
            assert_eq!(keep(&mut outbox), Flushed::Blocked);
        }
        assert_eq!(outbox.resume(0, |bytes| Ok(bytes.len())), Flushed::Sent);
    }
}
