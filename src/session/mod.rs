//! A client: who it is, what it may do, what it is subscribed to.
//!
//! Sans-IO: [`Session::handle`] takes a [`Command`] and the time and returns one [`Step`]; the shard carries
//! the step out and brings answers back. A session never sees a socket, an encoding, a hub or a clock.
//!
//! ```text
//! Fresh ─connect→ Connecting ─all server-side subscriptions answered→ Connected → gone
//! ```

pub mod access;
mod appearance;
mod connect;
mod connecting;
mod enrolment;
mod expire_at;
mod heartbeat;
mod identity;
mod inbox;
mod inbox_ask;
mod lifetime;
mod permission;
mod publish;
mod read;
mod received;
mod refresh;
mod step;
mod subscribe;
mod subscription;
mod terms;
#[cfg(test)]
mod tests;

use core::net::{IpAddr, Ipv6Addr};
use std::cell::Cell;
use std::sync::Arc;

use smallvec::SmallVec;

pub use appearance::Appearance;
pub use connecting::{Connecting, Held};
pub use enrolment::{DevicePlace, Enrolment};
pub use expire_at::ExpireAt;
pub use heartbeat::{Heartbeat, HeartbeatEvent, Rhythm};
pub use identity::{Identity, PlannedSubscription};
pub use inbox_ask::{InboxAsk, InboxWord, Place};
pub use lifetime::Overdue;
pub use refresh::expiry;
pub use step::{Ask, Step};
pub use subscription::{Flags, Stage, Subscription};
pub use terms::Terms;

use crate::auth::{ConnectionClaims, Mark, Revocations, Stamp, SubscriptionClaims, TokenError, Verifier};
use crate::config::Config;
use crate::model::refusal::{Disconnect, DisconnectKind, ErrorKind};
use crate::model::{ClientId, ClientInfo, Device};
use crate::protocol::Format;
use crate::protocol::word::{Command, Verb};
use crate::session::access::Access;
use crate::time::Now;
use crate::work::Allowance;

/// Where a session is in its life.
#[derive(Debug)]
pub enum State {
    /// Nothing came yet but the connection.
    Fresh,
    /// Known, but its server-side subscriptions are not all there yet.
    Connecting(Box<Connecting>),
    /// Everything is allowed that the channels allow.
    Connected,
}

/// What a session reads of the node while it handles a command.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The configuration in force.
    pub config: &'a Config,
    /// Channel names and their options.
    pub access: &'a Access,
    /// What tokens are checked with.
    pub verifier: &'a Verifier,
    /// Which tokens were called back.
    pub revocations: &'a Revocations,
    /// When the tick looked at the clock.
    pub now: Now,
    /// Output: what the signatures of tokens have cost, nanoseconds by the table of prices.
    pub signatures_ns: &'a Cell<u64>,
}

impl Context<'_> {
    fn connection_token(self, token: &str) -> Result<ConnectionClaims, TokenError> {
        let mut price_ns = self.signatures_ns.take();
        let claims = self.verifier.connection_at(token, self.now.unix_s(), &mut price_ns);
        self.signatures_ns.set(price_ns);
        claims
    }

    /// Whether a token is called back: one of this user, with which this device comes.
    fn check_revoked(self, user: &str, device: &str, stamp: &Stamp) -> Result<(), TokenError> {
        match self.revocations.revoke(user, device, stamp, self.now.unix_s()) {
            true => Err(TokenError::Revoked),
            false => Ok(()),
        }
    }

    fn subscription_token(self, token: &str) -> Result<SubscriptionClaims, TokenError> {
        let mut price_ns = self.signatures_ns.take();
        let claims = self.verifier.subscription_at(token, self.now.unix_s(), &mut price_ns);
        self.signatures_ns.set(price_ns);
        claims
    }
}

/// What the next command waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Awaits {
    /// Nothing.
    #[default]
    Nothing,
    /// A token is with the control plane, which fetches the key set.
    Keys,
    /// Another shard's answer to an earlier command.
    Answer,
}

/// One client. An idle session with one subscription has no other memory than this, its `info` and names.
#[derive(Debug)]
pub struct Session {
    /// Told apart from an earlier session in the same slab place.
    pub generation: u32,
    /// The conn that carries it.
    pub conn: u32,
    /// How its words are written.
    pub format: Format,
    /// Where its client is: of version 6, whatever it was, which takes less.
    address: Ipv6Addr,
    /// Where it is in its life.
    pub state: State,
    /// Its identity towards others; the user is empty until it is connected.
    pub info: Arc<ClientInfo>,
    /// Which device its client is on; `None` where nothing is known of it.
    pub device: Option<Arc<Device>>,
    /// By what its token can be called back.
    pub token: Mark,
    /// When it connected, Unix milliseconds.
    pub connected_unix_ms: i64,
    /// When its token expires.
    pub expire_at: ExpireAt,
    /// Pings and their answers.
    pub heartbeat: Heartbeat,
    /// Begun or not; most sessions of a chat have few.
    pub subscriptions: SmallVec<[Subscription; 1]>,
    /// Commands refused in a row.
    refused: u16,
    /// What other shards have been asked and have not answered yet, bytes.
    pub bytes_in_flight: u32,
    /// Commands refused in a row because the session has caused too much.
    pub excesses: u16,
    /// What it has caused and its user was not charged with, nanoseconds.
    pub unbilled_ns: u32,
    /// How much it may cause.
    pub allowance: Allowance,
    /// What the next command waits for.
    pub awaits: Awaits,
    /// Commands that wait until the session is ready for them, in its encoding.
    pub deferred: Option<Box<Vec<u8>>>,
    /// A token's key was unknown and the key set has been fetched since: do not ask again.
    pub keys_are_fresh: bool,
    /// Whether the user's place in the roster must be given back at the end.
    pub enrolled: bool,
    /// Told to go: it ends with the input that is being taken, hears nothing more in its channels and is asked nothing.
    pub is_ending: bool,
    /// The client asks nothing more, but waits for answers.
    pub asks_no_more: bool,
    /// It has had its turn, and waits for the next one.
    pub gives_way: bool,
}

