//! Who comes while a tick is at work.

use super::*;
use crate::limits::GLANCE_READS;

/// A shard that is sending to a large room, and clients that have been answered what they asked.
fn sending(clients: usize) -> (Half, Vec<TcpStream>, Vec<TcpStream>) {
    let mut half = Half::with(|_| {});
    let placement = Placement::new(2, 1);
    let channel = (0..).map(|number| number.to_string()).find(|name| placement.of(name) == 0).unwrap();
    let room: Vec<TcpStream> = (0..2 * SLICES_PER_TICK * SLICE_SENDS).map(|_| half.client().0).collect();
    let clients: Vec<TcpStream> = (0..clients).map(|_| half.client().0).collect();
    for mut listener in &room {
        writeln!(listener, "{}", json!({"id": 2, "subscribe": {"channel": channel}})).unwrap();
    }
    let commands = (2 * room.len() + clients.len()) as u64;
    half.until("all listen", |shard| shard.metrics.commands.get() == commands && !shard.broker.edge.outbox.is_dirty());
    for mut client in &clients {
        assert!(client.read(&mut [0; 4096]).unwrap() > 0);
        client.set_nonblocking(true).unwrap();
    }
    writeln!(&room[0], "{}", json!({"id": 3, "publish": {"channel": channel, "data": 1}})).unwrap();
    half.until("it is published", |shard| shard.metrics.commands.get() == commands + 1);
    assert!(half.shard.broker.edge.outbox.is_dirty(), "most of the room is still to be sent to");
    (half, room, clients)
}

/// Clients ask for little, and the ring has it.
fn ask(half: &mut Half, clients: &[TcpStream]) {
    for mut client in clients {
        // In one piece: half a question is none.
        client.write_all(b"{\"id\":2,\"ping\":{}}\n").unwrap();
    }
    while !half.shard.reactor.is_ready() {
        std::thread::yield_now();
    }
}

fn answered(clients: &[TcpStream]) -> usize {
    clients.iter().filter(|client| (&mut &**client).read(&mut [0; 256]).is_ok_and(|bytes| bytes > 0)).count()
}

#[test]
fn who_asks_for_little_while_a_room_is_sent_to_is_answered_with_the_next_slice() {
    let (mut half, _room, clients) = sending(1);
    ask(&mut half, &clients);
    let now = half.later(0);
    half.shard.glances.are_open = true;
    half.shard.flush_slice(now);
    half.shard.glance(now);
    half.shard.flush_slice(now);
    assert_eq!(answered(&clients), 1);
    assert!(half.shard.broker.edge.outbox.is_dirty(), "in the middle of the room");
}

#[test]
fn a_tick_follows_a_glance_and_finds_what_was_left_in_its_order() {
    let (mut half, _room, clients) = sending(2 * GLANCE_READS);
    ask(&mut half, &clients);
    // All of them have to be there.
    std::thread::sleep(Duration::from_millis(20));
    let now = half.later(0);
    let before = half.shard.metrics.commands.get();
    half.shard.glances.are_open = true;
    for _ in 0..3 {
        half.shard.glance(now);
        assert_eq!(half.shard.metrics.commands.get(), before + GLANCE_READS as u64, "who was left is next");
    }
    half.shard.glances.are_open = false;
    assert!(!half.shard.events.is_empty() && !half.shard.falls_asleep());
    half.tick();
    assert_eq!(half.shard.metrics.commands.get(), before + clients.len() as u64);
    half.until("all is sent", |shard| !shard.broker.edge.outbox.is_dirty());
    assert_eq!(answered(&clients), clients.len());
}

#[test]
fn nobody_is_read_before_what_the_tick_has_taken_itself() {
    let (mut half, _room, clients) = sending(1);
    ask(&mut half, &clients);
    let (now, before) = (half.later(0), half.shard.metrics.commands.get());
    half.shard.flush_slice(now);
    half.shard.glance(now);
    assert_eq!(half.shard.metrics.commands.get(), before);
}
