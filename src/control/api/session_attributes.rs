//! `session_attributes`

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::who::who;
use super::{Method, read_lists, where_user_is};
use crate::broker::order::{Order, check_list};
use crate::control::nodes::Elsewhere;
use crate::control::state::ControlState;
use crate::limits::LISTED_BYTES;
use crate::model::Attributes;
use crate::model::refusal::Error;

/// Say something of a user's sessions, or ask what was said: names and values that last as long as the session, and that
/// `connections` tells, too. Clients are not told. Those of one session have 1,024 bytes at the most, as JSON.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "SessionAttributesRequest")]
pub(super) struct SessionAttributes {
    /// Whose sessions.
    user: String,
    /// Only this session of the user.
    client: Option<String>,
    /// These names have these values from now on.
    set: Attributes,
    /// These have none.
    remove: Vec<String>,
}

/// What is said of the sessions now.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct SessionAttributesResult {
    /// By client id.
    sessions: BTreeMap<String, Attributes>,
}

impl Method for SessionAttributes {
    const NAME: &'static str = "session_attributes";
    type Result = SessionAttributesResult;

    async fn run(self, state: &ControlState) -> Result<SessionAttributesResult, Error> {
        let who = Arc::new(who(&self.user, self.client.as_deref(), None));
        let (set, removed): (_, Arc<[String]>) = (Arc::new(self.set), self.remove.into());
        let order = |answer| Order::Attributes { who: who.clone(), set: set.clone(), removed: removed.clone(), answer };
        let lists = state.shards.ask_all(order).await?;
        check_list(lists.iter().flatten().map(|(_, said)| LISTED_BYTES + said.pack().len()).sum())?;
        let by_id = lists.into_iter().flatten();
        Ok(SessionAttributesResult {
            sessions: by_id.map(|(client, said)| (client.to_string(), Arc::unwrap_or_clone(said))).collect(),
        })
    }

    fn elsewhere(&self) -> Option<Elsewhere> {
        where_user_is(&self.user, self)
    }

    fn gather(
        mut own: SessionAttributesResult,
        others: Vec<Box<RawValue>>,
        _page_limit: usize,
    ) -> Result<SessionAttributesResult, Error> {
        for other in read_lists::<SessionAttributesResult>(&others)? {
            own.sessions.extend(other.sessions);
        }
        Ok(own)
    }
}
