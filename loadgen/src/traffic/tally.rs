//! What was sent and refused, stream by stream: what load processes tell each other, since the subscribers of one hear
//! the publishers of another.

use serde::{Deserialize, Serialize};

/// Messages by stream, as far as a process knows. It knows its own streams, and what it was told of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Messages that were sent.
    pub sent: Vec<u32>,
    /// Of those, messages that the server refused: nobody will hear them.
    pub refused: Vec<u32>,
}

impl Tally {
    /// Of so many streams, of which nothing was sent.
    pub fn new(streams: usize) -> Self {
        Self { sent: vec![0; streams], refused: vec![0; streams] }
    }

    /// Takes in what another one knows. Numbers only grow, so that the larger one is the newer one.
    pub fn learn(&mut self, other: &Self) {
        for (own, other) in [(&mut self.sent, &other.sent), (&mut self.refused, &other.refused)] {
            own.resize(own.len().max(other.len()), 0);
            own.iter_mut().zip(other).for_each(|(own, other)| *own = (*own).max(*other));
        }
    }

    /// Messages that are to be heard.
    pub fn taken(&self, stream: u32) -> u32 {
        self.sent[stream as usize] - self.refused[stream as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_together_know_all_streams_however_often_they_tell() {
        let first = Tally { sent: vec![3, 0, 0], refused: vec![1, 0, 0] };
        let second = Tally { sent: vec![0, 4, 5], refused: vec![0, 0, 2] };
        let mut all = Tally::default();
        for tally in [&first, &second, &first] {
            all.learn(tally);
        }
        assert_eq!(all, Tally { sent: vec![3, 4, 5], refused: vec![1, 0, 2] });
        assert_eq!([0, 1, 2].map(|stream| all.taken(stream)), [2, 4, 3]);
    }
}
