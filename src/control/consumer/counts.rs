//! What is counted of calls from Kafka. Always there: what a node without Kafka counts is nothing.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::outcome::Outcome;

/// See the module.
#[derive(Debug)]
pub(in crate::control) struct CallCounts {
    outcomes: Family<[(&'static str, &'static str); 1], Counter>,
    /// Times that a call was refused for now, and tried again.
    pub(super) retries: Counter,
    /// Records that were taken, from the first of each partition that is not done on.
    pub(super) waiting: Gauge,
}

impl Default for CallCounts {
    fn default() -> Self {
        let this = Self { outcomes: Family::default(), retries: Counter::default(), waiting: Gauge::default() };
        for outcome in Outcome::NAMES {
            drop(this.outcomes.get_or_create(&[("outcome", outcome)]));
        }
        this
    }
}

impl CallCounts {
    /// Something became of a record.
    pub(super) fn count(&self, outcome: &Outcome) {
        self.outcomes.get_or_create(&[("outcome", outcome.name())]).inc();
    }

    /// Writes what was counted.
    pub(in crate::control) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Self { outcomes, retries, waiting } = self;
        let help = "Records of the topic of calls, by what became of them";
        outcomes.encode(encoder.encode_descriptor("ringpost_kafka_calls", help, None, outcomes.metric_type())?)?;
        let help = "Times that a call of the topic of calls was refused for the time being, and tried again";
        retries.encode(encoder.encode_descriptor(
            "ringpost_kafka_call_retries",
            help,
            None,
            retries.metric_type(),
        )?)?;
        let help = "Records of the topic of calls that were taken and are not committed";
        waiting.encode(encoder.encode_descriptor("ringpost_kafka_calls_waiting", help, None, waiting.metric_type())?)
    }
}
