//! What a namespace allows, to whom.

use super::*;

// ---------------------------------------------------------------- names

#[test]
fn a_name_is_looked_up_in_its_namespace_private_or_not() {
    let mut config = Config::default();
    config.channel.namespaces =
        vec![Namespace { name: "ns".into(), options: options(|options| options.history_size = 3) }];
    let access = Access::new(&config.channel).expect("no expressions");
    let size = |channel: &str| access.resolve(channel).map(|resolved| resolved.options.history_size);
    assert_eq!(size("ns:a"), Ok(3));
    assert_eq!(size("ns:a:b"), Ok(3));
    assert_eq!(size("$ns:a"), Ok(3));
    assert_eq!(size("ns"), Ok(0));
    assert!(access.resolve("$ns:a").expect("known").private);
    assert_eq!(size("other:a").map_err(|error| error.kind), Err(ErrorKind::UnknownChannel));
    assert_eq!(size("").map_err(|error| error.kind), Err(ErrorKind::BadRequest));
    assert_eq!(size(&"x".repeat(256)).map_err(|error| error.kind), Err(ErrorKind::BadRequest));
    assert_eq!(size(&"x".repeat(255)), Ok(0));
}

#[test]
fn empty_signs_switch_their_features_off() {
    let mut config = Config::default();
    config.channel.private_prefix = String::new();
    config.channel.namespace_boundary = String::new();
    config.channel.user_boundary = String::new();
    let access = Access::new(&config.channel).expect("no expressions");
    let resolved = access.resolve("$no:such#7").expect("nothing in it means anything");
    assert!(!resolved.private && !resolved.lists_users());
}

#[test]
fn the_expression_is_matched_with_what_follows_the_namespace() {
    let mut desk = Desk::of(
        "7",
        options(|options| {
            options.channel_regex = "^[0-9]+$".into();
            options.allow_subscribe_for_client = true;
            options.allow_publish_for_client = true;
        }),
    );
    assert_eq!(code(&desk.subscribe("ns:12")), 0);
    assert_eq!(code(&desk.subscribe("ns:a")), 107);
    assert_eq!(code(&desk.publish("ns:a")), 107);
}

#[test]
fn without_an_expression_names_are_ascii() {
    let mut desk = Desk::of("7", options(|options| options.allow_subscribe_for_client = true));
    assert_eq!(code(&desk.subscribe("ns:ü")), 107);
}

#[test]
fn personal_channels_are_named_for_their_users() {
    let access = Access::new(&Config::default().channel).expect("no expressions");
    assert_eq!(&*access.personal_channel("", "7"), "#7");
    assert_eq!(&*access.personal_channel("ns", "7"), "ns:#7");
}

// ---------------------------------------------------------------- may it subscribe?

#[test]
fn a_channel_is_closed_unless_its_namespace_opens_it() {
    assert_eq!(code(&Desk::of("7", ChannelOptions::default()).subscribe("ns:a")), 103);
    let open = options(|options| options.allow_subscribe_for_client = true);
    assert_eq!(code(&Desk::of("7", open.clone()).subscribe("ns:a")), 0);
    assert_eq!(code(&Desk::of("", open).subscribe("ns:a")), 103);
    let to_all = options(|options| {
        options.allow_subscribe_for_client = true;
        options.allow_subscribe_for_anonymous = true;
    });
    assert_eq!(code(&Desk::of("", to_all).subscribe("ns:a")), 0);
}

#[test]
fn a_private_channel_needs_a_token_wherever_it_is() {
    let mut desk = Desk::of("7", options(|options| options.allow_subscribe_for_client = true));
    assert_eq!(code(&desk.subscribe("$ns:a")), 103);
    desk.config.client.insecure = true;
    assert_eq!(code(&desk.subscribe("$ns:a")), 103);
}

#[test]
fn a_name_that_lists_users_is_open_to_them_only() {
    let limited = options(|options| {
        options.allow_user_limited_channels = true;
        options.allow_subscribe_for_client = true;
        options.allow_subscribe_for_anonymous = true;
    });
    assert_eq!(code(&Desk::of("7", limited.clone()).subscribe("ns:a#7")), 0);
    assert_eq!(code(&Desk::of("7", limited.clone()).subscribe("ns:a#8,7")), 0);
    assert_eq!(code(&Desk::of("7", limited.clone()).subscribe("ns:a#b#7")), 0);
    assert_eq!(code(&Desk::of("7", limited.clone()).subscribe("ns:a#77")), 103);
    assert_eq!(code(&Desk::of("", limited.clone()).subscribe("ns:a#")), 103);
    assert_eq!(code(&Desk::of("7", limited).subscribe("ns:a")), 0);
    let open = options(|options| options.allow_subscribe_for_client = true);
    assert_eq!(code(&Desk::of("7", open).subscribe("ns:a#7")), 103);
}

