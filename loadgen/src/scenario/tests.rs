//! The built-in files, settings, and the plans that scenarios become.

use std::collections::HashSet;

use super::*;
use crate::plan::{Breakage, Load, Pace, Stream};

fn built_in(name: &str) -> Scenario {
    read(&find(name).unwrap()).unwrap()
}

fn with(name: &str, settings: &[&str]) -> Scenario {
    settings.iter().fold(built_in(name), |scenario, setting| set(&scenario, setting).unwrap())
}

fn plan(name: &str, settings: &[&str]) -> Plan {
    with(name, settings).plan().unwrap()
}

fn refusal(name: &str, settings: &[&str]) -> String {
    with(name, settings).plan().unwrap_err().to_string()
}

#[test]
fn every_built_in_scenario_makes_a_plan_and_survives_being_written() {
    for (name, _) in BUILT_IN {
        let scenario = built_in(name);
        let plan = scenario.plan().unwrap();
        assert_eq!(scenario.channel_names(&plan, "loadgen").len(), plan.channels as usize, "{name}");
        assert_eq!(read(&toml::to_string(&scenario).unwrap()).unwrap(), scenario, "{name}");
        let clients = plan.clients.len() as u32;
        assert!(plan.streams.iter().all(|stream| stream.publisher < clients && stream.channel < plan.channels));
        assert!(plan.clients.iter().flatten().all(|channel| *channel < plan.channels), "{name}");
    }
}

#[test]
fn unknown_keys_are_refused_wherever_they_are() {
    let file = find("fanout").unwrap();
    for wrong in ["[run]\nspeed = 1", "[work.pace]\nspeed = 1"] {
        let section = wrong.lines().next().unwrap();
        let error = read(&file.replace(section, wrong)).unwrap_err().to_string();
        assert!(error.contains("speed"), "{wrong}: {error}");
    }
    let error = read(&file.replace("publishers", "publisher")).unwrap_err().to_string();
    assert!(error.contains("publisher") && error.contains("subscribers"), "{error}");
    assert!(read(&format!("speed = 1\n{file}")).is_err());
    assert!(read(&file.replace("fanout", "fly")).is_err());
}

#[test]
fn a_setting_is_found_by_its_last_name_and_takes_whole_numbers_strings_and_paths() {
    let scenario =
        with("fanout", &["rate_per_s=20", "work.subscribers = 7", "channel_prefix=chat:", "encoding=protobuf"]);
    let Work::FanOut(fan_out) = &scenario.work else { panic!("{scenario:?}") };
    assert_eq!((fan_out.pace.rate_per_s, fan_out.subscribers), (20.0, 7));
    assert_eq!((scenario.run.channel_prefix.as_str(), scenario.run.encoding), ("chat:", Encoding::Protobuf));
    assert_eq!(with("fanout", &["channel_prefix=\"7\""]).run.channel_prefix, "7");
}

#[test]
fn a_setting_that_is_none_is_refused_with_those_that_are() {
    let scenario = built_in("idle");
    for (setting, expected) in [
        ("client=3", "did you mean `clients`"),
        ("clients", "key=value"),
        ("clients=-1", "does not fit"),
        ("rate_per_s=1", "work.clients"),
        ("kind=connect", "does not fit"),
    ] {
        let error = set(&scenario, setting).unwrap_err().to_string();
        assert!(error.contains(expected), "{setting}: {error}");
    }
}

#[test]
fn fan_out_gives_each_channel_publishers_and_subscribers_of_its_own() {
    let plan = plan("fanout", &["channels=2", "publishers=2", "subscribers=3"]);
    assert_eq!(plan.audiences(), [3, 3]);
    let streams: Vec<_> = plan.streams.iter().map(|stream| (stream.publisher, stream.channel)).collect();
    assert_eq!(streams, [(6, 0), (7, 1), (8, 0), (9, 1)]);
    assert!(plan.clients[6..].iter().all(Vec::is_empty), "publishers hear nothing");
}

