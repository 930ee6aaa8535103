//! What ledgers answer, and who is answered then.

use std::sync::Arc;

use super::Broker;
use super::bridge::Ticket;
use super::home::{MemberChange, Outcome, Question, Waiter, Wanted, told, unpack};
use super::inbox_order::InboxOrder;
use super::letter::Asker;
use super::order::Responder;
use crate::delivery::{DeadLetter, DevicePosition, Failure, MemberDevices, MemberPosition, Positions, Unread, Whose};
use crate::hub::NewPublication;
use crate::limits::{LEDGER_MEMBERS_PER_CALL, RECEIPT_MEMBERS_MAX};
use crate::model::ledger::{
    DeviceName, LedgerAnswer, LedgerAsk, LedgerMember, Letter, LetterBody, LetterFilter, MemberPositions, MembersPage,
    Requeuing,
};
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{Life, Position};
use crate::time::Now;

/// What is answered where an answer is not to the question.
fn astray() -> Error {
    ErrorKind::Internal.because("internal server error: another answer than was asked for")
}

impl Broker {
    /// A ledger has answered.
    pub(super) fn ledger_answered(&mut self, ticket: Ticket, result: Result<LedgerAnswer, Error>, now: Now) {
        // What the answers follow is told before them.
        self.carry(now);
        match self.home.ledger_answered(ticket) {
            Wanted::Row(shard, asker, channel, terms, tried) => match result {
                Ok(LedgerAnswer::Attached(attached)) => {
                    self.subscribe_mirrored((shard, asker), channel, terms, Some(Box::new(attached)), tried, now);
                }
                other => {
                    let error = refusal(other);
                    if error.kind == ErrorKind::Internal {
                        self.home.doubt_row(&channel, &terms, now);
                    }
                    self.refuse_subscriber((shard, asker), channel, &terms, error, now);
                }
            },
            Wanted::Notes(channel) => {
                let result = result.and_then(|answer| match answer {
                    LedgerAnswer::Noted(noted) => Ok(noted),
                    _ => Err(astray()),
                });
                for (waiter, outcome) in self.home.noted(&channel, result, now) {
                    self.settled(waiter, outcome.map(|()| Position::default()), now);
                }
            }
            Wanted::OwnUnread(shard, asker) => {
                let unread = member(result).map(|member| told(&unread(&member)));
                self.answer_receiver(shard, asker, unread, now);
            }
            Wanted::OwnPositions(shard, asker, channel, name) => match member(result) {
                Ok(member) if member.members as usize <= RECEIPT_MEMBERS_MAX => {
                    let ask = LedgerAsk::Members { after: Box::default(), limit: RECEIPT_MEMBERS_MAX as u32 };
                    self.home.ask_ledger(&channel, ask, Wanted::AllPositions(shard, asker));
                }
                Ok(member) => {
                    let LedgerMember { life, top, received, read, .. } = *member;
                    let whose = Whose { user: &name.user, device: &name.device };
                    let receipts = self.home.delivery.receipts_of(&channel, whose);
                    let users = vec![MemberPosition { user: name.user, received, read }];
                    let positions = Positions { epoch: life.epoch(), offset: top, users, receipts };
                    self.answer_receiver(shard, asker, Ok(told(&positions)), now);
                }
                Err(error) => self.answer_receiver(shard, asker, Err(error), now),
            },
            Wanted::AllPositions(shard, asker) => {
                self.answer_receiver(shard, asker, positions(result).map(|positions| told(&positions)), now);
            }
            Wanted::Members(answer) => drop(answer.send(positions(result))),
            Wanted::Devices(answer) => drop(answer.send(member(result).map(|member| devices(*member)))),
            Wanted::Unread(answer) => drop(answer.send(member(result).map(|member| unread(&member)))),
            Wanted::Change(change) => match result {
                Ok(LedgerAnswer::Done) => self.change_shared_members(change),
                other => drop(change.answer.send(Err(refusal(other)))),
            },
            Wanted::Letters(channel, answer) => {
                let letters = match result {
                    Ok(LedgerAnswer::Letters(letters)) => {
                        Ok(letters.into_iter().filter_map(|letter| dead_letter(&channel, letter)).collect())
                    }
                    other => Err(refusal(other)),
                };
                drop(answer.send(letters));
            }
            Wanted::Requeue(channel, offset, answer) => match result {
                Ok(LedgerAnswer::Requeued(requeuing)) => self.requeued(channel, offset, requeuing, answer, now),
                other => drop(answer.send(Err(refusal(other)))),
            },
            Wanted::Purge(answer) => {
                let purged = match result {
                    Ok(LedgerAnswer::Purged(purged)) => Ok(purged as usize),
                    other => Err(refusal(other)),
                };
                drop(answer.map(|answer| answer.send(purged)));
            }
            Wanted::Watched(channel) => {
                let members = match result {
                    Ok(LedgerAnswer::Watched(members)) => Some(members),
                    _ => None,
                };
                self.home.delivery.watched(&channel, members);
            }
            Wanted::Left(channel, name) => self.home.left(channel, name, result.is_ok(), now),
        }
    }

