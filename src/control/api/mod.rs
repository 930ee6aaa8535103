//! The backend API: `POST /api/<method>`, one file per method; and `POST /api`, lines of calls.
//!
//! Fields, shapes and error codes are those of Centrifugo's HTTP API, so that its libraries for backends work
//! unchanged. What a method refuses is an error inside a 200; what is no call at all is a 400, 401, 404, 405,
//! 408 or 413 with the same error object.

mod badge_get;
mod badge_reset;
mod batch;
mod broadcast;
mod channels;
mod connections;
mod dead_letters_cursor;
mod dead_letters_list;
mod dead_letters_purge;
mod dead_letters_requeue;
mod dead_letters_show;
mod disconnect;
mod examples;
mod history;
mod history_remove;
mod inbox_positions;
mod inbox_unread;
mod info;
mod key;
mod lines;
mod list;
mod members;
mod members_add;
mod members_list;
mod members_remove;
mod method;
mod mode;
mod mute_list;
mod mute_remove;
mod mute_set;
mod notify;
mod openapi;
mod payload;
mod presence;
mod presence_stats;
mod publish;
mod reference;
mod refresh;
mod reply;
mod request;
mod scheduled_cancel;
mod scheduled_list;
mod session_attributes;
mod shape;
mod span;
mod subscribe;
mod tokens_revoke;
mod tokens_revoked;
mod trace;
mod unsubscribe;
mod users_state;
mod users_status;
mod who;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};

pub(super) use self::batch::{Batch, NAME as BATCH, carry_out as carry_out_batch};
use self::key::Authorized;
pub(super) use self::key::{given as given_key, may_call};
pub(super) use self::lines::{carry_out_from_record, carry_out_here};
pub(super) use self::list::{Visitor, visit};
pub(super) use self::method::{Method, deadline, run_until};
use self::method::{first, read_lists, where_user_is};
use self::mode::{Answered, ErrorMode};
pub use self::openapi::document as api_document;
pub use self::reference::markdown as api_reference;
use self::reply::Rejection;
pub(super) use self::reply::{Done, Reply};
use super::state::ControlState;

/// The paths below `/api`.
pub(super) fn routes(state: &Arc<ControlState>) -> Router<Arc<ControlState>> {
    struct Routes<'a>(Router<Arc<ControlState>>, &'a ControlState);
    impl Visitor for Routes<'_> {
        fn see<M: Method>(&mut self) {
            self.1.calls.expect(M::NAME);
            self.0 = std::mem::take(&mut self.0).route(&format!("/{}", M::NAME), post(call::<M>));
        }
    }
    state.calls.expect(batch::NAME);
    let mut routes = Routes(Router::new(), state);
    visit(&mut routes);
    let routes = routes
        .0
        .route("/", post(lines::call))
        .route(&format!("/{}", batch::NAME), post(batch::call))
        .route("/openapi.json", get(openapi::serve))
        .fallback(unknown);
    routes.layer(middleware::from_fn_with_state(state.clone(), count_rejections))
}

async fn call<M: Method>(
    State(state): State<Arc<ControlState>>,
    _: Authorized,
    mode: ErrorMode,
    body: Body,
) -> Result<Response, Rejection> {
    let method: M = request::read(body).await?;
    Ok(mode.answer(run_until(method, &state, deadline()).await))
}

async fn unknown() -> Rejection {
    Rejection::UnknownMethod
}

async fn count_rejections(State(state): State<Arc<ControlState>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if response.status().is_client_error() && response.extensions().get::<Answered>().is_none() {
        state.calls.reject(response.status().as_u16());
    }
    response
}
