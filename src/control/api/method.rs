//! What every method has, and how long a call may take.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::{Instant, timeout_at};

use crate::broker::order::check_list;
use crate::config::Role;
use crate::control::nodes::{Elsewhere, Nodes};
use crate::control::state::ControlState;
use crate::limits::API_CALL_TIMEOUT_MS;
use crate::model::refusal::{Error, ErrorKind};

/// One method: a request that knows how it is carried out. Its comment and its fields' comments are the
/// method's documentation.
pub(in crate::control) trait Method: DeserializeOwned + JsonSchema + Send + 'static {
    /// As in the path.
    const NAME: &'static str;
    /// The role that carries it out: a process without it refuses the call.
    const ROLE: Role = Role::Edge;
    /// What it answers.
    type Result: Serialize + JsonSchema + Send + 'static;

    /// Carries it out, on this node.
    fn run(self, state: &ControlState) -> impl Future<Output = Result<Self::Result, Error>> + Send;

    /// Which other nodes are to carry it out as well; none, where it is about nothing that they have.
    fn elsewhere(&self) -> Option<Elsewhere> {
        None
    }

    /// Keeps what nodes that are away now are to find when they are back.
    ///
    /// # Errors
    /// 100 where Redis cannot be asked.
    fn keep(&self, _nodes: &Nodes) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// How many entries a page of a list may have; 0 is all of them.
    fn page_limit(&self) -> usize {
        0
    }

    /// Puts what others have answered to what this node does; of a list no more than `page_limit`.
    ///
    /// # Errors
    /// 106 where both together are too long; 100 where an answer cannot be read.
    fn gather(own: Self::Result, _others: Vec<Box<RawValue>>, _page_limit: usize) -> Result<Self::Result, Error> {
        Ok(own)
    }

    /// Says which nodes have not answered, where not all are needed ([`Elsewhere::needs_all`]).
    fn miss(_result: &mut Self::Result, _nodes: Vec<String>) {}
}

/// The nodes that have sessions of a user; all others, where it is empty. Each must answer.
pub(super) fn where_user_is(user: &str, request: &impl Serialize) -> Option<Elsewhere> {
    let request = to_raw_value(request).expect("a request is written as JSON");
    Some(Elsewhere { user: user.to_owned(), request, needs_all: true })
}

/// What other nodes have answered to a list that is asked of all.
///
/// # Errors
/// 106 where they are longer than a reply may be; 100 where one cannot be read.
pub(super) fn read_lists<T: DeserializeOwned>(others: &[Box<RawValue>]) -> Result<Vec<T>, Error> {
    check_list(others.iter().map(|list| list.get().len()).sum())?;
    let unreadable = |_| ErrorKind::Internal.because("internal server error: another node's answer cannot be read");
    others.iter().map(|list| serde_json::from_str(list.get()).map_err(unreadable)).collect()
}

/// The first entries of a list that was gathered, as many as a page may have; 0 is all.
pub(super) fn first<K: Ord + Clone, V>(list: &mut BTreeMap<K, V>, page_limit: usize) {
    if page_limit > 0
        && let Some(beyond) = list.keys().nth(page_limit).cloned()
    {
        drop(list.split_off(&beyond));
    }
}

/// When a call that begins now must be answered: a shard that hangs must not keep a backend waiting.
pub(in crate::control) fn deadline() -> Instant {
    Instant::now() + Duration::from_millis(API_CALL_TIMEOUT_MS)
}

/// Carries a method out and counts it.
///
/// # Errors
/// What the method refuses; 100 when it has no answer at the deadline; 108 where the process does not have the method's role.
pub(in crate::control) async fn run_until<M: Method>(
    method: M,
    state: &ControlState,
    deadline: Instant,
) -> Result<M::Result, Error> {
    let begun = Instant::now();
    let late = ErrorKind::Internal.because(
        "internal server error: the shards did not answer in time; what they had not begun is not done, what they had \
         begun is",
    );
    let result = match state.config().roles.has(M::ROLE) {
        true => timeout_at(deadline, run_everywhere(method, state)).await.unwrap_or(Err(late)),
        false => {
            let refused = format!("not available: this process does not have the role `{}`", M::ROLE);
            Err(ErrorKind::NotAvailable.because(refused))
        }
    };
    state.calls.count(M::NAME, begun.elapsed(), result.as_ref().err().map(|error| error.kind));
    result
}

async fn run_everywhere<M: Method>(method: M, state: &ControlState) -> Result<M::Result, Error> {
    let Some((nodes, elsewhere)) = state.nodes.as_ref().zip(method.elsewhere()) else {
        return method.run(state).await;
    };
    let page_limit = method.page_limit();
    // First, so that no session is seen by neither.
    let kept = method.keep(nodes).await;
    let (own, others) = tokio::join!(method.run(state), nodes.ask(M::NAME, elsewhere));
    let (own, others) = (own?, kept.and(others)?);
    let mut result = M::gather(own, others.results, page_limit)?;
    M::miss(&mut result, others.missing);
    Ok(result)
}
