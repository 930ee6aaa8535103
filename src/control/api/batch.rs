//! `batch`: several calls in one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::key::Authorized;
use super::reply::{Done, Rejection};
use super::shape::{AtMost, Object, object};
use super::{badge_get, badge_reset, mute_list, mute_remove, mute_set};
use super::{broadcast, channels, connections, disconnect, history, history_remove, info};
use super::{dead_letters_list, dead_letters_purge, dead_letters_requeue, dead_letters_show};
use super::{deadline, request, run_until};
use super::{inbox_positions, inbox_unread, members_add, members_list, members_remove, trace};
use super::{presence, presence_stats, publish, refresh, scheduled_cancel, scheduled_list, subscribe};
use super::{session_attributes, tokens_revoke, tokens_revoked, unsubscribe, users_state, users_status};
use crate::control::refused::{ApiError, RefusedWith};
use crate::control::state::ControlState;
use crate::limits::BATCH_COMMANDS_MAX;
use crate::model::refusal::{Error, ErrorKind};

/// As in the path.
pub(in crate::control) const NAME: &str = "batch";

/// Call several methods at once.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "BatchRequest")]
pub(in crate::control) struct Batch {
    /// The calls, at most 10,000. One that cannot be carried out is told so in its reply.
    commands: AtMost<Option<Object<Command>>, BATCH_COMMANDS_MAX>,
    /// Carry them out in any order, side by side; otherwise each waits for the one before.
    parallel: Option<bool>,
}

/// One call: the method's name and its request. The first that is given counts.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Command {
    /// Put a message into a channel.
    #[serde(deserialize_with = "object")]
    publish: Option<publish::Publish>,
    /// Put the same message into many channels.
    #[serde(deserialize_with = "object")]
    broadcast: Option<broadcast::Broadcast>,
    /// Subscribe a user's sessions to a channel.
    #[serde(deserialize_with = "object")]
    subscribe: Option<subscribe::Subscribe>,
    /// End a subscription of a user's sessions.
    #[serde(deserialize_with = "object")]
    unsubscribe: Option<unsubscribe::Unsubscribe>,
    /// End a user's sessions.
    #[serde(deserialize_with = "object")]
    disconnect: Option<disconnect::Disconnect>,
    /// Read a channel's past publications.
    #[serde(deserialize_with = "object")]
    history: Option<history::History>,
    /// Forget a channel's past publications.
    #[serde(deserialize_with = "object")]
    history_remove: Option<history_remove::HistoryRemove>,
    /// List what is scheduled in a channel.
    #[serde(deserialize_with = "object")]
    scheduled_list: Option<scheduled_list::ScheduledList>,
    /// Do not publish what is scheduled.
    #[serde(deserialize_with = "object")]
    scheduled_cancel: Option<scheduled_cancel::ScheduledCancel>,
    /// Who is in a channel?
    #[serde(deserialize_with = "object")]
    presence: Option<presence::Presence>,
    /// How many are in a channel?
    #[serde(deserialize_with = "object")]
    presence_stats: Option<presence_stats::PresenceStats>,
    /// How is the node?
    #[serde(deserialize_with = "object")]
    info: Option<info::Info>,
    /// Say anew when a user's sessions expire.
    #[serde(deserialize_with = "object")]
    refresh: Option<refresh::Refresh>,
    /// Say something of a user's sessions, or ask what was said.
    #[serde(deserialize_with = "object")]
    session_attributes: Option<session_attributes::SessionAttributes>,
    /// Which channels have subscribers?
    #[serde(deserialize_with = "object")]
    channels: Option<channels::Channels>,
    /// Which sessions does a user have?
    #[serde(deserialize_with = "object")]
    connections: Option<connections::Connections>,
    /// Which users are online?
    #[serde(deserialize_with = "object")]
    users_status: Option<users_status::UsersStatus>,
    /// Who is online, and who was when?
    #[serde(deserialize_with = "object")]
    users_state: Option<users_state::UsersState>,
    /// Call tokens back.
    #[serde(deserialize_with = "object")]
    tokens_revoke: Option<tokens_revoke::TokensRevoke>,
    /// Which tokens are called back?
    #[serde(deserialize_with = "object")]
    tokens_revoked: Option<tokens_revoked::TokensRevoked>,
    /// Make users members of a channel.
    #[serde(deserialize_with = "object")]
    members_add: Option<members_add::MembersAdd>,
    /// End the membership of users in a channel.
    #[serde(deserialize_with = "object")]
    members_remove: Option<members_remove::MembersRemove>,
    /// List the members of a channel.
    #[serde(deserialize_with = "object")]
    members_list: Option<members_list::MembersList>,
    /// How far has a member received and read?
    #[serde(deserialize_with = "object")]
    inbox_positions: Option<inbox_positions::InboxPositions>,
    /// How much has a member not read?
    #[serde(deserialize_with = "object")]
    inbox_unread: Option<inbox_unread::InboxUnread>,
    /// What has become of one message?
    #[serde(deserialize_with = "object")]
    trace: Option<trace::Trace>,
    /// List publications that were given up.
    #[serde(deserialize_with = "object")]
    dead_letters_list: Option<dead_letters_list::DeadLettersList>,
    /// Show one publication that was given up.
    #[serde(deserialize_with = "object")]
    dead_letters_show: Option<dead_letters_show::DeadLettersShow>,
    /// Send one that was given up once more to the devices that have not received it.
    #[serde(deserialize_with = "object")]
    dead_letters_requeue: Option<dead_letters_requeue::DeadLettersRequeue>,
    /// Forget publications that were given up.
    #[serde(deserialize_with = "object")]
    dead_letters_purge: Option<dead_letters_purge::DeadLettersPurge>,
    /// How much has a user unread, as pushes have said last?
    #[serde(deserialize_with = "object")]
    badge_get: Option<badge_get::BadgeGet>,
    /// Nothing is unread of a user, or of one channel.
    #[serde(deserialize_with = "object")]
    badge_reset: Option<badge_reset::BadgeReset>,
    /// Keep notifications of a user back.
    #[serde(deserialize_with = "object")]
    mute_set: Option<mute_set::MuteSet>,
    /// Keep them back no longer.
    #[serde(deserialize_with = "object")]
    mute_remove: Option<mute_remove::MuteRemove>,
    /// List what a user has muted.
    #[serde(deserialize_with = "object")]
    mute_list: Option<mute_list::MuteList>,
}

