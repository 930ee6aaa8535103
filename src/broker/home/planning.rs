//! What is to come in channels that several nodes share: it waits in the channel's bucket, and comes from there like all else.

use std::sync::Arc;

use super::Home;
use super::plans::Planner;
use super::schedule::check_delay;
use crate::broker::bridge::{Outgoing, ScheduleAsk, Ticket};
use crate::broker::packed::packed;
use crate::broker::publish::Publish;
use crate::hub::{HubOptions, NewPublication};
use crate::limits::ASKED_OF_BUCKETS_MAX;
use crate::model::refusal::{Error, ErrorKind};
use crate::model::weight;

impl Home {
    /// Asks a bucket about what is to come in one of its channels.
    pub(in crate::broker) fn plan(&mut self, channel: Arc<str>, ask: ScheduleAsk, planner: Planner) {
        if self.plans.0.len() >= ASKED_OF_BUCKETS_MAX {
            let why = "internal server error: too much waits for what the nodes share";
            return planner.refuse(ErrorKind::Internal.because(why));
        }
        let ticket = Ticket(self.plans.0.insert(planner) as u64);
        self.mirrors.outgoing.push(Outgoing::Schedule { ticket, channel, ask: Box::new(ask) });
    }

    /// How a bucket is asked to publish something later.
    ///
    /// # Errors
    /// As [`check_delay`] and `Home::check_weight`; [`ErrorKind::NotAvailable`] where publications go by way of Kafka: from the
    /// bucket they would go past it.
    pub(in crate::broker) fn later(
        &self,
        publish: Publish,
        delay_ms: u64,
        options: HubOptions,
    ) -> Result<ScheduleAsk, Error> {
        check_delay(delay_ms)?;
        if options.is_relayed {
            return Err(
                ErrorKind::NotAvailable.because("not available: no delay in channels with acknowledge = \"kafka\"")
            );
        }
        let Publish { channel, data, tags, skip_history, idempotency_key, version, ttl_ms, exclude_client } = publish;
        self.check_weight(channel.len() + weight(&data, None, tags.as_ref()))?;
        let message =
            NewPublication { tags, skip_history, idempotency_key, version, ttl_ms, ..NewPublication::new(data) };
        // The ticket is that of the question.
        let publish = packed(Ticket(0), channel, message, options, exclude_client);
        Ok(ScheduleAsk::Add(delay_ms, publish))
    }
}
