//! Carries a call out: its request becomes the method's, and the method's result the answer.

use std::pin::Pin;
use std::sync::Arc;

use prost_reflect::DynamicMessage;
use serde::Serialize;
use tokio::time::Instant;
use tonic::Status;

use super::proto::Rpc;
use super::{read, write};
use crate::control::api::{BATCH, Batch, Done, Method, Reply, Visitor, carry_out_batch, run_until, visit};
use crate::control::state::ControlState;
use crate::model::refusal::{Error, ErrorKind};

/// An answer, and what was refused by it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) message: DynamicMessage,
    pub(super) refused: Option<Refused>,
}

/// What a method has refused.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// It itself; of a batch, whose answer tells each, only its code is known.
    pub(super) error: Option<Error>,
    /// Its code in replies.
    pub(super) code: u32,
}

/// Carries a call out.
///
/// # Errors
/// The request of a batch is none; an answer that cannot be written.
pub(super) async fn carry_out(
    state: &Arc<ControlState>,
    rpc: &Rpc,
    request: &DynamicMessage,
    deadline: Instant,
) -> Result<Answer, Status> {
    if rpc.method == BATCH {
        return batch(state, rpc, request).await;
    }
    let result = match read::json(request) {
        Ok(json) => call(state, rpc, &json, deadline).await,
        Err(error) => Err(ErrorKind::BadRequest.because(format!("bad request: {error}"))),
    };
    match result {
        Ok(message) => Ok(Answer { message, refused: None }),
        Err(error) => {
            let reply = Reply::<Done>::from(Err(error.clone()));
            let code = reply.refused().map_or(0, |error| error.code());
            let message = written(rpc, &reply).map_err(|error| Status::internal(told(error)))?;
            Ok(Answer { message, refused: Some(Refused { error: Some(error), code }) })
        }
    }
}

async fn call(state: &ControlState, rpc: &Rpc, json: &str, deadline: Instant) -> Result<DynamicMessage, Error> {
    let mut finder = Finder { state, rpc, json, deadline, call: None };
    visit(&mut finder);
    match finder.call {
        Some(call) => call.await,
        None => Err(ErrorKind::MethodNotFound.into()),
    }
}

type Call<'a> = Pin<Box<dyn Future<Output = Result<DynamicMessage, Error>> + Send + 'a>>;

/// Looks for the method of a call among all.
struct Finder<'a> {
    state: &'a ControlState,
    rpc: &'a Rpc,
    json: &'a str,
    deadline: Instant,
    call: Option<Call<'a>>,
}

impl Visitor for Finder<'_> {
    fn see<M: Method>(&mut self) {
        let Self { state, rpc, json, deadline, .. } = *self;
        if rpc.method != M::NAME {
            return;
        }
        self.call = Some(Box::pin(async move {
            let wrong = |error| ErrorKind::BadRequest.because(format!("bad request: {error}"));
            let method = serde_json::from_str::<M>(json).map_err(wrong)?;
            let result = run_until(method, state, deadline).await?;
            written(rpc, &Reply::Result(result))
        }));
    }
}

async fn batch(state: &Arc<ControlState>, rpc: &Rpc, request: &DynamicMessage) -> Result<Answer, Status> {
    let json = read::json(request).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let batch: Batch = serde_json::from_str(&json).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let reply = carry_out_batch(batch, state).await;
    let refused = reply.refused().map(|error| Refused { error: None, code: error.code() });
    let message = written(rpc, &reply).map_err(|error| Status::internal(told(error)))?;
    Ok(Answer { message, refused })
}

fn written(rpc: &Rpc, reply: &impl Serialize) -> Result<DynamicMessage, Error> {
    let misfit = |error| ErrorKind::Internal.because(format!("internal server error: the answer: {error}"));
    write::message(&rpc.response, reply).map_err(misfit)
}

fn told(error: Error) -> String {
    error.message.map_or_else(String::new, |message| message.into_owned())
}
