//! `POST /api`: calls as lines of `{"method": …, "params": …}`, answered by as many lines. The form of older libraries for
//! backends.

use std::pin::Pin;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::Instant;

use super::key::Authorized;
use super::list::{Visitor, visit};
use super::method::Method;
use super::reply::{Rejection, Reply};
use super::shape::Object;
use super::{deadline, request, run_until};
use crate::control::refused::RefusedWith;
use crate::control::state::ControlState;
use crate::limits::BATCH_COMMANDS_MAX;
use crate::model::refusal::{Error, ErrorKind};

/// One call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    /// Given back in the answer.
    id: u32,
    /// In any case.
    method: String,
    params: Option<Box<RawValue>>,
}

/// One answer.
#[derive(Debug, Serialize)]
struct LineReply {
    #[serde(skip_serializing_if = "is_zero")]
    id: u32,
    #[serde(flatten)]
    reply: Reply<Box<RawValue>>,
}

fn is_zero(id: &u32) -> bool {
    *id == 0
}

/// Carries the lines out, one after the other, once all of them were understood.
pub(super) async fn call(
    State(state): State<Arc<ControlState>>,
    _: Authorized,
    body: Body,
) -> Result<Response, Rejection> {
    let body = request::whole(body).await?;
    let lines = read(&body)?;
    let deadline = deadline();
    let (mut answers, mut refused) = (Vec::new(), None);
    for Line { id, method, params } in lines {
        let reply = Reply::from(carry_out(&state, &method, params.as_deref(), deadline).await);
        if let Reply::Error(error) = &reply {
            refused.get_or_insert(Extension(RefusedWith::of(error)));
        }
        if !answers.is_empty() {
            answers.push(b'\n');
        }
        serde_json::to_writer(&mut answers, &LineReply { id, reply }).expect("an answer is written as JSON");
    }
    Ok((refused, [(CONTENT_TYPE, "application/json")], answers).into_response())
}

fn read(body: &[u8]) -> Result<Vec<Line>, Rejection> {
    let mut lines = Vec::new();
    for line in serde_json::Deserializer::from_slice(body).into_iter::<Object<Line>>() {
        let Object(line) = line.map_err(|error| Rejection::BadRequest(format!("line {}: {error}", lines.len() + 1)))?;
        lines.push(line);
        if lines.len() > BATCH_COMMANDS_MAX {
            return Err(Rejection::BadRequest(format!("limit exceeded: more than {BATCH_COMMANDS_MAX} commands")));
        }
    }
    if lines.is_empty() {
        return Err(Rejection::BadRequest("the body is missing: send lines of {\"method\": …, \"params\": …}".into()));
    }
    Ok(lines)
}

type Call<'a> = Pin<Box<dyn Future<Output = Result<Box<RawValue>, Error>> + Send + 'a>>;

/// Looks for the method of a line among all.
struct Finder<'a> {
    state: &'a ControlState,
    method: &'a str,
    params: &'a str,
    /// By when it is to be carried out wherever it must; `None`: on this node alone, for another.
    deadline: Option<Instant>,
    call: Option<Call<'a>>,
}

impl Visitor for Finder<'_> {
    fn see<M: Method>(&mut self) {
        if !self.method.eq_ignore_ascii_case(M::NAME) {
            return;
        }
        let Self { state, params, deadline, .. } = *self;
        self.call = Some(Box::pin(async move {
            let wrong = |error| ErrorKind::BadRequest.because(format!("bad request: params: {error}"));
            let Object(method) = serde_json::from_str::<Object<M>>(params).map_err(wrong)?;
            let result = match deadline {
                Some(deadline) => run_until(method, state, deadline).await?,
                None => method.run(state).await?,
            };
            Ok(to_raw_value(&result).expect("a result is written as JSON"))
        }));
    }
}

async fn carry_out(
    state: &ControlState,
    method: &str,
    params: Option<&RawValue>,
    deadline: Instant,
) -> Result<Box<RawValue>, Error> {
    if method.is_empty() {
        return Err(ErrorKind::BadRequest.because("bad request: method is missing"));
    }
    find(state, method, params.map_or("{}", RawValue::get), Some(deadline)).await
}

async fn find(
    state: &ControlState,
    method: &str,
    params: &str,
    deadline: Option<Instant>,
) -> Result<Box<RawValue>, Error> {
    let mut finder = Finder { state, method, params, deadline, call: None };
    visit(&mut finder);
    match finder.call {
        Some(call) => call.await,
        None => Err(ErrorKind::MethodNotFound.into()),
    }
}

/// Carries out what a record calls for, wherever it must be.
///
/// # Errors
/// What the method refuses; 100 when it has no answer at the deadline.
pub(in crate::control) async fn carry_out_from_record(
    state: &ControlState,
    method: &str,
    request: &str,
) -> Result<Box<RawValue>, Error> {
    find(state, method, request, Some(deadline())).await
}

/// Carries out what another node was called for, as far as it concerns this one.
///
/// # Errors
/// What the method refuses.
pub(in crate::control) async fn carry_out_here(
    state: &ControlState,
    method: &str,
    request: &str,
) -> Result<Box<RawValue>, Error> {
    find(state, method, request, None).await
}