#[test]
fn insecure_asks_for_no_permission() {
    let mut desk = Desk::of("", ChannelOptions::default());
    desk.config.client.insecure = true;
    assert_eq!(code(&desk.subscribe("ns:a#7")), 0);
    assert_eq!(code(&desk.publish("ns:b")), 0);
}

#[test]
fn a_channel_is_subscribed_once_and_not_more_of_them_than_allowed() {
    let mut desk = Desk::of("7", options(|options| options.allow_subscribe_for_client = true));
    desk.config.client.channel_limit = 2;
    assert_eq!(code(&desk.subscribe("ns:a")), 0);
    assert_eq!(code(&desk.subscribe("ns:a")), 105);
    assert_eq!(code(&desk.subscribe("ns:b")), 0);
    assert_eq!(code(&desk.subscribe("ns:c")), 106);
}

// ---------------------------------------------------------------- on which terms?

fn flags(desk: &mut Desk, wish: Subscribe<'static>) -> Flags {
    let step = desk.handle(Verb::Subscribe(Box::new(Subscribe { channel: "ns:a".into(), ..wish })));
    let Step::Ask(Ask::Subscribe(_, terms)) = step else { panic!("{step:?}") };
    terms.flags
}

fn wish() -> Subscribe<'static> {
    Subscribe { positioned: true, recoverable: true, join_leave: true, ..Subscribe::default() }
}

#[test]
fn wishes_are_granted_where_the_namespace_allows_them() {
    let none = flags(&mut Desk::of("7", with_history(|_| {})), wish());
    assert_eq!(none, Flags::default());
    let positioned = flags(&mut Desk::of("7", with_history(|options| options.allow_positioning = true)), wish());
    assert!(positioned.has(Flags::POSITIONED) && !positioned.has(Flags::RECOVERABLE));
    let recoverable = flags(&mut Desk::of("7", with_history(|options| options.allow_recovery = true)), wish());
    assert!(recoverable.has(Flags::POSITIONED) && recoverable.has(Flags::RECOVERABLE));
    let reader = with_history(|options| options.allow_history_for_subscriber = true);
    assert!(flags(&mut Desk::of("7", reader.clone()), wish()).has(Flags::RECOVERABLE));
    assert!(!flags(&mut Desk::of("7", reader), Subscribe::default()).has(Flags::RECOVERABLE));
}

#[test]
fn who_may_see_presence_may_hear_of_it() {
    let told =
        |set: fn(&mut ChannelOptions), wish| flags(&mut Desk::of("7", with_history(set)), wish).has(Flags::JOIN_LEAVE);
    assert!(!told(|options| options.join_leave = true, wish()));
    let asked: fn(&mut ChannelOptions) = |options| {
        options.join_leave = true;
        options.allow_presence_for_subscriber = true;
    };
    assert!(told(asked, wish()) && !told(asked, Subscribe::default()));
    assert!(told(|options| options.force_push_join_leave = true, Subscribe::default()));
}

#[test]
fn without_history_nothing_is_positioned() {
    let forced = options(|options| {
        options.allow_subscribe_for_client = true;
        options.force_recovery = true;
        options.force_positioning = true;
    });
    assert_eq!(flags(&mut Desk::of("7", forced), wish()), Flags::default());
}

#[test]
fn only_who_does_not_count_on_all_is_conflated() {
    let conflating = |set: fn(&mut ChannelOptions)| {
        let options = with_history(|options| {
            options.slow_consumer = crate::config::SlowConsumer::Conflate;
            set(options);
        });
        flags(&mut Desk::of("7", options), Subscribe::default()).has(Flags::CONFLATE)
    };
    assert!(conflating(|_| {}));
    assert!(!conflating(|options| options.force_recovery = true));
    assert!(conflating(|options| {
        options.force_recovery = true;
        options.force_recovery_mode = crate::config::ForceRecoveryMode::Cache;
    }));
}

// ---------------------------------------------------------------- may it publish and read?

