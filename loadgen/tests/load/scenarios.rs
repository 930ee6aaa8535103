//! Every scenario, in every format, against a node that does everything right.

use ringpost_loadgen::measure::Measure;
use ringpost_loadgen::run::{Progress, run};

use crate::harness::{TestNode, count, order, record};

#[test]
fn idle_clients_gather_and_stay() {
    let node = TestNode::start();
    let mut order = order("idle", &node.websocket_url(), &["clients=300", "channels=30"]);
    order.pids = vec![std::process::id() as i32];
    let record = record(&order);
    assert!(record.is_good(), "{:?}", record.faults);
    assert_eq!(record.clients, 300);
    assert!(record.whole.is_empty(), "nothing happens: {:?}", record.whole);
    let server = record.server.unwrap();
    assert!(server.resident_bytes > 0 && server.cpu_ns_per_client.unwrap() > 0.0, "{server:?}");
    // How many is not to be known: other tests of this process give memory back meanwhile.
    assert!(server.bytes_per_client.is_some(), "{server:?}");
}

#[test]
fn clients_come_and_go_at_the_rate_that_was_asked() {
    let node = TestNode::start();
    for url in [node.websocket_url(), node.tcp_url()] {
        let record = record(&order("connect", &url, &["rate_per_s=200", "stay_s=0.1", "warm_up_s=0"]));
        assert!(record.is_good(), "{:?}", record.faults);
        // A client may be due at the very end and not be sent any more.
        assert_eq!(count(&record, Measure::Connect) + record.behind, 200, "{url}");
    }
}

#[test]
fn every_ping_is_answered_and_its_answer_measured() {
    let node = TestNode::start();
    for url in [node.websocket_url(), node.tcp_url()] {
        for encoding in ["encoding=json", "encoding=protobuf"] {
            let record = record(&order("ping", &url, &["clients=3", "rate_per_s=200", "warm_up_s=0", encoding]));
            assert!(record.is_good(), "{url} {encoding}: {:?}", record.faults);
            assert_eq!(count(&record, Measure::Reply) + record.behind, 200, "{url} {encoding}");
        }
    }
}

#[test]
fn publishers_keep_as_many_messages_under_way_as_was_asked() {
    let node = TestNode::start();
    for outstanding in [1, 16] {
        let outstanding = format!("outstanding={outstanding}");
        let record = record(&order("publish", &node.tcp_url(), &["publishers=10", "channels=3", &outstanding]));
        assert!(record.is_good(), "{:?}", record.faults);
        assert!(count(&record, Measure::Reply) > 20, "{:?}", record.whole);
        assert_eq!(count(&record, Measure::Delivery), 0, "nobody listens");
    }
}

#[test]
fn every_subscriber_hears_every_message_in_every_format() {
    let node = TestNode::start();
    for url in [node.websocket_url(), node.tcp_url()] {
        for encoding in ["encoding=json", "encoding=protobuf"] {
            let settings = ["subscribers=20", "rate_per_s=100", "warm_up_s=0", encoding];
            let record = record(&order("fanout", &url, &settings));
            assert!(record.is_good(), "{url} {encoding}: {:?}", record.faults);
            let messages = count(&record, Measure::Reply);
            assert_eq!(messages + record.behind, 100, "{url} {encoding}");
            assert_eq!(count(&record, Measure::Delivery), 20 * messages, "{url} {encoding}");
            assert_eq!(count(&record, Measure::Lateness), messages, "{url} {encoding}");
        }
    }
}

#[test]
fn many_publishers_in_many_rooms_are_heard_in_their_own() {
    let node = TestNode::start();
    let settings = ["channels=5", "publishers=3", "subscribers=4", "rate_per_s=600", "warm_up_s=0", "burst=6"];
    let record = record(&order("fanout-rooms", &node.websocket_url(), &settings));
    assert!(record.is_good(), "{:?}", record.faults);
    assert_eq!(count(&record, Measure::Delivery), 4 * count(&record, Measure::Reply));
}

#[test]
fn more_shards_than_cores_keep_the_order_too() {
    let node = TestNode::with(|config| config.shards.per_core = 3);
    let settings = ["channels=5", "publishers=3", "subscribers=20", "rate_per_s=300"];
    let record = record(&order("fanout-rooms", &node.websocket_url(), &settings));
    assert!(record.is_good() && count(&record, Measure::Delivery) > 1000, "{:?}", record.faults);
}

