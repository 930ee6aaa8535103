//! Publications that are to come: what backends ask of them, and publishing what is due.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Broker;
use super::body::Told;
use super::bridge::{ScheduleAnswer, ScheduleAsk, Ticket};
use super::home::{Outcome, Planner, Waiter, scheduled_record};
use super::letter::Level;
use super::publish::Publish;
use super::schedule_order::{ScheduleOrder, Scheduled, ToCome};
use crate::limits::SCHEDULED_PER_TICK;
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{ScheduledId, weight};
use crate::store::Record;
use crate::time::Now;

impl Broker {
    /// Carries one out, and answers it.
    pub(super) fn schedule_order(&mut self, order: ScheduleOrder, now: Now) {
        let Some(order) = self.shared_schedule_order(order) else { return };
        // An asker that goes meanwhile is nobody's loss.
        match order {
            ScheduleOrder::Publish(publish, delay_ms, answer) => match self.schedule(publish, delay_ms, now) {
                Ok((scheduled, Level::Disk)) => self.answer_from_disk(Waiter::Scheduler(answer, scheduled), now),
                outcome => drop(answer.send(outcome.map(|(scheduled, _)| scheduled))),
            },
            ScheduleOrder::Cancel(channel, id, answer) => match self.cancel(&channel, id) {
                Ok(Level::Disk) => self.answer_from_disk(Waiter::Remover(answer), now),
                outcome => drop(answer.send(outcome.map(drop))),
            },
            ScheduleOrder::List(channel, limit, answer) => {
                let known = self.home.policy.hub_options(&channel);
                let list = known.map(|_| self.home.schedule.list(&channel, limit));
                self.walks.looked_at(list.as_ref().map_or(0, Vec::len));
                drop(answer.send(list));
            }
        }
    }

    /// Carries out an order about a channel that several nodes share, by its bucket, or gives it back.
    fn shared_schedule_order(&mut self, order: ScheduleOrder) -> Option<ScheduleOrder> {
        let options = self.home.policy.hub_options(order.channel());
        let Some(options) = options.ok().filter(|options| options.is_mirrored) else { return Some(order) };
        let channel = order.channel().clone();
        let (ask, planner) = match order {
            ScheduleOrder::Publish(publish, delay_ms, answer) => {
                (self.home.later(*publish, delay_ms, options), Planner::Publish(answer))
            }
            ScheduleOrder::Cancel(_, id, answer) => (Ok(ScheduleAsk::Cancel(id)), Planner::Cancel(answer)),
            ScheduleOrder::List(_, limit, answer) => (Ok(ScheduleAsk::List(limit as u32)), Planner::List(answer)),
        };
        match ask {
            Ok(ask) => self.home.plan(channel, ask, planner),
            Err(error) => planner.refuse(error),
        }
        None
    }

    /// A bucket has answered about what is to come.
    pub(super) fn schedule_answered(&mut self, ticket: Ticket, result: Result<ScheduleAnswer, Error>) {
        let planner = self.home.plans.answered(ticket);
        let unknown = || ErrorKind::NotAvailable.because("not available: no such scheduled publication");
        match (planner, result) {
            (Planner::Publish(answer), Ok(ScheduleAnswer::Waits(id))) => drop(answer.send(Ok(Scheduled::Waits(id)))),
            (Planner::Publish(answer), Ok(ScheduleAnswer::Published(receipt))) => {
                drop(answer.send(Ok(Scheduled::Published(receipt.position()))));
            }
            (Planner::Cancel(answer), Ok(ScheduleAnswer::Cancelled(has_waited))) => {
                drop(answer.send(if has_waited { Ok(()) } else { Err(unknown()) }));
            }
            (Planner::List(answer), Ok(ScheduleAnswer::ToCome(list))) => {
                drop(answer.send(Ok(list.into_iter().filter_map(to_come).collect())));
            }
            (planner, Err(error)) => planner.refuse(error),
            (planner, Ok(_)) => planner.refuse(ErrorKind::Internal.into()),
        }
    }

