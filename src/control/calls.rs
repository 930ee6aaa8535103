//! How the backend API is used: how long calls of each method take, and what is refused.
//!
//! Written by the control plane's thread, and by that of calls from Kafka. Methods and codes are few, whoever calls.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use crate::model::refusal::ErrorKind;
use crate::protocol::centrifuge::codes;

/// Upper bounds of the buckets, seconds: a call takes some hundred microseconds, and is given up after
/// `API_CALL_TIMEOUT_MS`.
const BUCKETS_S: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 8.0];

type Labels<const N: usize> = [(&'static str, String); N];

/// Counts of all calls.
#[derive(Debug)]
pub(super) struct Calls {
    durations: Family<Labels<1>, Histogram>,
    errors: Family<Labels<2>, Counter>,
    rejections: Family<Labels<1>, Counter>,
}

impl Calls {
    /// Nothing was called yet.
    pub(super) fn new() -> Self {
        Self {
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS_S)),
            errors: Family::default(),
            rejections: Family::default(),
        }
    }

    /// There is a method of this name: it counts from 0.
    pub(super) fn expect(&self, method: &'static str) {
        drop(self.durations.get_or_create(&[("method", method.into())]));
    }

    /// A call was answered.
    pub(super) fn count(&self, method: &'static str, took: Duration, refused: Option<ErrorKind>) {
        self.durations.get_or_create(&[("method", method.into())]).observe(took.as_secs_f64());
        if let Some(kind) = refused {
            let (code, ..) = codes::of_error(kind);
            self.errors.get_or_create(&[("method", method.into()), ("code", code.to_string())]).inc();
        }
    }

    /// A request below `/api` was no call.
    pub(super) fn reject(&self, status: u16) {
        self.rejections.get_or_create(&[("status", status.to_string())]).inc();
    }

    /// Writes what was counted.
    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (durations, errors, rejections) = (&self.durations, &self.errors, &self.rejections);
        let help = "How long calls of the backend API took, by method; those of a batch count by themselves, too";
        let (name, unit) = ("ringpost_api_call_duration", Some(&Unit::Seconds));
        durations.encode(encoder.encode_descriptor(name, help, unit, durations.metric_type())?)?;
        let help = "Calls of the backend API that were refused, by method and error code";
        errors.encode(encoder.encode_descriptor("ringpost_api_errors", help, None, errors.metric_type())?)?;
        let help = "Requests to the backend API that were no call, by HTTP status";
        rejections.encode(encoder.encode_descriptor("ringpost_api_rejections", help, None, rejections.metric_type())?)
    }
}