    /// A device asks something that its channel's ledger knows.
    pub(super) fn ask_for_device(
        &mut self,
        (shard, asker): (u16, Asker),
        channel: &Arc<str>,
        user: Arc<str>,
        question: Question,
    ) {
        let wanted = match question {
            Question::Unread => Wanted::OwnUnread(shard, asker),
            Question::Positions(device) => {
                let name = DeviceName { user: user.clone(), device };
                Wanted::OwnPositions(shard, asker, channel.clone(), name)
            }
        };
        self.home.ask_ledger(channel, LedgerAsk::Member(user), wanted);
    }

    /// Carries out a backend's order about a channel that several nodes share, or gives it back.
    pub(super) fn shared_inbox_order(&mut self, order: InboxOrder) -> Option<InboxOrder> {
        let channel = order.channel().filter(|channel| self.home.shared_inbox(channel).is_some()).cloned();
        let Some(channel) = channel else { return Some(order) };
        if let Err(error) = self.home.check_ledger_room() {
            order.refuse(error);
            return None;
        }
        let (ask, wanted) = match order {
            InboxOrder::AddMembers(channel, users, answer) => {
                self.change_shared_members(MemberChange { channel, users, told: 0, belong: true, answer });
                return None;
            }
            InboxOrder::RemoveMembers(channel, users, answer) => {
                self.change_shared_members(MemberChange { channel, users, told: 0, belong: false, answer });
                return None;
            }
            InboxOrder::Members(_, after, limit, answer) => {
                (LedgerAsk::Members { after, limit: limit as u32 }, Wanted::Members(answer))
            }
            InboxOrder::Devices(_, user, answer) => (LedgerAsk::Member(user), Wanted::Devices(answer)),
            InboxOrder::Unread(_, user, answer) => (LedgerAsk::Member(user), Wanted::Unread(answer)),
            InboxOrder::DeadLetters(filter, answer) => {
                let (after, user) = (filter.after.1, filter.user.clone());
                let since_unix_ms = filter.since_unix_ms.max(0);
                let limit = filter.limit as u32;
                let ask = LedgerAsk::Letters(LetterFilter { after, user, since_unix_ms, limit });
                (ask, Wanted::Letters(channel.clone(), answer))
            }
            InboxOrder::Requeue(_, offset, answer) => {
                (LedgerAsk::Requeue(offset), Wanted::Requeue(channel.clone(), offset, answer))
            }
            InboxOrder::Purge(_, offset, answer) => (LedgerAsk::Purge(offset), Wanted::Purge(Some(answer))),
            // What has happened is remembered where it has.
            order @ InboxOrder::Trace(..) => return Some(order),
        };
        self.home.ask_ledger(&channel, ask, wanted);
        None
    }

    /// Tells a ledger the next of those who belong to its channel, or do no longer; so many by one call.
    fn change_shared_members(&mut self, change: MemberChange) {
        let MemberChange { channel, users, told, belong, .. } = &change;
        let until = users.len().min(told + LEDGER_MEMBERS_PER_CALL);
        let next = &users[*told..until];
        if next.is_empty() {
            return drop(change.answer.send(Ok(())));
        }
        let ask = match belong {
            true => self.home.addition(channel, next),
            false => Ok(LedgerAsk::Remove(next.to_vec())),
        };
        match ask {
            Ok(ask) => {
                let channel = channel.clone();
                self.home.ask_ledger(&channel, ask, Wanted::Change(MemberChange { told: until, ..change }));
            }
            Err(error) => drop(change.answer.send(Err(error))),
        }
    }