#[test]
fn channels_by_zipf_have_members_and_messages_by_their_rank() {
    let plan = plan("fanout", &["channels=4", "publishers=25", "subscribers=51", "zipf=1", "rates=by-size"]);
    // 1 each, and 1 : 1/2 : 1/3 : 1/4 of 200.
    assert_eq!(plan.audiences(), [97, 49, 33, 25]);
    let speakers = |channel| plan.streams.iter().filter(|stream| stream.channel == channel).count();
    assert_eq!([0, 1, 2, 3].map(speakers), [47, 24, 16, 13]);
    assert_eq!(plan.clients.len(), 304);
}

#[test]
fn channels_by_zipf_may_share_the_messages_evenly() {
    let plan = plan("fanout-zipf", &["channels=3", "publishers=2", "rates=even"]);
    let channels: Vec<_> = plan.streams.iter().map(|stream| stream.channel).collect();
    assert_eq!(channels.len(), 6);
    for round in channels.chunks(3) {
        assert!([0, 1, 2].iter().all(|channel| round.contains(channel)), "{channels:?}");
    }
}

#[test]
fn fan_in_has_one_subscriber_in_each_channel() {
    let plan = plan("fanin", &["channels=2", "publishers=5"]);
    assert_eq!((plan.audiences(), plan.streams.len(), plan.clients.len()), (vec![1, 1], 10, 12));
}

