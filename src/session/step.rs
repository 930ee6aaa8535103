//! What a session wants done about one command. Exactly one step per command.

use std::borrow::Cow;
use std::sync::Arc;

use super::appearance::Appearance;
use super::identity::Identity;
use super::inbox_ask::InboxAsk;
use super::terms::Terms;
use crate::hub::HubOptions;
use crate::model::refusal::{Disconnect, Error};
use crate::model::{ClientInfo, Expiry, HistoryFilter, PayloadRef};
use crate::protocol::centrifuge::Encoding;
use crate::protocol::word::Refreshed;

/// What the shard has to do.
#[derive(Debug)]
pub enum Step<'a> {
    /// Nothing.
    Done,
    /// Refuse the command.
    Refuse(Error),
    /// Close the connection.
    Close(Disconnect),
    /// Answer a ping.
    Pinged,
    /// Ask the channel's home shard and answer with what it says.
    Ask(Ask<'a>),
    /// Leave the channel, then answer. Leaving what one is not in is no error, as the SDKs expect.
    Unsubscribe(Cow<'a, str>),
    /// The command depends on an answer that another shard has yet to give: hold it back and come again.
    Later,
    /// The token's key is unknown: have the key sets fetched anew, then give the command again.
    FetchKeys,
    /// The client is who it says: enrol the user, subscribe what the token says, answer.
    Connect(Box<Identity>),
    /// The connection token was renewed; the homes of the session's channels are to be told how it is seen from now on.
    Refreshed(Refreshed, Vec<Appearance>),
    /// A subscription token was renewed; the home of its channel is to be told how the session is seen from now on.
    SubRefreshed(Expiry, Option<Appearance>),
}

/// A question to a channel's home shard.
#[derive(Debug)]
pub enum Ask<'a> {
    /// Put a message in order.
    Publish {
        /// As the client spelled it; it may publish there.
        channel: Cow<'a, str>,
        /// Still in the receive buffer.
        data: PayloadRef<'a>,
        /// As subscribers see it.
        info: Arc<ClientInfo>,
        /// What the channel keeps.
        options: HubOptions,
    },
    /// Begin a subscription. The session holds it as pending.
    Subscribe(Arc<str>, Terms),
    /// Read history.
    History {
        /// As the client spelled it; it may read there.
        channel: Cow<'a, str>,
        /// As the client asked, unchecked.
        filter: HistoryFilter,
        /// No more than this.
        max: usize,
    },
    /// Who is there, in the session's encoding.
    Presence(Cow<'a, str>, Encoding),
    /// How many are there.
    PresenceStats(Cow<'a, str>),
    /// What a device of a member says or asks.
    Inbox(Cow<'a, str>, Box<InboxAsk>),
}
