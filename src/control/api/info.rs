//! `info`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use crate::cluster::announced::NodeInfo;
use crate::control::neighbours;
use crate::control::state::ControlState;
use crate::model::refusal::Error;

/// How are the nodes?
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "InfoRequest")]
pub(super) struct Info {}

/// What the nodes say of themselves.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct InfoResult {
    /// This node, then the others that share its Redis, as they were some seconds ago.
    nodes: Vec<NodeInfo>,
}

impl Method for Info {
    const NAME: &'static str = "info";
    type Result = InfoResult;

    async fn run(self, state: &ControlState) -> Result<InfoResult, Error> {
        let mut nodes = vec![neighbours::this_node(state).await?];
        nodes.extend(neighbours::others(state));
        Ok(InfoResult { nodes })
    }
}
