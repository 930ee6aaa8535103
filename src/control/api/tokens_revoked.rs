//! `tokens_revoked`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use super::shape::{object, whole};
use crate::auth::{Revocation, Subject};
use crate::broker::order::Order;
use crate::control::state::ControlState;
use crate::limits::REVOCATIONS_PER_PAGE_MAX;
use crate::model::refusal::Error;

/// Which tokens are called back? In pages, in an order of their own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "TokensRevokedRequest")]
pub(super) struct TokensRevoked {
    /// No more than so many; 0 is 1,000, which is the most.
    #[serde(deserialize_with = "whole")]
    limit: u32,
    /// Where the last page ended: its last entry.
    #[serde(deserialize_with = "object")]
    after: Option<After>,
}

/// Whom the last entry of a page was about. Other fields of the entry may stand beside these.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct After {
    /// As in the entry.
    user: String,
    /// As in the entry.
    device: String,
    /// As in the entry.
    id: String,
}

/// Revocations that are in force.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TokensRevokedResult {
    /// The next page begins after the last of them; an empty one is the end.
    revocations: Vec<RevocationInfo>,
}

/// Tokens that are called back.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct RevocationInfo {
    /// Whose tokens; left out where that does not matter.
    #[serde(skip_serializing_if = "str::is_empty")]
    user: Box<str>,
    /// Of which device of the user; left out for all.
    #[serde(skip_serializing_if = "str::is_empty")]
    device: Box<str>,
    /// The only token that is meant, by its `jti`.
    #[serde(skip_serializing_if = "str::is_empty")]
    id: Box<str>,
    /// Those issued before, Unix seconds; left out for one token.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_before: Option<i64>,
    /// Until when they are refused, Unix seconds.
    until: i64,
}

impl From<Revocation> for RevocationInfo {
    fn from(revocation: Revocation) -> Self {
        let Revocation { subject, issued_before_unix_s, until_unix_s } = revocation;
        let info = Self { until: until_unix_s, issued_before: Some(issued_before_unix_s), ..Self::default() };
        match subject {
            Subject::All => info,
            Subject::Token(id) => Self { id, issued_before: None, ..info },
            Subject::User(user) => Self { user, ..info },
            Subject::Device { user, device } => Self { user, device, ..info },
        }
    }
}

impl From<After> for Subject {
    fn from(After { user, device, id }: After) -> Self {
        match (user.is_empty(), device.is_empty(), id.is_empty()) {
            (_, _, false) => Self::Token(id.into()),
            (true, ..) => Self::All,
            (false, true, _) => Self::User(user.into()),
            (false, false, _) => Self::Device { user: user.into(), device: device.into() },
        }
    }
}

impl Method for TokensRevoked {
    const NAME: &'static str = "tokens_revoked";
    type Result = TokensRevokedResult;

    async fn run(self, state: &ControlState) -> Result<TokensRevokedResult, Error> {
        let limit = match self.limit as usize {
            0 => REVOCATIONS_PER_PAGE_MAX,
            limit => limit.min(REVOCATIONS_PER_PAGE_MAX),
        };
        let after = self.after.map(Subject::from);
        let page = state.shards.ask_any(|answer| Order::Revocations { after, limit, answer }).await?;
        Ok(TokensRevokedResult { revocations: page.into_iter().map(RevocationInfo::from).collect() })
    }
}
