//! What sessions make of commands, without a shard.

mod channels;

use std::sync::Arc;

use serde_json::json;

use super::access::Access;
use super::{Ask, Context, Flags, Identity, Overdue, Session, Stage, Step};
use crate::auth::grant::Grant;
use crate::auth::mint::hs256;
use crate::auth::{Mark, Revocations, Verifier};
use crate::config::{ChannelOptions, Config, Duration, Namespace};
use crate::limits::REFUSALS_MAX;
use crate::model::refusal::{DisconnectKind, ErrorKind};
use crate::model::{ClientId, ClientInfo, Device, PayloadKind, PayloadRef};
use crate::protocol::Format;
use crate::protocol::centrifuge::codes;
use crate::protocol::word::{Command, Connect, History, Subscribe, Verb};
use crate::time::Now;

/// A session and what it reads of its node.
struct Desk {
    config: Config,
    session: Session,
    revocations: Revocations,
    now: Now,
}

impl Desk {
    /// A session that is connected as `user`; channels `ns:…` have the options.
    fn of(user: &str, options: ChannelOptions) -> Self {
        let mut config = Config::default();
        config.channel.namespaces = vec![Namespace { name: "ns".into(), options }];
        let mut desk = Self::fresh(config);
        desk.with(|session, context| {
            let info = ClientInfo { user: Arc::from(user), ..(*session.info).clone() };
            let identity = Identity {
                id: 1,
                info: Arc::new(info),
                expire_at_unix_s: None,
                token: Mark::NO_TOKEN,
                device: Device::default(),
                planned: Vec::new(),
                enrolment: None,
            };
            session.admit(identity, context);
            session.state = super::State::Connected;
        });
        desk
    }

    fn fresh(config: Config) -> Self {
        let session = Session::new(1, 0, Format::TcpJson, ClientId::nil(), core::net::Ipv4Addr::LOCALHOST.into());
        Self {
            config,
            session,
            revocations: Revocations::default(),
            now: Now { mono_ms: 5_000, unix_ms: 1_000_000_000 },
        }
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Session, Context<'_>) -> T) -> T {
        let access = Access::new(&self.config.channel).expect("the expressions compile");
        let verifier = Verifier::new(&self.config.client.tokens(), None).expect("the keys are keys");
        let context = Context {
            config: &self.config,
            access: &access,
            verifier: &verifier,
            revocations: &self.revocations,
            now: self.now,
            signatures_ns: &std::cell::Cell::default(),
        };
        act(&mut self.session, context)
    }

    fn handle<'a>(&mut self, verb: Verb<'a>) -> Step<'a> {
        self.with(|session, context| session.handle(Command { id: 7, verb }, context))
    }

    fn subscribe(&mut self, channel: &str) -> Step<'static> {
        self.handle(Verb::Subscribe(Box::new(Subscribe {
            channel: channel.to_string().into(),
            ..Subscribe::default()
        })))
    }

    /// A backend has asked for a subscription.
    fn begin(&mut self, channel: &str) {
        let channel = channel.into();
        self.with(|session, context| session.subscribe_by_server(&channel, &Grant::default(), None, context))
            .expect("the channel is known");
    }

    /// The home shard has answered a subscribe.
    fn live(&mut self, channel: &str) {
        let subscription = self.session.subscription_mut(channel).expect("it was asked for");
        subscription.stage = Stage::Live { room: 0, place: 0 };
    }

    fn publish<'a>(&mut self, channel: &'a str) -> Step<'a> {
        let data = PayloadRef { bytes: b"1".as_slice().into(), kind: PayloadKind::Json };
        self.handle(Verb::Publish { channel: channel.into(), data })
    }
}

fn options(set: impl FnOnce(&mut ChannelOptions)) -> ChannelOptions {
    let mut options = ChannelOptions::default();
    set(&mut options);
    options
}

fn with_history(set: impl FnOnce(&mut ChannelOptions)) -> ChannelOptions {
    options(|options| {
        options.history_size = 10;
        options.history_ttl = Duration::from_secs(60);
        options.allow_subscribe_for_client = true;
        set(options);
    })
}

