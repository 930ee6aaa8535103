//! What backends ask.

use super::*;
use crate::auth::grant::Grant;
use crate::broker::order::{Part, Subscribe, Who};
use crate::hub::Pattern;
use crate::model::refusal::{DisconnectKind, ErrorKind, Unsubscribe};
use crate::model::{HistoryFilter, PayloadKind, PresenceStats, Recover};

fn who(user: &str, client: Option<ClientId>) -> Arc<Who> {
    Arc::new(Who { user: user.into(), client })
}

#[test]
fn a_backend_subscribes_every_session_of_a_user() {
    let mut node = Node::new();
    let channel = node.at(1, "kept");
    let position = node.publish(&channel, "1", None);
    let peers = [node.connect(0, json!({"sub": "7"})), node.connect(0, json!({"sub": "7"}))];
    let other = node.connect(0, json!({"sub": "8"}));
    let since = Position { offset: 0, epoch: position.epoch };
    let subscribe = Subscribe {
        who: Who { user: "7".into(), client: None },
        channel: channel.as_str().into(),
        grant: Grant::default(),
        recover: Some(Recover { recover: true, since }),
    };
    node.order(0, |answer| Order::Subscribe(subscribe.into(), answer)).expect("a known channel");
    node.carry();
    for peer in peers {
        assert_eq!(kinds(&node.hear(peer)), ["subscribe", "pub 1"]);
    }
    assert!(node.hear(other).is_empty());
    let sessions =
        node.order(0, |answer| Order::Sessions { user: "7".into(), part: Part::all(), answer }).expect("it works");
    assert!(sessions.iter().all(|session| *session.channels == [Arc::<str>::from(channel.as_str())]));
    assert_eq!(sessions.len(), 2);
}

#[test]
fn what_a_backend_was_told_has_failed_does_not_happen_later() {
    let mut node = Node::new();
    let channel = node.at(0, "kept");
    let before = node.publish(&channel, "1", None);
    let (answer, asker) = tokio::sync::oneshot::channel();
    drop(asker);
    let publish = Publish {
        channel: channel.as_str().into(),
        data: Payload { bytes: "2".into(), kind: PayloadKind::Json },
        tags: None,
        skip_history: false,
        idempotency_key: None,
        version: None,
        ttl_ms: None,
        exclude_client: None,
    };
    node.brokers[0].order(Order::Publish(publish.into(), answer), node.now);
    assert_eq!(node.publish(&channel, "3", None).offset, before.offset + 1);
}

#[test]
fn a_backend_unsubscribes_from_one_channel_or_from_all() {
    let mut node = Node::new();
    let channels = [node.at(0, "kept"), node.at(1, "kept"), node.at(1, "open")];
    let peer = node.connect(0, json!({"sub": "7"}));
    for (id, channel) in channels.iter().enumerate() {
        node.say(peer, &subscribe(id as u32 + 2, channel));
    }
    let mut unsubscribe = |channel: &str| {
        let (who, channel, reason) = (who("7", None), channel.into(), Unsubscribe::Server);
        node.order(0, |answer| Order::Unsubscribe { who, channel, reason, answer }).expect("it works");
        kinds(&node.hear(peer))
    };
    assert_eq!(unsubscribe(&channels[0]), ["unsubscribe 2000"]);
    assert_eq!(unsubscribe(&channels[0]), Vec::<String>::new());
    assert_eq!(unsubscribe(""), ["unsubscribe 2000", "unsubscribe 2000"]);
}

#[test]
fn a_backend_disconnects_all_but_those_it_spares() {
    let mut node = Node::new();
    let peers = [node.connect(0, json!({"sub": "7"})), node.connect(0, json!({"sub": "7"}))];
    let whitelist = Arc::new([node.client(peers[0])].into());
    let reason = DisconnectKind::ForceDisconnect.into();
    let who = who("7", None);
    node.order(0, |answer| Order::Disconnect { who, whitelist, reason, answer }).expect("it works");
    assert_eq!((node.goodbye(peers[0]), node.goodbye(peers[1])), (None, Some(3503)));
}