    /// Has a publication wait until it is due; what is answered, once it is kept at this level.
    fn schedule(&mut self, publish: Box<Publish>, delay_ms: u64, now: Now) -> Result<(Scheduled, Level), Error> {
        let options = self.home.policy.hub_options(&publish.channel)?;
        let level = Level::of(options);
        if let Some(key) = &publish.idempotency_key {
            if let Some(id) = self.home.schedule.find(&publish.channel, key) {
                return Ok((Scheduled::Waits(id), level));
            }
            if let Some(position) = self.home.hub.published_before(&publish.channel, key, now) {
                return Ok((Scheduled::Published(position), level));
            }
        }
        let bytes = weight(&publish.data, None, publish.tags.as_ref());
        self.home.check_weight(publish.channel.len() + bytes)?;
        let id = self.home.schedule.admit(&publish, delay_ms, now)?;
        if level == Level::Disk {
            self.home.hub.keep(&Record::Scheduled(scheduled_record(id, &publish)))?;
        }
        self.home.schedule.add(id, publish, level);
        Ok((Scheduled::Waits(id), level))
    }

    /// Has one not come; at which level it has waited.
    fn cancel(&mut self, channel: &Arc<str>, id: ScheduledId) -> Result<Level, Error> {
        let level = self.home.schedule.level_of(channel, id)?;
        if level == Level::Disk {
            self.home.hub.keep(&Record::Unscheduled(channel, id))?;
        }
        self.home.schedule.remove(id);
        Ok(level)
    }

    /// An idempotency key that waits is taken: a message with it that is not to wait is another.
    ///
    /// # Errors
    /// [`ErrorKind::BadRequest`], with the id of the one that waits.
    pub(super) fn check_scheduled(&self, publish: &Publish) -> Result<(), Error> {
        let key = publish.idempotency_key.as_ref();
        match key.and_then(|key| self.home.schedule.find(&publish.channel, key)) {
            None => Ok(()),
            Some(id) => {
                Err(ErrorKind::BadRequest.because(format!("bad request: the key is that of {id}, which waits")))
            }
        }
    }

    /// Publishes what is due, as far as this tick may; the rest in the next. What is on disk waits for a disk that takes it.
    pub(super) fn publish_due(&mut self, now: Now) {
        self.is_behind_schedule = false;
        for level in Level::ALL {
            let mut left = SCHEDULED_PER_TICK;
            while left > 0
                && !self.is_crowded()
                && !self.post.is_congested()
                && self.home.takes(level)
                && let Some((id, publish)) = self.home.schedule.next_due(level, now)
            {
                left -= 1;
                self.publish_scheduled((id, level), *publish, now);
                self.finish(now);
            }
            self.is_behind_schedule |= left == 0;
        }
    }

    fn publish_scheduled(&mut self, (id, level): (ScheduledId, Level), publish: Publish, now: Now) {
        let channel = publish.channel.clone();
        let on_disk = (level == Level::Disk).then_some(id);
        match self.publish_for_backend(publish, on_disk, now) {
            // Nobody waits for the answer.
            Ok(Outcome::Later(pending)) => self.home.wait(pending, Waiter::Publisher(oneshot::channel().0)),
            Ok(Outcome::Done(_)) => {}
            Err(error) => {
                if on_disk.is_some() {
                    self.home.hub.log.append(&Record::Unscheduled(&channel, id));
                }
                tracing::warn!(%channel, ?error, "a scheduled publication was refused when it was due");
            }
        }
    }
}

/// A publication that waits in a bucket, if it can be read.
fn to_come((id, body): (ScheduledId, Bytes)) -> Option<ToCome> {
    match Told::unpack(body) {
        Ok(Told::Publication { data, tags, .. }) => Some(ToCome { id, data, tags }),
        _ => None,
    }
}
