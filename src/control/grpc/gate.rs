//! Before every call: whether its caller may call, how many do, and what is counted of it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tonic::{Code, Status};

use super::proto::method_of;
use super::status::in_http;
use super::visit::{Answer, UnderWay, Visit};
use crate::control::api::given_key;
use crate::control::refused::RefusedWith;
use crate::control::refused_calls::Call;
use crate::limits::HTTP_BODY_TIMEOUT_MS;

/// Where health is asked: of everybody, as `/health` is.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// How the paths of reflection begin, whose calls are streams.
const REFLECTION: &str = "/grpc.reflection.";

/// The service of one connection.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    router: TowerToHyperService<Router>,
    /// For each call that the node carries out at the same time.
    room: Arc<Semaphore>,
    visit: Arc<Visit>,
}

impl Gate {
    pub(super) fn new(router: Router, room: Arc<Semaphore>, visit: Arc<Visit>) -> Self {
        Self { router: TowerToHyperService::new(router), room, visit }
    }

    fn may_call(&self, headers: &HeaderMap) -> bool {
        let config = self.visit.state.config();
        config.grpc_api.admits(&config.http_api, given_key(headers))
    }

    /// Waits until a call may be read and carried out. What else is asked takes little, and has no turn.
    async fn turn(&self, is_of_api: bool) -> Result<Option<OwnedSemaphorePermit>, Elapsed> {
        if !is_of_api {
            return Ok(None);
        }
        let turn = timeout(Duration::from_millis(HTTP_BODY_TIMEOUT_MS), self.room.clone().acquire_owned()).await?;
        Ok(Some(turn.expect("it is never closed")))
    }

    /// An answer of the gate itself.
    fn refuse(&self, status: Status, call: UnderWay, log: Option<Call>) -> Response<Answer<Body>> {
        let response = status.into_http();
        self.count(&response, log);
        response.map(|body| call.answer(body, false))
    }

    /// Counts an answer, and has it written down if it refuses.
    fn count(&self, response: &Response<Body>, log: Option<Call>) {
        let code = response.extensions().get().map(|RefusedWith(code)| *code);
        let status = in_http(response.extensions().get().map_or(Code::Ok, Status::code));
        if code.is_none() && !status.is_success() {
            self.visit.state.calls.reject(status.as_u16());
        }
        if let Some(log) = log {
            log.ended(status, code);
        }
    }
}

impl Service<Request<Incoming>> for Gate {
    type Response = Response<Answer<Body>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let path = request.uri().path();
        let (is_health, is_reflection) = (path.starts_with(HEALTH), path.starts_with(REFLECTION));
        let may_call = !is_health && self.may_call(request.headers());
        let call = self.visit.begins(may_call);
        let is_of_api = !is_health && !is_reflection;
        let log = is_of_api.then(|| self.log(path, request.headers())).flatten();
        let this = self.clone();
        if !may_call && !is_health {
            // Who guesses keys pays with a connection for some.
            this.visit.had_wrong_key();
            let status = Status::unauthenticated("send the API's key as the metadata `authorization: apikey KEY`");
            return Box::pin(async move { Ok(this.refuse(status, call, log)) });
        }
        Box::pin(async move {
            let Ok(turn) = this.turn(is_of_api).await else {
                let status = Status::unavailable("the node has too many calls to carry out; try again");
                return Ok(this.refuse(status, call, log));
            };
            let response = this.router.call(request).await.unwrap_or_else(|never| match never {});
            drop(turn);
            if is_of_api {
                this.count(&response, log);
            }
            Ok(response.map(|body| call.answer(body, !is_of_api)))
        })
    }
}

impl Gate {
    fn log(&self, path: &str, headers: &HeaderMap) -> Option<Call> {
        let state = &self.visit.state;
        state.access_log.is_on().then(|| Call::new(state, &method_of(path), self.visit.address, headers))
    }
}
