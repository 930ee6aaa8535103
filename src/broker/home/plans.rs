//! Who waits for what buckets say of what is to come.

use slab::Slab;

use crate::broker::bridge::Ticket;
use crate::broker::order::Responder;
use crate::broker::schedule_order::{Scheduled, ToCome};
use crate::model::refusal::Error;

/// Who waits for what a bucket says of what is to come.
#[derive(Debug)]
pub(in crate::broker) enum Planner {
    /// A backend that has scheduled a publication.
    Publish(Responder<Scheduled>),
    /// A backend that has cancelled one.
    Cancel(Responder<()>),
    /// A backend that lists them.
    List(Responder<Vec<ToCome>>),
}

impl Planner {
    /// Whoever waits is refused.
    pub(in crate::broker) fn refuse(self, error: Error) {
        // One that has gone meanwhile is nobody's loss.
        match self {
            Self::Publish(answer) => drop(answer.send(Err(error))),
            Self::Cancel(answer) => drop(answer.send(Err(error))),
            Self::List(answer) => drop(answer.send(Err(error))),
        }
    }
}

/// Those who wait, by ticket.
#[derive(Debug, Default)]
pub(in crate::broker) struct Plans(pub(super) Slab<Planner>);

impl Plans {
    /// Whether anybody waits.
    pub(in crate::broker) fn are_awaited(&self) -> bool {
        !self.0.is_empty()
    }

    /// The answer has come.
    ///
    /// # Panics
    /// When none was due.
    pub(in crate::broker) fn answered(&mut self, ticket: Ticket) -> Planner {
        self.0.remove(ticket.0 as usize)
    }
}