#[test]
fn rooms_by_zipf_hear_what_is_said_in_them() {
    let node = TestNode::start();
    let settings = ["channels=20", "publishers=3", "subscribers=6", "rate_per_s=600", "warm_up_s=0"];
    for url in [node.websocket_url(), node.tcp_url()] {
        let record = record(&order("fanout-zipf", &url, &settings));
        assert!(record.is_good(), "{:?}", record.faults);
        let (deliveries, messages) = (count(&record, Measure::Delivery), count(&record, Measure::Reply));
        // Most is said where most are: more deliveries than if all rooms were of one size.
        assert!(messages > 0 && deliveries > 7 * messages, "{deliveries} of {messages}");
    }
}

#[test]
fn a_closed_loop_waits_for_every_subscriber() {
    let node = TestNode::start();
    let settings = ["subscribers=10", "outstanding=4", "warm_up_s=0"];
    let record = record(&order("fanout", &node.websocket_url(), &settings));
    assert!(record.is_good(), "{:?}", record.faults);
    let messages = count(&record, Measure::Reply);
    assert!(messages > 20, "{messages}");
    assert_eq!(count(&record, Measure::Delivery), 10 * messages);
}

#[test]
fn one_subscriber_hears_many_publishers() {
    let node = TestNode::start();
    let settings = ["publishers=40", "rate_per_s=400", "warm_up_s=0"];
    let record = record(&order("fanin", &node.tcp_url(), &settings));
    assert!(record.is_good(), "{:?}", record.faults);
    assert_eq!(count(&record, Measure::Delivery), count(&record, Measure::Reply));
}

#[test]
fn bystanders_are_there_and_hear_nothing() {
    let node = TestNode::start();
    let bystanders = ["bystanders.count=50", "bystanders.channel_count=500", "bystanders.channels_each=10"];
    let settings = [&["subscribers=5", "rate_per_s=100", "warm_up_s=0"], &bystanders[..]].concat();
    let mut order = order("fanout", &node.websocket_url(), &settings);
    order.metrics_url = Some(node.metrics_url());
    let record = record(&order);
    assert!(record.is_good(), "{:?}", record.faults);
    assert_eq!(record.clients, 56);
    assert_eq!(count(&record, Measure::Delivery), 5 * count(&record, Measure::Reply));
    assert_eq!(record.server_metrics["ringpost_channels"], 501.0, "{:?}", record.server_metrics);
}

#[test]
fn users_hear_what_is_written_to_them() {
    let node = TestNode::start();
    let settings = ["users=30", "contacts=4", "rate_per_s=600", "encoding=protobuf"];
    let record = record(&order("direct", &node.websocket_url(), &settings));
    assert!(record.is_good(), "{:?}", record.faults);
    assert!(count(&record, Measure::Delivery) > 100, "{:?}", record.whole);
}

#[test]
fn messages_longer_than_a_receive_buffer_come_whole() {
    let node = TestNode::start();
    let settings = ["subscribers=3", "rate_per_s=50", "payload_bytes=20000"];
    for url in [node.websocket_url(), node.tcp_url()] {
        let record = record(&order("fanout", &url, &settings));
        assert!(record.is_good() && count(&record, Measure::Delivery) > 0, "{url}: {:?}", record.faults);
    }
}

#[test]
fn messages_that_are_cut_by_the_end_of_a_receive_buffer_come_whole() {
    let node = TestNode::start();
    for url in [node.websocket_url(), node.tcp_url()] {
        for settings in [["payload_bytes=96", "burst=200"], ["payload_bytes=700", "burst=30"]] {
            let settings = [&["subscribers=3", "rate_per_s=3000"][..], &settings].concat();
            let record = record(&order("fanout", &url, &settings));
            assert!(record.is_good() && count(&record, Measure::Delivery) > 1000, "{url}: {:?}", record.faults);
        }
    }
}

#[test]
fn a_run_tells_how_far_it_is_and_what_the_server_says() {
    let node = TestNode::start();
    let mut order = order("fanout", &node.websocket_url(), &["subscribers=5", "duration_s=2", "rate_per_s=50"]);
    order.metrics_url = Some(node.metrics_url());
    let mut told = Vec::new();
    let record = run(&order, |progress| told.push(progress)).unwrap();
    assert!(matches!(told[0], Progress::Gathering { total: 6, .. }), "{told:?}");
    let measured = told.iter().filter(|progress| matches!(progress, Progress::Second { measured: true, .. }));
    assert_eq!(measured.count(), 2, "{told:?}");
    assert_eq!(record.seconds.len(), 2);
    assert_eq!(record.server_version, ringpost::VERSION);
    let deliveries = record.server_metrics["ringpost_deliveries_total"];
    let publishes = record.server_metrics["ringpost_publishes_total"];
    assert!(publishes > 0.0 && (deliveries - 5.0 * publishes).abs() < 6.0, "{:?}", record.server_metrics);
}
