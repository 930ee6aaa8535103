//! The backend API: `POST /api/<method>`, one file per method.
//!
//! Fields, shapes and error codes are those of Centrifugo's HTTP API, so that its libraries for backends work
//! unchanged. What a method refuses is an error inside a 200; what is no call at all is a 400, 401, 404 or 413
//! with the same error object.

mod batch;
mod broadcast;
mod channels;
mod connections;
mod disconnect;
mod history;
mod history_remove;
mod info;
mod key;
mod openapi;
mod payload;
mod presence;
mod presence_stats;
mod publish;
mod refresh;
mod reply;
mod request;
mod subscribe;
mod unsubscribe;
mod who;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use self::key::Authorized;
use self::reply::{Refusal, Reply};
use super::state::ControlState;
use crate::limits::API_CALL_TIMEOUT_MS;
use crate::model::refusal::Error;

/// One method: a request that knows how it is carried out. Its comment and its fields' comments are the
/// method's documentation.
trait Method: DeserializeOwned + JsonSchema + Send + 'static {
    /// As in the path.
    const NAME: &'static str;
    /// What it answers.
    type Result: Serialize + JsonSchema + Send + 'static;

    /// Carries it out.
    fn run(self, state: &ControlState) -> impl Future<Output = Result<Self::Result, Error>> + Send;
}

/// Somebody who wants to see every method.
trait Visitor {
    /// Sees one.
    fn see<M: Method>(&mut self);
}

/// Shows all methods but `batch`, which is made of them: the one list that paths and documentation follow.
fn visit(visitor: &mut impl Visitor) {
    visitor.see::<publish::Publish>();
    visitor.see::<broadcast::Broadcast>();
    visitor.see::<subscribe::Subscribe>();
    visitor.see::<unsubscribe::Unsubscribe>();
    visitor.see::<disconnect::Disconnect>();
    visitor.see::<refresh::Refresh>();
    visitor.see::<presence::Presence>();
    visitor.see::<presence_stats::PresenceStats>();
    visitor.see::<history::History>();
    visitor.see::<history_remove::HistoryRemove>();
    visitor.see::<channels::Channels>();
    visitor.see::<connections::Connections>();
    visitor.see::<info::Info>();
}

/// The paths below `/api`.
pub(super) fn routes() -> Router<Arc<ControlState>> {
    struct Routes(Router<Arc<ControlState>>);
    impl Visitor for Routes {
        fn see<M: Method>(&mut self) {
            self.0 = std::mem::take(&mut self.0).route(&format!("/{}", M::NAME), post(call::<M>));
        }
    }
    let mut routes = Routes(Router::new());
    visit(&mut routes);
    routes.0.route("/batch", post(batch::call)).route("/openapi.json", get(openapi::serve)).fallback(unknown)
}

async fn call<M: Method>(
    State(state): State<Arc<ControlState>>,
    _: Authorized,
    body: Body,
) -> Result<Json<Reply<M::Result>>, Refusal> {
    let method: M = request::read(body).await?;
    Ok(Json(Reply::from(until(deadline(), method.run(&state)).await)))
}

/// When a call that begins now must be answered: a shard that hangs must not keep a backend waiting.
fn deadline() -> Instant {
    Instant::now() + Duration::from_millis(API_CALL_TIMEOUT_MS)
}

async fn until<T>(deadline: Instant, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = Error::INTERNAL.because(
        "internal server error: the shards did not answer in time; what they had not begun is not done, what they had \
         begun is",
    );
    timeout_at(deadline, work).await.unwrap_or(Err(late))
}

async fn unknown() -> Refusal {
    Refusal::UnknownMethod
}
