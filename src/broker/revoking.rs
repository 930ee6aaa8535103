//! Tokens that are called back, and the disk: a revocation is in force at once, answered when it is kept, and said again
//! before the store lets the record go. Every shard keeps all of them, so that each finds them, however many shards start.

use super::Broker;
use super::home::Waiter;
use super::order::Responder;
use crate::auth::{Revocation, Subject};
use crate::model::Position;
use crate::model::refusal::{Error, ErrorKind};
use crate::store::Record;
use crate::store::record::RevocationRecord;
use crate::time::Now;

impl Broker {
    /// Calls tokens back: from here on nobody begins with them. Says whether that is on its way to the disk, if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] where too many are in force: then this one is not.
    pub(super) fn revoke(&mut self, revocation: &Revocation, now: Now) -> Result<Result<(), Error>, Error> {
        if let Err(full) = self.edge.revocations.add(revocation, now.unix_s()) {
            return Err(ErrorKind::LimitExceeded.because(format!("limit exceeded: {full}")));
        }
        Ok(self.home.hub.keep(&Record::Revocation(revocation.into())))
    }

    /// A backend's tokens are called back, and their sessions have been told to go: it is answered when that is kept.
    pub(super) fn revoked(&mut self, outcome: Result<(), Error>, answer: Responder<()>, now: Now) {
        let certain = match outcome {
            Ok(()) => self.home.wait_for_disk(Waiter::Revoker(answer)),
            Err(error) => Some((Waiter::Revoker(answer), Err(error))),
        };
        if let Some((waiter, outcome)) = certain {
            self.settled(waiter, outcome.map(|()| Position::default()), now);
        }
    }

    /// Takes a revocation of an earlier start.
    pub(super) fn recover_revocation(&mut self, record: &RevocationRecord<'_>, now: Now) {
        // There was room for all of them when they were kept.
        let _ = self.edge.revocations.add(&record.into(), now.unix_s());
    }

    /// Says all that are in force to the journal, once in each snapshot. Before the rest, since that may be said whole in
    /// the same tick.
    pub(super) fn say_revocations(&mut self) {
        self.has_said_revocations &= self.home.hub.is_in_snapshot();
        if !self.has_said_revocations && self.home.wants_snapshot() {
            self.has_said_revocations = true;
            for revocation in self.edge.revocations.after(None) {
                self.home.hub.log.append(&Record::Revocation((&revocation).into()));
            }
        }
    }
}

impl<'a> From<&'a Revocation> for RevocationRecord<'a> {
    fn from(revocation: &'a Revocation) -> Self {
        let (user, device, id): (&str, &str, &str) = match &revocation.subject {
            Subject::All => ("", "", ""),
            Subject::Token(id) => ("", "", id),
            Subject::User(user) => (user, "", ""),
            Subject::Device { user, device } => (user, device, ""),
        };
        let Revocation { issued_before_unix_s, until_unix_s, .. } = *revocation;
        Self { user, device, id, issued_before_unix_s, until_unix_s }
    }
}

impl From<&RevocationRecord<'_>> for Revocation {
    fn from(record: &RevocationRecord<'_>) -> Self {
        let RevocationRecord { user, device, id, issued_before_unix_s, until_unix_s } = *record;
        let subject = match (user, device, id) {
            ("", "", "") => Subject::All,
            ("", _, id) => Subject::Token(id.into()),
            (user, "", _) => Subject::User(user.into()),
            (user, device, _) => Subject::Device { user: user.into(), device: device.into() },
        };
        Self { subject, issued_before_unix_s, until_unix_s }
    }
}