/// The code of a refusal or of a disconnect; 0 when it is neither.
fn code(step: &Step<'_>) -> u32 {
    match step {
        Step::Refuse(error) => codes::of_error(error.kind).0,
        Step::Close(disconnect) => codes::of_disconnect(disconnect.kind).0.into(),
        _ => 0,
    }
}

#[test]
fn a_session_is_small() {
    let bytes = std::mem::size_of::<Session>();
    assert!(bytes <= 240, "{bytes} bytes");
}

// ---------------------------------------------------------------- before the connect

#[test]
fn who_has_not_connected_may_do_nothing_else() {
    let mut desk = Desk::fresh(Config::default());
    assert_eq!(code(&desk.subscribe("ns:a")), 3501);
    assert_eq!(code(&desk.handle(Verb::Pong)), 3501);
}

#[test]
fn a_connect_without_token_needs_the_configuration() {
    let mut desk = Desk::fresh(Config::default());
    assert_eq!(code(&desk.handle(Verb::Connect(Box::default()))), 3501);
    desk.config.client.allow_anonymous_connect_without_token = true;
    let step = desk.handle(Verb::Connect(Box::default()));
    let Step::Connect(identity) = step else { panic!("{step:?}") };
    assert_eq!((&*identity.info.user, identity.enrolment), ("", None));
}

#[test]
fn the_device_is_what_the_token_says_then_the_client_then_the_upgrade() {
    let mut config = Config::default();
    config.client.allow_anonymous_connect_without_token = true;
    config.client.token.hmac_secret_key = "secret".into();
    let device = |connect: Connect<'static>, upgrade: Device| {
        let mut desk = Desk::fresh(config.clone());
        desk.session.device = Some(upgrade.into());
        let step = desk.handle(Verb::Connect(Box::new(connect)));
        let Step::Connect(identity) = step else { panic!("{step:?}") };
        identity.device
    };
    let named = || Connect { name: "js".into(), ..Connect::default() };
    assert_eq!(device(named(), Device::default()), Device::named("", "", "js"));
    let upgrade = || Device::named("of the upgrade", "tv", "");
    assert_eq!(device(named(), upgrade()), Device::named("of the upgrade", "tv", "js"));
    let headers = vec![("X-Device".into(), "of the client".into()), ("x-device-kind".into(), "phone".into())];
    let by_client = || Connect { headers: headers.clone(), ..named() };
    assert_eq!(device(by_client(), upgrade()), Device::named("of the client", "phone", "js"));
    let token = hs256("secret", &json!({ "sub": "7", "device": "of the token" }));
    let by_token = Connect { token: token.into(), ..by_client() };
    assert_eq!(device(by_token, upgrade()), Device::named("of the token", "phone", "js"));
}

#[test]
fn what_a_client_calls_itself_is_not_remembered_where_it_is_too_long() {
    let long = "x".repeat(129);
    assert!(Device::named(&long, &long, &long).is_unknown());
    let longest = &long[..128];
    assert_eq!(&*Device::named(longest, "", "").id, longest);
}

#[test]
fn a_second_connect_ends_the_session() {
    let mut desk = Desk::of("7", ChannelOptions::default());
    assert_eq!(code(&desk.handle(Verb::Connect(Box::default()))), 3501);
}

#[test]
fn a_command_without_id_ends_the_session_unless_it_expects_no_reply() {
    let mut desk = Desk::of("7", ChannelOptions::default());
    let mut handle = |verb| desk.with(|session, context| code(&session.handle(Command { id: 0, verb }, context)));
    assert_eq!(handle(Verb::Ping), 3501);
    assert_eq!(handle(Verb::Pong), 0);
    let data = PayloadRef { bytes: b"1".as_slice().into(), kind: PayloadKind::Json };
    assert_eq!(handle(Verb::Send { data }), 0);
}