#[test]
fn bystanders_hear_channels_of_their_own_all_of_which_exist() {
    let work = plan("fanout", &["subscribers=3"]);
    let settings = ["bystanders.count=4", "bystanders.channel_count=10", "bystanders.channels_each=3"];
    let plan = plan("fanout", &[&["subscribers=3"], &settings[..]].concat());
    assert_eq!((&plan.streams, &plan.clients[..4]), (&work.streams, &work.clients[..]));
    assert_eq!(plan.clients[4..], [vec![1, 2, 3], vec![4, 5, 6], vec![7, 8, 9], vec![10, 1, 2]]);
    assert_eq!(plan.audiences(), [3, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn direct_messages_go_to_others_never_to_oneself() {
    let plan = plan("direct", &["users=4", "contacts=3"]);
    assert_eq!(plan.audiences(), [1; 4]);
    assert_eq!(plan.streams.len(), 12);
    let is_to_another = |stream: &Stream| plan.clients[stream.publisher as usize] != [stream.channel];
    assert!(plan.streams.iter().all(is_to_another));
    let mut pairs: Vec<_> = plan.streams.iter().map(|stream| (stream.publisher, stream.channel)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    assert_eq!(pairs.len(), 12, "each pair once");
}

#[test]
fn a_chat_fills_its_rooms_by_zipf_with_users_who_are_in_none_twice() {
    let plan = plan("chat", &["users=100", "rooms=20", "rooms_per_user=3", "zipf=1"]);
    let Load::Chat(day) = plan.load else { panic!("{:?}", plan.load) };
    let audiences = plan.audiences();
    assert_eq!(audiences[..20].iter().sum::<u32>(), 300);
    assert!(audiences[0] > 5 * audiences[19] && audiences[19] > 0, "{audiences:?}");
    assert_eq!(audiences[..20], audiences[20..40], "where one talks, one is seen typing");
    assert!(audiences[40..].iter().all(|audience| *audience == 1), "own channels");
    for (user, channels) in plan.clients.iter().enumerate() {
        let mut rooms: Vec<_> = channels.iter().filter(|channel| day.is_room(**channel)).collect();
        rooms.dedup();
        assert_eq!((rooms.len(), channels.len()), (3, 7), "{channels:?}");
        assert!(channels.contains(&day.own(user as u32)));
    }
}

#[test]
fn a_chat_without_typing_has_no_channels_for_it() {
    let scenario = with("chat", &["users=100", "rooms=4", "rooms_per_user=1", "typing_share=0"]);
    let plan = scenario.plan().unwrap();
    assert_eq!(plan.channels, 104);
    assert!(scenario.channel_names(&plan, "loadgen").iter().all(|name| name.starts_with("chat:")));
    let typing = with("chat", &["users=100", "rooms=4", "rooms_per_user=1"]);
    let names = typing.channel_names(&typing.plan().unwrap(), "loadgen");
    assert_eq!([&names[3], &names[4], &names[8]], ["chat:loadgen-3", "typing:loadgen-4", "chat:loadgen-8"]);
}

#[test]
fn the_chats_of_several_processes_are_one_chat_together_and_share_no_name() {
    let scenario = with("chat", &["users=101", "rooms=31", "zipf=0.5"]);
    let parts: Vec<_> = (0..3).map(|index| Part { index, of: 3 }).collect();
    let plans: Vec<_> = parts.iter().map(|part| scenario.part(*part).plan().unwrap()).collect();
    let whole = scenario.plan().unwrap();
    let clients: usize = plans.iter().map(|plan| plan.clients.len()).sum();
    let channels: u32 = plans.iter().map(|plan| plan.channels).sum();
    assert_eq!((clients, channels), (whole.clients.len(), whole.channels));
    let days: Vec<_> = plans.iter().map(|plan| if let Load::Chat(day) = plan.load { day } else { panic!() }).collect();
    assert!((days.iter().map(|day| day.messages_per_s).sum::<f64>() - 200.0).abs() < 1e-6);
    assert!(days[0].seed != days[1].seed && days[1].seed != days[2].seed, "nobody does the same at the same time");
    let named = parts.iter().zip(&plans).flat_map(|(part, plan)| scenario.channel_names(plan, &part.stem(plan)));
    assert_eq!(named.collect::<HashSet<_>>().len(), whole.channels as usize);
    assert_eq!((scenario.part(Part::WHOLE), &*Part::WHOLE.stem(&whole)), (scenario, "loadgen"));
}

#[test]
fn the_pace_is_closed_where_outstanding_is_set_and_open_elsewhere() {
    let load = |settings: &[&str]| plan("publish", settings).load;
    assert_eq!(load(&[]), Load::Publish(Pace::Closed { outstanding: 1, burst: 1 }));
    let open = Load::Publish(Pace::Open { rate_per_s: 10.0, burst: 2 });
    assert_eq!(load(&["outstanding=0", "rate_per_s=10", "burst=2"]), open);
}

#[test]
fn only_work_with_a_rate_has_one_to_raise() {
    for (name, settings, rate) in [
        ("fanout", &["rate_per_s=7"][..], Some(7.0)),
        ("connect", &["rate_per_s=7"], Some(7.0)),
        ("connect-storm", &[], None),
        ("idle", &[], None),
        ("publish", &[], None),
    ] {
        let scenario = with(name, settings);
        assert_eq!(scenario.rate_per_s().ok(), rate, "{name}");
        assert_eq!(scenario.at_rate(9.0).rate_per_s().ok(), rate.map(|_| 9.0), "{name}");
    }
}

#[test]
fn settings_without_sense_are_refused_by_name() {
    for (name, setting, expected) in [
        ("fanout", "payload_bytes=20", "payload_bytes"),
        ("fanout", "duration_s=0", "duration_s"),
        ("fanout", "duration_s=nan", "duration_s"),
        ("fanout", "warm_up_s=-1", "warm_up_s"),
        ("fanout", "rate_per_s=0", "rate_per_s"),
        ("fanout", "burst=0", "burst"),
        ("fanout", "zipf=-1", "zipf"),
        ("fanout", "subscribers=0", "subscribers"),
        ("fanout", "subscribers=4000000000", "clients"),
        ("publish", "outstanding=100000", "outstanding"),
        ("publish", "burst=2", "at most `outstanding`"),
        ("connect", "stay_s=-1", "stay_s"),
        ("connect-storm", "clients=0", "clients"),
        ("reconnect-storm", "share=1.5", "share"),
        ("reconnect-storm", "backoff_s=-1", "backoff_s"),
        ("direct", "contacts=1000", "contacts"),
        ("idle", "clients=0", "clients"),
        ("idle", "bystanders.count=4000000000", "clients"),
        ("slow", "share=1", "share"),
        ("slow", "outstanding=1", "outstanding"),
        ("slow", "receive_buffer_bytes=100", "receive_buffer_bytes"),
        ("slow", "pause_s=-1", "pause_s"),
        ("ramp-fanout", "factor=1", "factor"),
        ("ramp-fanout", "p99_ms=0", "p99_ms"),
        ("ramp-fanout", "tries=0", "tries"),
        ("ramp-fanout", "steps_max=0", "steps_max"),
        ("ramp-fanout", "outstanding=1", "outstanding"),
        ("chat", "users=1", "users"),
        ("chat", "bystanders.count=5", "bystanders"),
        ("chat", "zipf=3", "the largest room"),
        ("chat", "rooms_per_user=501", "rooms_per_user"),
        ("chat", "rooms=9000", "9000 rooms"),
        ("chat", "rooms=4", "moves_per_s"),
        ("chat", "direct_share=1.5", "direct_share"),
        ("chat", "pause_s=-1", "pause_s"),
        ("chat", "reconnects_per_s=2000", "would be away"),
    ] {
        let error = refusal(name, &[setting]);
        assert!(error.contains(expected), "{setting}: {error}");
    }
    for (channels, each, expected) in [(2, 3, "there are 2 channels"), (20_000_000, 20_000, "subscriptions")] {
        let settings = [
            "bystanders.count=1000".to_owned(),
            format!("bystanders.channel_count={channels}"),
            format!("bystanders.channels_each={each}"),
        ];
        let error = refusal("idle", &settings.each_ref().map(String::as_str));
        assert!(error.contains(expected), "{error}");
    }
    let error = refusal("fanout", &["publishers=100000", "subscribers=100000"]);
    assert!(error.contains("pairs"), "{error}");
}

#[test]
fn a_storm_breaks_the_connections_of_a_share_of_the_clients() {
    let storm = |settings: &[&str]| match plan("reconnect-storm", settings).load {
        Load::Storm(storm) => (storm.clients, storm.breakage),
        load => panic!("{load:?}"),
    };
    assert_eq!(storm(&["clients=10", "share=0.25", "breakage=close"]), (3, Some(Breakage::Close)));
    // Which ones a server ends is up to the server.
    assert_eq!(storm(&["clients=10", "share=0.25", "breakage=server"]), (10, Some(Breakage::Server)));
    assert!(plan("connect-storm", &["channels=0", "clients=5"]).clients.is_empty(), "they are not there yet");
}

#[test]
fn slow_readers_are_a_share_of_the_subscribers_and_have_small_buffers() {
    let plan = plan("slow", &["channels=2", "subscribers=10", "share=0.25", "receive_buffer_bytes=20000"]);
    let Load::Slow(slow) = plan.load else { panic!("{:?}", plan.load) };
    assert_eq!((slow.clients, slow.pause_ns), (5, None));
    let buffers = [0, 4, 5, 20].map(|client| plan.receive_buffer_bytes(client));
    assert_eq!(buffers, [Some(20_000), Some(20_000), None, None]);
    let slow_audience = plan.clients[..5].concat();
    assert_eq!(slow_audience, [0, 1, 0, 1, 0], "in all channels");
}

#[test]
fn visitors_need_connections_too() {
    let scenario = with("connect-storm", &["clients=70"]);
    assert_eq!(scenario.connections_max(&scenario.plan().unwrap()), 70);
    let scenario = with("connect", &["rate_per_s=100", "stay_s=2"]);
    assert!(scenario.connections_max(&scenario.plan().unwrap()) >= 200);
}

#[test]
fn a_disturbance_needs_a_command_and_its_time() {
    let check = |settings: &[&str]| {
        let scenario = with("rolling", settings);
        scenario.disturbance.check(scenario.run.duration_s).map_err(|error| error.to_string())
    };
    assert_eq!(check(&["command=exit 0"]), Ok(()));
    assert_eq!(check(&["disturbance.times=0"]), Ok(()));
    for (settings, expected) in [
        (&[][..], "--set command="),
        (&["command=exit 0", "duration_s=25"], "after 25 s"),
        (&["command=exit 0", "every_s=-1"], "every_s"),
    ] {
        let error = check(settings).unwrap_err();
        assert!(error.contains(expected), "{settings:?}: {error}");
    }
}

#[test]
fn members_of_a_fan_out_say_how_far_they_are_where_that_is_asked() {
    let Load::Receive(receive) = plan("fanout", &["subscribers=7", "received_every_s=0.5"]).load else { panic!() };
    assert_eq!((receive.clients, receive.every_ns), (7, 500_000_000));
    assert!(matches!(plan("fanout", &["received_every_s=0"]).load, Load::Publish(_)));
    for unfit in ["received_every_s=-1", "received_every_s=0.001"] {
        assert!(refusal("fanout", &[unfit]).contains("received_every_s"), "{unfit}");
    }
}