impl Session {
    /// A session whose first command has yet to come.
    pub fn new(generation: u32, conn: u32, format: Format, client: ClientId, address: IpAddr) -> Self {
        let info = ClientInfo { user: Arc::default(), client, conn_info: None, chan_info: None };
        Self {
            generation,
            conn,
            format,
            address: to_version_6(address),
            state: State::Fresh,
            info: Arc::new(info),
            device: None,
            token: Mark::NO_TOKEN,
            connected_unix_ms: 0,
            expire_at: ExpireAt::NEVER,
            heartbeat: Heartbeat::default(),
            subscriptions: SmallVec::new(),
            refused: 0,
            bytes_in_flight: 0,
            excesses: 0,
            unbilled_ns: 0,
            allowance: Allowance::default(),
            awaits: Awaits::Nothing,
            deferred: None,
            keys_are_fresh: false,
            enrolled: false,
            is_ending: false,
            asks_no_more: false,
            gives_way: false,
        }
    }

    /// Where its client is.
    pub fn address(&self) -> IpAddr {
        IpAddr::V6(self.address).to_canonical()
    }

    /// The user, empty when anonymous.
    pub fn user(&self) -> &Arc<str> {
        &self.info.user
    }

    /// The id of its device, empty where none is told.
    pub fn device_id(&self) -> &str {
        self.device.as_ref().map_or("", |device| &device.id)
    }

    /// Whether commands other than connect are allowed.
    pub fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected)
    }

    /// Whether the next command has to wait: for the connect reply, for keys, for other shards' answers, for its turn.
    pub fn is_paused(&self) -> bool {
        matches!(self.state, State::Connecting(_))
            || self.awaits != Awaits::Nothing
            || self.gives_way
            || self.bytes_in_flight >= crate::limits::BYTES_IN_FLIGHT_MAX
    }

    /// Whether all that the client has asked is answered.
    pub fn is_answered(&self) -> bool {
        !self.is_paused() && self.bytes_in_flight == 0 && self.deferred.is_none()
    }

    /// Keeps the rest of a frame until the session is no longer paused.
    pub fn hold_back(&mut self, commands: &[u8]) {
        assert!(self.deferred.is_none(), "one frame at a time");
        if !commands.is_empty() {
            self.deferred = Some(Box::new(commands.to_vec()));
        }
    }

    /// What a command means. Commands of one session must come in the order in which they were sent.
    pub fn handle<'a>(&mut self, command: Command<'a>, context: Context<'_>) -> Step<'a> {
        if let Verb::Connect(connect) = command.verb {
            return self.connect(command.id, *connect, context);
        }
        match (&self.state, &command.verb) {
            (State::Connected, _) => {}
            // The SDKs wait for the connect reply; who does not gets told what is missing.
            _ => return Step::Close(DisconnectKind::BadRequest.because("connect first")),
        }
        if !matches!(command.verb, Verb::Pong) {
            self.heartbeat.heard();
        }
        let answered = !matches!(command.verb, Verb::Send { .. } | Verb::Pong);
        if answered && command.id == 0 {
            return Step::Close(DisconnectKind::BadRequest.because("command without id"));
        }
        match command.verb {
            Verb::Connect(_) => unreachable!("handled above"),
            Verb::Subscribe(subscribe) => self.subscribe(*subscribe, context),
            Verb::Unsubscribe { channel } => self.unsubscribe(channel),
            Verb::Publish { channel, data } => self.publish(channel, data, context),
            Verb::Presence { channel } => {
                let encoding = self.format.encoding();
                self.presence(channel, |channel| Ask::Presence(channel, encoding), context)
            }
            Verb::PresenceStats { channel } => self.presence(channel, Ask::PresenceStats, context),
            Verb::History(history) => self.history(history, context),
            Verb::Ping => Step::Pinged,
            Verb::Pong => {
                self.heartbeat.pong();
                Step::Done
            }
            Verb::Send { data } => self.send(data, context),
            Verb::Rpc { method, data } => self.rpc(&method, data, context),
            Verb::Refresh { token } => self.refresh(&token, context),
            Verb::SubRefresh { channel, token } => self.sub_refresh(&channel, &token, context),
            Verb::Unavailable(what) => Step::Refuse(ErrorKind::NotAvailable.because(what)),
            Verb::Unknown => Step::Refuse(ErrorKind::MethodNotFound.into()),
        }
    }

    /// Counts a refusal. A client that gets nothing else is told to go.
    pub fn count_refusal(&mut self) -> Option<Disconnect> {
        self.refused = self.refused.saturating_add(1);
        (self.refused >= crate::limits::REFUSALS_MAX).then_some(DisconnectKind::TooManyErrors.into())
    }

    /// A command had an answer other than a refusal.
    pub fn count_success(&mut self) {
        self.refused = 0;
        self.excesses = 0;
    }

    /// The subscription to a channel, in whatever stage.
    pub fn subscription(&self, channel: &str) -> Option<&Subscription> {
        self.subscriptions.iter().find(|subscription| &*subscription.channel == channel)
    }

    /// The subscription to a channel, in whatever stage.
    pub fn subscription_mut(&mut self, channel: &str) -> Option<&mut Subscription> {
        self.subscriptions.iter_mut().find(|subscription| &*subscription.channel == channel)
    }
}

fn to_version_6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
