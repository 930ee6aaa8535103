//! What a socket has in flight: the operations that a ring was asked for and has not given back.
//!
//! The life of a socket on a ring is the same for everyone who leads one. An operation is asked for once and comes back
//! once. Whoever wants to be rid of a socket shuts it down, by which all that is in flight comes back, and forgets it only
//! when nothing is: no event can then reach who has its number next. This never asks the ring for anything: it is asked
//! before the ring is, and told of every event.

/// Operations of one socket that have not come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// True exactly while the ring receives for the socket.
    receive: bool,
    /// True exactly while the ring waits for the socket to take bytes.
    writable: bool,
}

impl InFlight {
    /// Bytes are wanted. Whether the ring must be asked: then a receive is in flight from now on.
    #[must_use]
    pub fn begin_receive(&mut self) -> bool {
        !std::mem::replace(&mut self.receive, true)
    }

    /// The ring has said that no more comes of the receive.
    pub fn end_receive(&mut self) {
        self.receive = false;
    }

    /// It is of interest when the socket takes bytes. Whether the ring must be asked: then a wait is in flight from now on.
    #[must_use]
    pub fn begin_writable(&mut self) -> bool {
        !std::mem::replace(&mut self.writable, true)
    }

    /// The ring has said that the socket takes bytes, or never will.
    pub fn end_writable(&mut self) {
        self.writable = false;
    }

    /// Whether the ring receives for the socket.
    pub fn receives(self) -> bool {
        self.receive
    }

    /// Whether the ring waits for the socket to take bytes.
    pub fn awaits_writable(self) -> bool {
        self.writable
    }

    /// Whether nothing is in flight, so that the socket may be forgotten.
    pub fn is_empty(self) -> bool {
        !self.receive && !self.writable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_is_asked_for_once_until_it_has_come_back() {
        let mut in_flight = InFlight::default();
        assert!(in_flight.is_empty());
        assert!(in_flight.begin_receive() && !in_flight.begin_receive());
        assert!(in_flight.begin_writable() && !in_flight.begin_writable());
        in_flight.end_receive();
        assert!(in_flight.awaits_writable() && !in_flight.receives() && !in_flight.is_empty());
        assert!(in_flight.begin_receive());
        in_flight.end_receive();
        in_flight.end_writable();
        assert!(in_flight.is_empty());
    }
}
