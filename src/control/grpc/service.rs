//! Which path goes where: calls of the API, health, and reflection.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use prost_reflect::DynamicMessage;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::server::{Grpc, NamedService};
use tonic::{Code, Status};
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::service_fn;

use super::call::{Refused, carry_out};
use super::codec::ByDescriptor;
use super::proto::{self, Rpc};
use super::{deadline, status};
use crate::config::ApiErrorMode;
use crate::control::api;
use crate::control::refused::{ApiError, RefusedWith};
use crate::control::state::ControlState;
use crate::limits::{API_BODY_BYTES_MAX, HTTP_BODY_TIMEOUT_MS};

/// A caller asks for `transport` by this metadata. Libraries for backends know its name.
const ERROR_MODE: &str = "x-centrifugo-error-mode";

/// All that is served: the calls of the API, health, and, if wanted, reflection in both versions that are in use.
pub(super) fn router(state: &Arc<ControlState>, has_reflection: bool, health: HealthReporter) -> Router {
    let health = HealthServer::new(HealthService::from_health_reporter(health));
    let mut router = Router::new().route_service(&below(&health), health).fallback(unimplemented);
    if has_reflection {
        let builder = || {
            let builder = tonic_reflection::server::Builder::configure();
            let builder = builder.register_encoded_file_descriptor_set(proto::DESCRIPTORS);
            builder.register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let current = builder().build_v1().expect("a test has compiled the descriptors");
        let older = builder().build_v1alpha().expect("a test has compiled the descriptors");
        router = router.route_service(&below(&current), current).route_service(&below(&older), older);
    }
    for rpc in proto::rpcs(&proto::pool()) {
        let (path, rpc, state) = (rpc.path.clone(), Arc::new(rpc), state.clone());
        router = router.route(&path, any(move |request: Request| answer(state, rpc, request)));
    }
    router
}

/// The paths of a service.
fn below<S: NamedService>(_: &S) -> String {
    format!("/{}/{{*call}}", S::NAME)
}

/// Answers a call: reads its one message, and writes one.
async fn answer(state: Arc<ControlState>, rpc: Arc<Rpc>, request: Request) -> Response {
    let mode = match request.headers().get(ERROR_MODE).is_some_and(|mode| mode == "transport") {
        true => ApiErrorMode::Transport,
        false => state.config().grpc_api.error_mode,
    };
    let waits_until = deadline::of(request.headers()).map(|timeout| Instant::now() + timeout);
    let refused = OnceLock::new();
    let service = service_fn(|request: tonic::Request<DynamicMessage>| {
        let (state, rpc, refused) = (&state, &rpc, &refused);
        async move {
            let answer = carry_out(state, rpc, request.get_ref(), api::deadline()).await?;
            let error = answer.refused.as_ref().and_then(|refused| refused.error.clone());
            if let Some(told) = answer.refused {
                // It is the first of this call.
                let _ = refused.set(told);
            }
            match (mode, error) {
                (ApiErrorMode::Transport, Some(error)) => Err(status::of_refusal(error.kind, &ApiError::from(error))),
                _ => Ok(tonic::Response::new(answer.message)),
            }
        }
    });
    let mut grpc = Grpc::new(ByDescriptor(rpc.request.clone())).max_decoding_message_size(API_BODY_BYTES_MAX);
    let late = || Status::deadline_exceeded("the call was not answered in time").into_http();
    // A request whose message does not come is bounded, too.
    let whole = timeout(Duration::from_millis(HTTP_BODY_TIMEOUT_MS), grpc.unary(service, request));
    let whole = async { whole.await.unwrap_or_else(|_| late()) };
    let response = match waits_until {
        Some(until) => timeout_at(until, whole).await.unwrap_or_else(|_| late()),
        None => whole.await,
    };
    let mut response = match response.extensions().get::<Status>() {
        // tonic says so of a message that is too long; gRPC's own libraries say it otherwise.
        Some(told) if told.code() == Code::OutOfRange && refused.get().is_none() => {
            Status::resource_exhausted(told.message()).into_http::<tonic::body::Body>()
        }
        _ => response,
    };
    if let Some(Refused { code, .. }) = refused.get() {
        response.extensions_mut().insert(RefusedWith(*code));
    }
    response.into_response()
}

async fn unimplemented() -> Result<Response, Infallible> {
    let status = Status::unimplemented("there is no such call: reflection lists those that there are, or see proto/");
    Ok(status.into_http::<axum::body::Body>())
}