    fn requeued(
        &mut self,
        channel: Arc<str>,
        offset: u64,
        requeuing: Requeuing,
        answer: Responder<Position>,
        now: Now,
    ) {
        let none = |why| ErrorKind::NotAvailable.because(why);
        let error = match requeuing {
            Requeuing::Again(life) => return drop(answer.send(Ok(Position { offset, epoch: life.epoch() }))),
            Requeuing::Anew(letter) => match self.publish_letter(&channel, &letter, now) {
                Ok(Outcome::Later(later)) => {
                    return self.home.wait(later, Waiter::Republisher(answer, channel, offset));
                }
                Ok(Outcome::Done(position)) => return drop(answer.send(Ok(position))),
                Err(error) => error,
            },
            Requeuing::None => none("not available: no such dead letter"),
            Requeuing::Nobody => none("not available: none of its devices is known any more"),
        };
        drop(answer.send(Err(error)));
    }

    fn publish_letter(
        &mut self,
        channel: &Arc<str>,
        letter: &LetterBody,
        now: Now,
    ) -> Result<Outcome<Position>, Error> {
        let options = self.home.policy.hub_options(channel)?;
        let unreadable = || ErrorKind::Internal.because("internal server error: the dead letter cannot be read");
        let publication = unpack(channel, letter).ok_or_else(unreadable)?;
        let message = NewPublication {
            info: publication.info.clone(),
            tags: publication.tags.clone(),
            ..NewPublication::new(publication.data.clone())
        };
        self.home.publish(channel, message, options, None, self.me, now)
    }

    /// A dead letter was published anew, or was not: it is none any more then.
    pub(super) fn republished(
        &mut self,
        outcome: Result<Position, Error>,
        answer: Responder<Position>,
        channel: &Arc<str>,
        offset: u64,
    ) {
        if outcome.is_ok() {
            self.home.ask_ledger(channel, LedgerAsk::Purge(Some(offset)), Wanted::Purge(None));
        }
        drop(answer.send(outcome));
    }
}

fn refusal(result: Result<LedgerAnswer, Error>) -> Error {
    result.map_or_else(|error| error, |_| astray())
}

fn member(result: Result<LedgerAnswer, Error>) -> Result<Box<LedgerMember>, Error> {
    match result {
        Ok(LedgerAnswer::Member(member)) => member.ok_or_else(|| ErrorKind::PermissionDenied.into()),
        other => Err(refusal(other)),
    }
}

fn positions(result: Result<LedgerAnswer, Error>) -> Result<Positions, Error> {
    match result {
        Ok(LedgerAnswer::Members(MembersPage { life, top, users, .. })) => {
            let position =
                |one: MemberPositions| MemberPosition { user: one.user, received: one.received, read: one.read };
            let users = users.into_iter().map(position).collect();
            Ok(Positions { epoch: epoch(life), offset: top, users, receipts: Vec::new() })
        }
        other => Err(refusal(other)),
    }
}

fn devices(member: LedgerMember) -> MemberDevices {
    let LedgerMember { life, top, received, read, devices, .. } = member;
    let position = |(device, received, connected)| DevicePosition { device, received, connected };
    let devices = devices.into_iter().map(position).collect();
    MemberDevices { epoch: epoch(life), offset: top, received, read, devices }
}

fn unread(member: &LedgerMember) -> Unread {
    let LedgerMember { life, top, read, .. } = *member;
    Unread { epoch: epoch(life), offset: top, read, unread: top.saturating_sub(read) }
}

/// Of no stream there is none.
fn epoch(life: Life) -> Arc<str> {
    if life == Life::default() { Arc::default() } else { life.epoch() }
}

/// A dead letter of a channel, as its bucket keeps it; `None` where its publication cannot be read, being of a later version.
pub fn dead_letter(channel: &Arc<str>, letter: Letter) -> Option<DeadLetter> {
    let Letter { life, body, failures, more } = letter;
    let failure = |(DeviceName { user, device }, attempts, at_unix_ms)| Failure { user, device, attempts, at_unix_ms };
    Some(DeadLetter {
        channel: channel.clone(),
        epoch: life.epoch(),
        publication: unpack(channel, &body)?,
        failures: failures.into_iter().map(failure).collect(),
        more,
    })
}
