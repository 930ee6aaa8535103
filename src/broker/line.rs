//! The line of orders that look at many sessions or channels: what each is after, and how far it has come.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::listing::Listing;
use crate::auth::Revocation;
use crate::broker::order::{Responder, SessionInfo, Subscribe, Who};
use crate::hub::Pattern;
use crate::limits::LOOKS_PER_TICK;
use crate::model::refusal::{Disconnect, Error, Unsubscribe};
use crate::model::{Attributes, ClientId, Payload};

/// What is done to each session of somebody.
#[derive(Debug)]
pub(super) enum Act {
    Subscribe(Arc<Subscribe>),
    Unsubscribe { channel: Arc<str>, reason: Unsubscribe },
    Disconnect { whitelist: Arc<HashSet<ClientId>>, reason: Disconnect },
    Refresh { expired: bool, expire_at_unix_s: Option<i64>, info: Option<Payload> },
}

/// What is walked for.
#[derive(Debug)]
pub(super) enum Task {
    Channels {
        pattern: Arc<Pattern>,
        found: Listing<Arc<str>, u32>,
        answer: Responder<Vec<(Arc<str>, u32)>>,
    },
    Sessions {
        who: Arc<Who>,
        found: Listing<ClientId, SessionInfo>,
        answer: Responder<Vec<SessionInfo>>,
    },
    Attributes {
        who: Arc<Who>,
        set: Arc<Attributes>,
        removed: Arc<[String]>,
        found: Listing<ClientId, Arc<Attributes>>,
        answer: Responder<Vec<(ClientId, Arc<Attributes>)>>,
    },
    Each {
        who: Arc<Who>,
        act: Act,
        answer: Responder<()>,
    },
    /// `kept` says why the disk does not keep it, if it does not.
    Revoke {
        revocation: Arc<Revocation>,
        kept: Result<(), Error>,
        answer: Responder<()>,
    },
    /// Whether the users are to belong to the channel, or no longer.
    Members {
        channel: Arc<str>,
        users: Vec<Arc<str>>,
        belong: bool,
        answer: Responder<()>,
    },
}

/// A walk, as far as it has come.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) task: Task,
    /// Where it goes on; `None` at the beginning.
    pub(super) at: Option<usize>,
}

impl Walk {
    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        match &self.task {
            Task::Channels { answer, .. } => answer.is_closed(),
            Task::Sessions { answer, .. } => answer.is_closed(),
            Task::Attributes { answer, .. } => answer.is_closed(),
            Task::Each { answer, .. } | Task::Revoke { answer, .. } | Task::Members { answer, .. } => {
                answer.is_closed()
            }
        }
    }

    /// An asker that has gone meanwhile is nobody's loss.
    pub(super) fn answer(self, result: Result<(), Error>) {
        match self.task {
            Task::Channels { found, answer, .. } => drop(answer.send(result.map(|()| found.end()))),
            Task::Sessions { found, answer, .. } => {
                drop(answer.send(result.map(|()| found.end().into_iter().map(|(_, session)| session).collect())));
            }
            Task::Attributes { found, answer, .. } => drop(answer.send(result.map(|()| found.end()))),
            Task::Each { answer, .. } | Task::Revoke { answer, .. } | Task::Members { answer, .. } => {
                drop(answer.send(result));
            }
        }
    }
}

/// Walks under way, and how much orders have looked at in this tick.
#[derive(Debug, Default)]
pub(super) struct Walks {
    pub(super) line: VecDeque<Walk>,
    looks: usize,
}

impl Walks {
    pub(super) fn begin_tick(&mut self) {
        self.looks = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// An order has looked at so much.
    pub(super) fn looked_at(&mut self, looks: usize) {
        self.looks += looks;
    }

    /// Whether orders have looked at so much in this tick that no other may.
    pub(super) fn has_enough(&self) -> bool {
        self.looks >= LOOKS_PER_TICK
    }
}