/// The answers.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control) struct BatchReply {
    /// In the order of the calls.
    replies: Vec<CommandReply>,
}

/// The method's name and its result, or why there is none.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum CommandReply {
    Error(ApiError),
    Publish(publish::PublishResult),
    Broadcast(broadcast::BroadcastResult),
    Subscribe(Done),
    Unsubscribe(Done),
    Disconnect(Done),
    Refresh(Done),
    TokensRevoke(Done),
    TokensRevoked(tokens_revoked::TokensRevokedResult),
    Presence(presence::PresenceResult),
    PresenceStats(presence_stats::PresenceStatsResult),
    History(history::HistoryResult),
    HistoryRemove(Done),
    ScheduledList(scheduled_list::ScheduledListResult),
    ScheduledCancel(Done),
    SessionAttributes(session_attributes::SessionAttributesResult),
    Channels(channels::ChannelsResult),
    Connections(connections::ConnectionsResult),
    UsersStatus(users_status::UsersStatusResult),
    /// Who is online, and who was when.
    UsersState(users_state::UsersStateResult),
    Info(info::InfoResult),
    MembersAdd(Done),
    MembersRemove(Done),
    MembersList(members_list::MembersListResult),
    InboxPositions(inbox_positions::InboxPositionsResult),
    InboxUnread(inbox_unread::InboxUnreadResult),
    Trace(trace::TraceResult),
    DeadLettersList(dead_letters_list::DeadLettersListResult),
    DeadLettersShow(dead_letters_list::DeadLetter),
    DeadLettersRequeue(publish::PublishResult),
    DeadLettersPurge(dead_letters_purge::DeadLettersPurgeResult),
    BadgeGet(badge_get::BadgeGetResult),
    BadgeReset(badge_reset::BadgeResetResult),
    MuteSet(Done),
    MuteRemove(mute_remove::MuteRemoveResult),
    MuteList(mute_list::MuteListResult),
}

impl BatchReply {
    /// Why the first was refused of those that were.
    pub(in crate::control) fn refused(&self) -> Option<&ApiError> {
        self.replies.iter().find_map(|reply| match reply {
            CommandReply::Error(error) => Some(error),
            _ => None,
        })
    }
}

impl IntoResponse for BatchReply {
    fn into_response(self) -> Response {
        (self.refused().map(|error| Extension(RefusedWith::of(error))), Json(self)).into_response()
    }
}