#[test]
fn a_backend_names_an_anonymous_session_by_its_client() {
    let mut config = config();
    config.client.allow_anonymous_connect_without_token = true;
    let mut node = Node::with(config);
    let peers = [node.open(0), node.open(0)];
    for peer in peers {
        node.say(peer, r#"{"id":1,"connect":{}}"#);
    }
    for client in [None, Some(node.client(peers[1]))] {
        let (who, reason) = (who("", client), DisconnectKind::ForceReconnect.into());
        let whitelist = Arc::default();
        node.order(0, |answer| Order::Disconnect { who, whitelist, reason, answer }).expect("it works");
    }
    assert_eq!((node.goodbye(peers[0]), node.goodbye(peers[1])), (None, Some(3011)));
}

#[test]
fn a_backend_changes_when_sessions_expire() {
    let mut node = Node::new();
    let peer = node.connect(0, json!({"sub": "7"}));
    let mut refresh = |expired, expire_at_unix_s| {
        let who = who("7", None);
        let refresh = |answer| Order::Refresh { who, expired, expire_at_unix_s, info: None, answer };
        node.order(0, refresh).expect("it works");
        (kinds(&node.hear(peer)), node.goodbye(peer))
    };
    let soon = 1_700_000_000 + 60;
    assert_eq!(refresh(false, Some(soon)), (vec!["refresh".to_string()], None));
    assert_eq!(refresh(false, Some(i64::MAX)), (vec!["refresh".to_string()], None));
    assert_eq!(refresh(true, None), (vec![], Some(3005)));
}

#[test]
fn an_expiry_in_the_past_is_an_end() {
    for past in [i64::MIN, -1, 1_700_000_000] {
        let mut node = Node::new();
        let peer = node.connect(0, json!({"sub": "7"}));
        let channel = node.at(0, "open");
        let subscribe = Subscribe {
            who: Who { user: "7".into(), client: None },
            channel: channel.as_str().into(),
            grant: Grant { expire_at_unix_s: Some(past), ..Grant::default() },
            recover: None,
        };
        let refused = node.order(0, |answer| Order::Subscribe(subscribe.into(), answer)).map_err(|error| error.kind);
        assert_eq!((refused, node.hear(peer).is_empty(), node.goodbye(peer)), (Err(ErrorKind::Expired), true, None));
        let who = who("7", None);
        let refresh = |answer| Order::Refresh { who, expired: false, expire_at_unix_s: Some(past), info: None, answer };
        node.order(0, refresh).expect("it works");
        assert_eq!(node.goodbye(peer), Some(3005));
    }
}

#[test]
fn a_backend_changes_what_others_see_of_a_user() {
    for home in 0..2 {
        let mut node = Node::new();
        let channel = node.at(home, "open");
        let peer = node.connect(0, json!({"sub": "7", "info": {"name": "old"}, "channels": [channel]}));
        let witness = node.connect(1, json!({"sub": "8", "channels": [channel]}));
        let (who, info) = (who("7", None), Some(Payload::json(r#"{"name":"new"}"#)));
        let refresh = |answer| Order::Refresh { who, expired: false, expire_at_unix_s: None, info, answer };
        node.order(0, refresh).expect("it works");
        node.carry();
        node.hear(witness);
        super::keeping::assert_is_seen_as(&mut node, &channel, peer, witness, &json!({"name": "new"}));
    }
}

#[test]
fn a_backend_reads_history_and_presence() {
    let mut node = Node::new();
    let (kept, open) = (node.at(1, "kept"), node.at(1, "open"));
    let peer = node.connect(0, json!({"sub": "7", "channels": [open]}));
    node.publish(&kept, "1", None);
    let name = || -> Arc<str> { kept.as_str().into() };
    let filter = HistoryFilter { limit: -1, ..HistoryFilter::default() };
    let read = |node: &mut Node, channel: Arc<str>| {
        let filter = filter.clone();
        let page = node.order(1, |answer| Order::History { channel, filter, answer });
        page.map(|page| (page.publications.len(), page.position.offset)).map_err(|error| error.kind)
    };
    assert_eq!(read(&mut node, name()), Ok((1, 1)));
    assert_eq!(read(&mut node, open.as_str().into()), Err(ErrorKind::NotAvailable));
    assert_eq!(read(&mut node, "nowhere:1".into()), Err(ErrorKind::UnknownChannel));
    node.order(1, |answer| Order::HistoryRemove { channel: name(), answer }).expect("it works");
    assert_eq!(read(&mut node, name()), Ok((0, 1)));
    let presence = node.order(1, |answer| Order::Presence { channel: open.as_str().into(), answer });
    let clients: Vec<_> = presence.expect("it has presence").iter().map(|info| info.client).collect();
    assert_eq!(clients, [node.client(peer)]);
    let stats = node.order(1, |answer| Order::PresenceStats { channel: open.as_str().into(), answer });
    assert_eq!(stats, Ok(PresenceStats { num_clients: 1, num_users: 1 }));
    let channels = node
        .order(1, |answer| Order::Channels { pattern: Arc::new(Pattern::new("").unwrap()), part: Part::all(), answer })
        .expect("it works");
    assert_eq!(channels, [(Arc::from(open.as_str()), 1)]);
    let info = [0, 1].map(|shard| node.order(shard, |answer| Order::Info { answer }).expect("it works"));
    assert_eq!((info[0].num_clients, info[0].num_subs, info[1].num_channels), (1, 1, 1));
}

#[test]
fn a_new_configuration_holds_from_then_on() {
    let mut node = Node::new();
    let channel = node.at(0, "open");
    let peer = node.connect(0, json!({"sub": "7", "channels": [channel]}));
    let mut config = config();
    config.channel.namespaces.retain(|namespace| namespace.name != "open");
    for broker in &mut node.brokers {
        broker.order(Order::Reload(Arc::new(config.clone())), node.now);
    }
    assert_eq!(kinds(&node.say(peer, &publication(2, &channel, 1))), ["2:error 102"]);
    node.drop(peer);
    assert_eq!(node.brokers[0].home.hub.active(), 0);
}
