//! What every method has, and how long a call may take.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use crate::control::state::ControlState;
use crate::limits::API_CALL_TIMEOUT_MS;
use crate::model::refusal::{Error, ErrorKind};

/// One method: a request that knows how it is carried out. Its comment and its fields' comments are the
/// method's documentation.
pub(super) trait Method: DeserializeOwned + JsonSchema + Send + 'static {
    /// As in the path.
    const NAME: &'static str;
    /// What it answers.
    type Result: Serialize + JsonSchema + Send + 'static;

    /// Carries it out.
    fn run(self, state: &ControlState) -> impl Future<Output = Result<Self::Result, Error>> + Send;
}

/// When a call that begins now must be answered: a shard that hangs must not keep a backend waiting.
pub(super) fn deadline() -> Instant {
    Instant::now() + Duration::from_millis(API_CALL_TIMEOUT_MS)
}

/// Carries a method out and counts it.
///
/// # Errors
/// What the method refuses; 100 when it has no answer at the deadline.
pub(super) async fn run_until<M: Method>(
    method: M,
    state: &ControlState,
    deadline: Instant,
) -> Result<M::Result, Error> {
    let begun = Instant::now();
    let late = ErrorKind::Internal.because(
        "internal server error: the shards did not answer in time; what they had not begun is not done, what they had \
         begun is",
    );
    let result = timeout_at(deadline, method.run(state)).await.unwrap_or(Err(late));
    state.calls.count(M::NAME, begun.elapsed(), result.as_ref().err().map(|error| error.kind));
    result
}