#[test]
fn publishing_is_for_whom_the_namespace_says() {
    type Set = fn(&mut ChannelOptions);
    let clients: Set = |options| options.allow_publish_for_client = true;
    let subscribers: Set = |options| options.allow_publish_for_subscriber = true;
    let anonymous_subscribers: Set = |options| {
        options.allow_publish_for_subscriber = true;
        options.allow_publish_for_anonymous = true;
    };
    let none: Set = |_| {};
    for (set, user, subscribed, expected) in [
        (none, "7", true, 103),
        (clients, "7", false, 0),
        (clients, "", false, 103),
        (subscribers, "7", false, 103),
        (subscribers, "7", true, 0),
        (subscribers, "", true, 103),
        (anonymous_subscribers, "", true, 0),
        (anonymous_subscribers, "", false, 103),
    ] {
        let mut desk = Desk::of(
            user,
            options(|options| {
                options.allow_subscribe_for_client = true;
                options.allow_subscribe_for_anonymous = true;
                set(options);
            }),
        );
        if subscribed {
            desk.subscribe("ns:a");
            desk.live("ns:a");
        }
        assert_eq!(code(&desk.publish("ns:a")), expected, "user {user:?}, subscribed {subscribed}");
    }
}

#[test]
fn a_name_that_keeps_the_user_out_guards_all_that_can_be_done_there() {
    let everything = with_history(|options| {
        options.presence = true;
        options.allow_user_limited_channels = true;
        options.allow_publish_for_client = true;
        options.allow_history_for_client = true;
        options.allow_presence_for_client = true;
    });
    let codes = |desk: &mut Desk, channel: &str| {
        let history = Verb::History(History { channel: channel.to_string().into(), ..History::default() });
        let presence = Verb::Presence { channel: channel.to_string().into() };
        let stats = Verb::PresenceStats { channel: channel.to_string().into() };
        [
            code(&desk.publish(channel)),
            code(&desk.handle(history)),
            code(&desk.handle(presence)),
            code(&desk.handle(stats)),
        ]
    };
    for (channel, code) in [("ns:a", 0), ("$ns:a", 103), ("ns:a#8", 103), ("ns:a#8,7", 0)] {
        assert_eq!(codes(&mut Desk::of("7", everything.clone()), channel), [code; 4], "{channel}");
    }
    for channel in ["$ns:a", "ns:a#8"] {
        let mut desk = Desk::of("7", everything.clone());
        desk.begin(channel);
        assert!(matches!(desk.publish(channel), Step::Later), "{channel}: it waits for its turn");
        desk.live(channel);
        assert_eq!(codes(&mut desk, channel), [0; 4], "{channel}: a token or a backend has let it in");
    }
}

#[test]
fn nothing_is_no_publication() {
    let mut desk = Desk::of("7", options(|options| options.allow_publish_for_client = true));
    let data = PayloadRef { bytes: b"".as_slice().into(), kind: PayloadKind::Binary };
    assert_eq!(code(&desk.handle(Verb::Publish { channel: "ns:a".into(), data })), 107);
}

#[test]
fn history_and_presence_are_for_whom_the_namespace_says() {
    let history = || Verb::History(History { channel: "ns:a".into(), ..History::default() });
    let presence = || Verb::Presence { channel: "ns:a".into() };
    let mut closed = Desk::of("7", with_history(|options| options.presence = true));
    assert_eq!((code(&closed.handle(history())), code(&closed.handle(presence()))), (103, 103));
    let mut open = Desk::of(
        "7",
        with_history(|options| {
            options.presence = true;
            options.allow_history_for_client = true;
            options.allow_presence_for_subscriber = true;
        }),
    );
    assert_eq!((code(&open.handle(history())), code(&open.handle(presence()))), (0, 103));
    open.subscribe("ns:a");
    open.live("ns:a");
    assert_eq!(code(&open.handle(presence())), 0);
    let mut without = Desk::of("7", options(|options| options.allow_history_for_client = true));
    assert_eq!((code(&without.handle(history())), code(&without.handle(presence()))), (108, 108));
}

#[test]
fn what_depends_on_a_subscription_waits_until_it_has_begun() {
    let mut desk = Desk::of(
        "7",
        options(|options| {
            options.allow_subscribe_for_client = true;
            options.allow_publish_for_subscriber = true;
        }),
    );
    desk.subscribe("ns:a");
    assert!(matches!(desk.publish("ns:a"), Step::Later));
    assert!(matches!(desk.handle(Verb::Unsubscribe { channel: "ns:a".into() }), Step::Later));
    assert!(matches!(desk.publish("ns:b"), Step::Refuse(_)));
    desk.live("ns:a");
    assert!(matches!(desk.publish("ns:a"), Step::Ask(Ask::Publish { .. })));
    assert!(matches!(desk.handle(Verb::Unsubscribe { channel: "ns:a".into() }), Step::Unsubscribe(_)));
}