impl Command {
    async fn run(self, state: &ControlState, deadline: Instant) -> Result<CommandReply, Error> {
        use CommandReply as To;
        Ok(match self {
            Self { publish: Some(method), .. } => To::Publish(run_until(method, state, deadline).await?),
            Self { broadcast: Some(method), .. } => To::Broadcast(run_until(method, state, deadline).await?),
            Self { subscribe: Some(method), .. } => To::Subscribe(run_until(method, state, deadline).await?),
            Self { unsubscribe: Some(method), .. } => To::Unsubscribe(run_until(method, state, deadline).await?),
            Self { disconnect: Some(method), .. } => To::Disconnect(run_until(method, state, deadline).await?),
            Self { history: Some(method), .. } => To::History(run_until(method, state, deadline).await?),
            Self { history_remove: Some(method), .. } => To::HistoryRemove(run_until(method, state, deadline).await?),
            Self { scheduled_list: Some(method), .. } => To::ScheduledList(run_until(method, state, deadline).await?),
            Self { scheduled_cancel: Some(method), .. } => {
                To::ScheduledCancel(run_until(method, state, deadline).await?)
            }
            Self { presence: Some(method), .. } => To::Presence(run_until(method, state, deadline).await?),
            Self { presence_stats: Some(method), .. } => To::PresenceStats(run_until(method, state, deadline).await?),
            Self { info: Some(method), .. } => To::Info(run_until(method, state, deadline).await?),
            Self { refresh: Some(method), .. } => To::Refresh(run_until(method, state, deadline).await?),
            Self { session_attributes: Some(method), .. } => {
                To::SessionAttributes(run_until(method, state, deadline).await?)
            }
            Self { channels: Some(method), .. } => To::Channels(run_until(method, state, deadline).await?),
            Self { connections: Some(method), .. } => To::Connections(run_until(method, state, deadline).await?),
            Self { users_status: Some(method), .. } => To::UsersStatus(run_until(method, state, deadline).await?),
            Self { users_state: Some(method), .. } => To::UsersState(run_until(method, state, deadline).await?),
            Self { tokens_revoke: Some(method), .. } => To::TokensRevoke(run_until(method, state, deadline).await?),
            Self { tokens_revoked: Some(method), .. } => To::TokensRevoked(run_until(method, state, deadline).await?),
            Self { members_add: Some(method), .. } => To::MembersAdd(run_until(method, state, deadline).await?),
            Self { members_remove: Some(method), .. } => To::MembersRemove(run_until(method, state, deadline).await?),
            Self { members_list: Some(method), .. } => To::MembersList(run_until(method, state, deadline).await?),
            Self { inbox_positions: Some(method), .. } => To::InboxPositions(run_until(method, state, deadline).await?),
            Self { inbox_unread: Some(method), .. } => To::InboxUnread(run_until(method, state, deadline).await?),
            Self { trace: Some(method), .. } => To::Trace(run_until(method, state, deadline).await?),
            Self { dead_letters_list: Some(method), .. } => {
                To::DeadLettersList(run_until(method, state, deadline).await?)
            }
            Self { dead_letters_show: Some(method), .. } => {
                To::DeadLettersShow(run_until(method, state, deadline).await?)
            }
            Self { dead_letters_requeue: Some(method), .. } => {
                To::DeadLettersRequeue(run_until(method, state, deadline).await?)
            }
            Self { dead_letters_purge: Some(method), .. } => {
                To::DeadLettersPurge(run_until(method, state, deadline).await?)
            }
            Self { badge_get: Some(method), .. } => To::BadgeGet(run_until(method, state, deadline).await?),
            Self { badge_reset: Some(method), .. } => To::BadgeReset(run_until(method, state, deadline).await?),
            Self { mute_set: Some(method), .. } => To::MuteSet(run_until(method, state, deadline).await?),
            Self { mute_remove: Some(method), .. } => To::MuteRemove(run_until(method, state, deadline).await?),
            Self { mute_list: Some(method), .. } => To::MuteList(run_until(method, state, deadline).await?),
            _ => return Err(ErrorKind::MethodNotFound.into()),
        })
    }
}

async fn run(command: Option<Object<Command>>, state: &ControlState, deadline: Instant) -> CommandReply {
    let result = match command {
        Some(Object(command)) => command.run(state, deadline).await,
        None => Err(ErrorKind::BadRequest.into()),
    };
    result.unwrap_or_else(|error| CommandReply::Error(error.into()))
}

/// Answers a batch. Unlike other methods it answers without `result` around the replies.
pub(super) async fn call(
    State(state): State<Arc<ControlState>>,
    _: Authorized,
    body: Body,
) -> Result<BatchReply, Rejection> {
    Ok(carry_out(request::read(body).await?, &state).await)
}

/// Carries a batch out and counts it.
pub(in crate::control) async fn carry_out(batch: Batch, state: &Arc<ControlState>) -> BatchReply {
    let Batch { commands: AtMost(commands), parallel } = batch;
    let begun = Instant::now();
    let replies = match parallel {
        Some(true) => side_by_side(commands, state).await,
        _ => one_by_one(commands, state).await,
    };
    state.calls.count(NAME, begun.elapsed(), None);
    BatchReply { replies }
}

async fn one_by_one(commands: Vec<Option<Object<Command>>>, state: &ControlState) -> Vec<CommandReply> {
    let deadline = deadline();
    let mut replies = Vec::with_capacity(commands.len());
    for command in commands {
        replies.push(run(command, state, deadline).await);
    }
    replies
}

async fn side_by_side(commands: Vec<Option<Object<Command>>>, state: &Arc<ControlState>) -> Vec<CommandReply> {
    let deadline = deadline();
    let tasks = commands.into_iter().map(|command| {
        let state = state.clone();
        tokio::spawn(async move { run(command, &state, deadline).await })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut replies = Vec::with_capacity(tasks.len());
    for task in tasks {
        replies.push(task.await.unwrap_or_else(|_| CommandReply::Error(Error::from(ErrorKind::Internal).into())));
    }
    replies
}
