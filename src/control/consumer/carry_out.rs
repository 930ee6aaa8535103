//! One call: carried out as `POST /api` does, again while it is refused for the time being, or given up.

use std::time::Duration;

use rand::Rng as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};

use super::call::Call;
use super::outcome::Outcome;
use crate::cluster::kafka::dead::bury;
use crate::cluster::kafka::producer::Producer;
use crate::cluster::kafka::taken::Taken;
use crate::config::{CallMethod, KafkaConfig};
use crate::control::api::carry_out_from_record;
use crate::control::state::ControlState;
use crate::limits::{CALL_PAUSE_MS, CALL_PAUSE_MS_MAX, CALL_REASON_BYTES_MAX};
use crate::model::refusal::{Error, ErrorKind};
use crate::protocol::centrifuge::codes::{CodedError, of_error};

/// Carries a record out, or buries it. Returns when either is done; what is buried waits for Kafka as long as that takes.
pub(super) async fn carry_out(state: &ControlState, producer: &Producer, record: &Taken) {
    let config = state.config();
    let kafka = &config.cluster.kafka;
    let outcome = match Call::read(record, &kafka.topics.calls, &kafka.call_methods) {
        Ok(call) => again_and_again(state, &call, kafka).await,
        Err(outcome) => outcome,
    };
    if outcome != Outcome::Done {
        bury_in_the_end(producer, kafka, record, &outcome).await;
    }
    state.call_counts.count(&outcome);
}

async fn again_and_again(state: &ControlState, call: &Call, kafka: &KafkaConfig) -> Outcome {
    let until = Instant::now() + kafka.call_retry.into();
    let mut pause = Pause::new();
    loop {
        let why = match once(state, call).await {
            Ok(()) => return Outcome::Done,
            Err(why) if !is_temporary(&why) => return Outcome::Refused(why.to_string()),
            Err(why) => why,
        };
        let next = pause.next();
        if Instant::now() + next > until {
            return Outcome::GivenUp(why.to_string());
        }
        state.call_counts.retries.inc();
        sleep(next).await;
    }
}

/// Carries it out. Of a broadcast what counts is the channel that may be tried again, or else the first that was refused.
async fn once(state: &ControlState, call: &Call) -> Result<(), CodedError<'static>> {
    let coded = |error: Error| {
        let (code, message, temporary) = of_error(error.kind);
        CodedError { code, message: error.message.unwrap_or(message.into()), temporary }
    };
    let result = carry_out_from_record(state, call.method.name(), &call.params).await.map_err(coded)?;
    if call.method != CallMethod::Broadcast {
        return Ok(());
    }
    let refused = refused_channels(&result);
    match refused.iter().position(is_temporary).or((!refused.is_empty()).then_some(0)) {
        Some(at) => Err(refused.into_iter().nth(at).expect("it has a place")),
        None => Ok(()),
    }
}

/// What a broadcast was refused in some of its channels.
fn refused_channels(result: &RawValue) -> Vec<CodedError<'static>> {
    #[derive(Deserialize)]
    struct Broadcast {
        responses: Vec<Response>,
    }
    #[derive(Deserialize)]
    struct Response {
        error: Option<CodedError<'static>>,
    }
    let broadcast: Broadcast = serde_json::from_str(result.get()).expect("it is what the method has written");
    broadcast.responses.into_iter().filter_map(|response| response.error).collect()
}

/// Whether the same call may do later. An answer of the API tells the code only.
fn is_temporary(error: &CodedError<'_>) -> bool {
    let temporary = [ErrorKind::Internal, ErrorKind::TooManyRequests];
    temporary.into_iter().any(|kind| of_error(kind).0 == error.code)
}

async fn bury_in_the_end(producer: &Producer, kafka: &KafkaConfig, record: &Taken, outcome: &Outcome) {
    let (topic, to) = (&kafka.topics.calls, &kafka.topics.calls_dead);
    let (partition, offset) = (record.partition, record.offset);
    let mut reason = outcome.to_string();
    reason.truncate(reason.floor_char_boundary(CALL_REASON_BYTES_MAX));
    // As a field, in which a stranger's words begin no line of their own.
    tracing::warn!(topic, partition, offset, reason, "a call from Kafka cannot be carried out");
    let mut pause = Pause::new();
    while let Err(fault) = bury(producer, to, record.dead(topic), &reason).await {
        if !fault.is_temporary() {
            tracing::error!(topic, partition, offset, to, "a call that cannot be carried out is not kept: {fault}");
            return;
        }
        tracing::warn!(topic, partition, offset, to, "a call that cannot be carried out waits to be kept: {fault}");
        sleep(pause.next()).await;
    }
}

/// How long to wait before the next attempt: twice as long each time, up to a bound, and not all at once.
struct Pause(u64);

impl Pause {
    fn new() -> Self {
        Self(CALL_PAUSE_MS)
    }

    fn next(&mut self) -> Duration {
        let pause_ms = rand::rng().random_range(self.0 / 2..=self.0);
        self.0 = (self.0 * 2).min(CALL_PAUSE_MS_MAX);
        Duration::from_millis(pause_ms)
    }
}
