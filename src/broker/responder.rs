//! The way back for an answer to the control plane.

use tokio::sync::oneshot;

use crate::model::refusal::Error;

/// Where an answer goes. A receiver that has gone is no error.
pub type Responder<T> = oneshot::Sender<Result<T, Error>>;