#[test]
fn what_is_sent_without_an_application_leads_nowhere_but_for_what_the_node_itself_is_told() {
    let mut desk = Desk::of("7", ChannelOptions::default());
    for (data, expected) in [
        ("1", 0),
        (r#"{"method":"a","data":{}}"#, 0),
        (r#"{"method":"inbox.unread","data":{"channel":"a"}}"#, 0),
        (r#"{"method":"inbox.received","data":{"channel":"a","offset":1}}"#, 108),
        (r#"{"method":"inbox.received","data":{"offset":1}}"#, 107),
    ] {
        let sent = PayloadRef { bytes: data.as_bytes().into(), kind: PayloadKind::Json };
        assert_eq!(code(&desk.handle(Verb::Send { data: sent })), expected, "{data}");
    }
}

#[test]
fn rpc_says_that_nobody_answers_it() {
    let mut desk = Desk::of("7", ChannelOptions::default());
    let data = PayloadRef { bytes: b"1".as_slice().into(), kind: PayloadKind::Json };
    assert_eq!(code(&desk.handle(Verb::Rpc { method: "a".into(), data })), 108);
    assert_eq!(code(&desk.handle(Verb::Unknown)), 104);
}

#[test]
fn a_thousand_refusals_in_a_row_are_too_many() {
    let mut session = Desk::fresh(Config::default()).session;
    for _ in 1..REFUSALS_MAX {
        assert_eq!(session.count_refusal(), None);
    }
    session.count_success();
    for _ in 1..REFUSALS_MAX {
        assert_eq!(session.count_refusal(), None);
    }
    assert_eq!(session.count_refusal().map(|disconnect| disconnect.kind), Some(DisconnectKind::TooManyErrors));
}

// ---------------------------------------------------------------- expiry

#[test]
fn an_expired_connection_has_a_while_to_refresh() {
    let mut desk = Desk::of("7", ChannelOptions::default());
    desk.session.expire_at = Some(desk.now.unix_s() + 10).into();
    let due_ms = desk.now.mono_ms + 10_000 + desk.config.client.expired_close_delay.as_millis();
    desk.session.heartbeat.expect_connect(u64::MAX, 0);
    assert_eq!(desk.with(|session, context| session.next_due_ms(context)), due_ms);
    desk.now.unix_ms += 10_000 + 24_999;
    assert_eq!(desk.with(|session, context| session.overdue(context)), None);
    desk.now.unix_ms += 1;
    assert_eq!(desk.with(|session, context| session.overdue(context)), Some(Overdue::Connection));
}

#[test]
fn times_at_the_edges_of_what_can_be_written_do_no_harm() {
    for (at, ttl_s) in [(i64::MIN, 1), (-1, 1), (0, 1), (i64::MAX, u32::MAX)] {
        let mut desk = Desk::of("7", options(|options| options.allow_subscribe_for_client = true));
        desk.subscribe("ns:a");
        desk.live("ns:a");
        desk.session.expire_at = Some(at).into();
        desk.session.subscription_mut("ns:a").expect("it was asked for").expire_at = Some(at).into();
        assert_eq!(desk.session.expiry(desk.now.unix_s()).ttl_s, ttl_s);
        let due_ms = desk.with(|session, context| session.next_due_ms(context));
        let overdue = desk.with(|session, context| session.overdue(context));
        assert_eq!((due_ms <= desk.now.mono_ms, overdue.is_some()), (at <= 0, at <= 0), "{at}");
    }
}

#[test]
fn an_expired_subscription_ends_alone_unless_the_server_made_it() {
    let mut desk = Desk::of("7", options(|options| options.allow_subscribe_for_client = true));
    desk.subscribe("ns:a");
    let expire_at_unix_s = desk.now.unix_s() - 100;
    let subscription = desk.session.subscription_mut("ns:a").expect("it was asked for");
    subscription.expire_at = Some(expire_at_unix_s).into();
    assert_eq!(desk.with(|session, context| session.overdue(context)), None, "it has not begun");
    desk.live("ns:a");
    let overdue = desk.with(|session, context| session.overdue(context));
    assert_eq!(overdue, Some(Overdue::Subscription("ns:a".into())));
    let subscription = desk.session.subscription_mut("ns:a").expect("it has begun");
    subscription.flags = subscription.flags.with(Flags::SERVER_SIDE, true);
    assert_eq!(desk.with(|session, context| session.overdue(context)), Some(Overdue::ServerSubscription));
}
