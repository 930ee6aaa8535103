//! Publications that are to come: what backends ask of them, and publishing what is due.

use tokio::sync::oneshot;

use super::Broker;
use super::home::{Outcome, Waiter};
use super::orders::check_ttl;
use super::publish::Publish;
use super::schedule_order::{ScheduleOrder, Scheduled};
use crate::limits::SCHEDULED_PER_TICK;
use crate::model::refusal::{Error, ErrorKind};
use crate::time::Now;

impl Broker {
    /// Carries one out, and answers it.
    pub(super) fn schedule_order(&mut self, order: ScheduleOrder, now: Now) {
        // An asker that goes meanwhile is nobody's loss.
        match order {
            ScheduleOrder::Publish(publish, delay_ms, answer) => {
                drop(answer.send(self.schedule(publish, delay_ms, now)))
            }
            ScheduleOrder::Cancel(channel, id, answer) => drop(answer.send(self.home.schedule.cancel(&channel, id))),
            ScheduleOrder::List(channel, limit, answer) => {
                let known = self.home.policy.hub_options(&channel);
                let list = known.map(|_| self.home.schedule.list(&channel, limit));
                self.walks.looked_at(list.as_ref().map_or(0, Vec::len));
                drop(answer.send(list));
            }
        }
    }

    fn schedule(&mut self, publish: Box<Publish>, delay_ms: u64, now: Now) -> Result<Scheduled, Error> {
        let options = self.home.policy.hub_options(&publish.channel)?;
        if options.is_durable {
            let why = "not available: a restart would forget what is scheduled, and the channel is kept on disk";
            return Err(ErrorKind::NotAvailable.because(why));
        }
        check_ttl(&publish, options)?;
        if let Some(key) = &publish.idempotency_key {
            if let Some(id) = self.home.schedule.find(&publish.channel, key) {
                return Ok(Scheduled::Waits(id));
            }
            if let Some(position) = self.home.hub.published_before(&publish.channel, key, now) {
                return Ok(Scheduled::Published(position));
            }
        }
        self.home.schedule.add(publish, delay_ms, now).map(Scheduled::Waits)
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

    /// Publishes what is due, as far as this tick may; the rest in the next.
    pub(super) fn publish_due(&mut self, now: Now) {
        let mut left = SCHEDULED_PER_TICK;
        while left > 0
            && !self.is_crowded()
            && !self.post.is_congested()
            && let Some(publish) = self.home.schedule.next_due(now)
        {
            left -= 1;
            let channel = publish.channel.clone();
            match self.publish_for_backend(*publish, now) {
                // Nobody waits for the answer.
                Ok(Outcome::Later(pending)) => self.home.wait(pending, Waiter::Publisher(oneshot::channel().0)),
                Ok(Outcome::Done(_)) => {}
                Err(error) => tracing::warn!(%channel, ?error, "a scheduled publication was refused when it was due"),
            }
            self.finish(now);
        }
        self.is_behind_schedule = left == 0;
    }
}
