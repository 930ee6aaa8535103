//! A closed loop: the next messages of a stream are due when as many before them have arrived everywhere.

use std::collections::VecDeque;

/// What is under way, by stream.
#[derive(Debug)]
pub(super) struct Window {
    streams: Vec<UnderWay>,
    /// Streams with room for one more, once per message.
    ready: VecDeque<u32>,
    /// So many messages of a stream are due together.
    burst: u32,
}

#[derive(Debug)]
struct UnderWay {
    /// The sequence of the first message of `missing`.
    first: u32,
    /// By message: arrivals that have not come, the publisher's answer among them.
    missing: VecDeque<u32>,
    /// Messages that there is room for, fewer than a burst.
    free: u32,
}

impl Window {
    /// Of so many streams, with room for so many messages of each of our own, of which a burst is due together.
    pub(super) fn new(streams: u32, own: &[u32], outstanding: u32, burst: u32) -> Self {
        let under_way = || UnderWay { first: 0, missing: VecDeque::new(), free: 0 };
        let mut streams: Vec<_> = (0..streams).map(|_| under_way()).collect();
        for stream in own {
            streams[*stream as usize].missing.reserve(outstanding as usize);
        }
        // In turn, so that the streams start together.
        let ready = (0..outstanding).flat_map(|_| own).copied().collect();
        Self { streams, ready, burst }
    }

    /// The stream whose next message is due.
    pub(super) fn next(&self) -> Option<u32> {
        self.ready.front().copied()
    }

    /// That message is sent; it will arrive at so many places.
    pub(super) fn send(&mut self, arrivals: u32) {
        if let Some(stream) = self.ready.pop_front() {
            self.streams[stream as usize].missing.push_back(arrivals);
        }
    }

    /// A message has arrived at one of its places.
    pub(super) fn arrive(&mut self, stream: u32, sequence: u32) {
        let under_way = &mut self.streams[stream as usize];
        let Some(at) = sequence.checked_sub(under_way.first) else { return };
        let Some(missing) = under_way.missing.get_mut(at as usize) else { return };
        *missing = missing.saturating_sub(1);
        while under_way.missing.front() == Some(&0) {
            under_way.missing.pop_front();
            under_way.first += 1;
            under_way.free += 1;
            if under_way.free == self.burst {
                under_way.free = 0;
                self.ready.extend(std::iter::repeat_n(stream, self.burst as usize));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(window: &mut Window, arrivals: u32) -> Vec<u32> {
        std::iter::from_fn(|| {
            let stream = window.next();
            window.send(arrivals);
            stream
        })
        .collect()
    }

    #[test]
    fn all_streams_fill_their_windows_in_turn() {
        let mut window = Window::new(4, &[0, 1, 3], 2, 1);
        assert_eq!(take_all(&mut window, 1), [0, 1, 3, 0, 1, 3]);
        assert!(window.next().is_none());
    }

    #[test]
    fn the_next_is_due_when_one_has_arrived_everywhere() {
        let mut window = Window::new(1, &[0], 1, 1);
        assert_eq!(take_all(&mut window, 3), [0]);
        window.arrive(0, 0);
        window.arrive(0, 0);
        assert!(window.next().is_none());
        window.arrive(0, 0);
        assert_eq!(take_all(&mut window, 3), [0]);
    }

    #[test]
    fn a_message_that_overtakes_waits_for_the_one_before_it() {
        let mut window = Window::new(1, &[0], 2, 1);
        take_all(&mut window, 1);
        window.arrive(0, 1);
        assert!(window.next().is_none());
        window.arrive(0, 0);
        assert_eq!(take_all(&mut window, 1), [0, 0]);
    }

    #[test]
    fn a_burst_is_due_when_there_is_room_for_all_of_it() {
        let mut window = Window::new(2, &[0, 1], 3, 3);
        assert_eq!(take_all(&mut window, 1), [0, 1, 0, 1, 0, 1]);
        window.arrive(1, 0);
        window.arrive(1, 1);
        assert!(window.next().is_none());
        window.arrive(1, 2);
        assert_eq!(take_all(&mut window, 1), [1, 1, 1]);
    }

    #[test]
    fn arrivals_of_what_was_never_sent_change_nothing() {
        let mut window = Window::new(1, &[0], 1, 1);
        window.arrive(0, 0);
        window.arrive(0, 7);
        assert_eq!(take_all(&mut window, 1), [0]);
    }
}
