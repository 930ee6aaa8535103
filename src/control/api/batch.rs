//! `batch`: several calls in one.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::key::Authorized;
use super::reply::{Done, Rejection};
use super::shape::Object;
use super::{Method, deadline, request, until};
use super::{broadcast, channels, connections, disconnect, history, history_remove, info};
use super::{presence, presence_stats, publish, refresh, subscribe, unsubscribe};
use crate::control::refused::ApiError;
use crate::control::state::ControlState;
use crate::limits::BATCH_COMMANDS_MAX;
use crate::model::refusal::{Error, ErrorKind};

/// Call several methods at once.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "BatchRequest")]
pub(super) struct Batch {
    /// The calls, at most 10,000.
    commands: Vec<Command>,
    /// Carry them out in any order, side by side; otherwise each waits for the one before.
    parallel: Option<bool>,
}

/// One call: the method's name and its request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Command {
    Publish(Object<publish::Publish>),
    Broadcast(Object<broadcast::Broadcast>),
    Subscribe(Object<subscribe::Subscribe>),
    Unsubscribe(Object<unsubscribe::Unsubscribe>),
    Disconnect(Object<disconnect::Disconnect>),
    Refresh(Object<refresh::Refresh>),
    Presence(Object<presence::Presence>),
    PresenceStats(Object<presence_stats::PresenceStats>),
    History(Object<history::History>),
    HistoryRemove(Object<history_remove::HistoryRemove>),
    Channels(Object<channels::Channels>),
    Connections(Object<connections::Connections>),
    Info(Object<info::Info>),
}

/// The answers.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BatchReply {
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
    Presence(presence::PresenceResult),
    PresenceStats(presence_stats::PresenceStatsResult),
    History(history::HistoryResult),
    HistoryRemove(Done),
    Channels(channels::ChannelsResult),
    Connections(connections::ConnectionsResult),
    Info(info::InfoResult),
}

impl Command {
    async fn run(self, state: &ControlState, deadline: Instant) -> CommandReply {
        use CommandReply as To;
        let result = async {
            Ok(match self {
                Self::Publish(Object(method)) => To::Publish(method.run(state).await?),
                Self::Broadcast(Object(method)) => To::Broadcast(method.run(state).await?),
                Self::Subscribe(Object(method)) => To::Subscribe(method.run(state).await?),
                Self::Unsubscribe(Object(method)) => To::Unsubscribe(method.run(state).await?),
                Self::Disconnect(Object(method)) => To::Disconnect(method.run(state).await?),
                Self::Refresh(Object(method)) => To::Refresh(method.run(state).await?),
                Self::Presence(Object(method)) => To::Presence(method.run(state).await?),
                Self::PresenceStats(Object(method)) => To::PresenceStats(method.run(state).await?),
                Self::History(Object(method)) => To::History(method.run(state).await?),
                Self::HistoryRemove(Object(method)) => To::HistoryRemove(method.run(state).await?),
                Self::Channels(Object(method)) => To::Channels(method.run(state).await?),
                Self::Connections(Object(method)) => To::Connections(method.run(state).await?),
                Self::Info(Object(method)) => To::Info(method.run(state).await?),
            })
        };
        until(deadline, result).await.unwrap_or_else(|error| To::Error(error.into()))
    }
}

/// Carries a batch out. Unlike other methods it answers without `result` around the replies.
pub(super) async fn call(
    State(state): State<Arc<ControlState>>,
    _: Authorized,
    body: Body,
) -> Result<Json<BatchReply>, Rejection> {
    let Batch { commands, parallel } = request::read(body).await?;
    if commands.len() > BATCH_COMMANDS_MAX {
        return Err(Rejection::BadRequest(format!("limit exceeded: more than {BATCH_COMMANDS_MAX} commands")));
    }
    let replies = match parallel {
        Some(true) => side_by_side(commands, &state).await,
        _ => one_by_one(commands, &state).await,
    };
    Ok(Json(BatchReply { replies }))
}

async fn one_by_one(commands: Vec<Command>, state: &ControlState) -> Vec<CommandReply> {
    let deadline = deadline();
    let mut replies = Vec::with_capacity(commands.len());
    for command in commands {
        replies.push(command.run(state, deadline).await);
    }
    replies
}

async fn side_by_side(commands: Vec<Command>, state: &Arc<ControlState>) -> Vec<CommandReply> {
    let deadline = deadline();
    let tasks = commands.into_iter().map(|command| {
        let state = state.clone();
        tokio::spawn(async move { command.run(&state, deadline).await })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut replies = Vec::with_capacity(tasks.len());
    for task in tasks {
        replies.push(task.await.unwrap_or_else(|_| CommandReply::Error(Error::from(ErrorKind::Internal).into())));
    }
    replies
}
