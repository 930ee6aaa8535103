//! A node with channels on disk: what was answered is there after a restart, with as many shards or with others.

use std::fs;
use std::path::Path;

use ringpost::broker::metrics::ShardMetrics;
use ringpost::config::{Config, Log};
use ringpost::limits::STORE_SEGMENT_BYTES_MIN;
use ringpost::store::Directory;
use serde_json::{Value, json};

use crate::client::LineClient;
use crate::harness::TestNode;

fn on_disk(path: &Path, shards: usize) -> impl FnOnce(&mut Config) {
    move |config| {
        config.store.path = path.to_str().expect("the path is text").into();
        config.store.segment_size = STORE_SEGMENT_BYTES_MIN;
        config.shards.per_core = shards;
        config.shards.cores = ringpost::cores::allowed().expect("there are cores")[0].to_string();
        config.channel.without_namespace.log = Log::Disk;
    }
}

/// The offsets, the data and the epoch of a channel's history.
fn history(client: &mut LineClient, channel: &str) -> (Vec<(u64, Value)>, String) {
    let page = client.ask(json!({"history": {"channel": channel, "limit": 1000}}));
    let publications = page["history"]["publications"].as_array().expect("a page").iter();
    let kept = publications.map(|one| (one["offset"].as_u64().expect("an offset"), one["data"].clone())).collect();
    (kept, page["history"]["epoch"].as_str().expect("an epoch").into())
}

#[test]
fn what_was_answered_is_there_after_a_restart_with_any_number_of_shards() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let channels = ["a", "b", "c", "d", "e", "f", "g"];
    let mut epochs = Vec::<String>::new();
    let mut published = 0;
    for shards in [2, 2, 3, 1] {
        let node = TestNode::with(on_disk(folder.path(), shards));
        let mut client = LineClient::connect(node.tcp);
        for (at, channel) in channels.iter().enumerate() {
            let (kept, epoch) = history(&mut client, channel);
            let expected: Vec<_> = (1..=published).map(|number| (number, json!({"number": number}))).collect();
            assert_eq!(kept, expected, "{channel} with {shards} shards");
            match epochs.get(at) {
                Some(before) => assert_eq!(epoch, *before, "the stream goes on"),
                None => epochs.push(epoch),
            }
        }
        for number in published + 1..=published + 20 {
            for channel in channels {
                let reply = client.ask(json!({"publish": {"channel": channel, "data": {"number": number}}}));
                assert_eq!(reply["publish"], json!({}), "{reply}");
            }
        }
        published += 20;
        drop(client);
        assert!(node.sum(|shard| shard.store.batch_bytes.observed().sum as u64) > 0);
        let kept = |shard: &ShardMetrics| shard.namespaces.of("(none)").keeps.observed();
        assert_eq!(node.sum(|shard| kept(shard).number()), 20 * channels.len() as u64);
        assert!(node.sum(|shard| (kept(shard).sum * 1e9) as u64) > 0, "a write takes time");
        node.stop();
        node.wait();
        Directory::look(folder.path()).expect("the directory is let go");
    }
}

/// The files of a folder, in another that is made anew.
fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("it is ours");
    }
    fs::create_dir(to).expect("a folder can be made");
    for file in fs::read_dir(from).expect("it is there") {
        let file = file.expect("it can be read");
        fs::copy(file.path(), to.join(file.file_name())).expect("it can be copied");
    }
}

#[test]
fn an_old_copy_of_a_folder_goes_on_where_it_was_and_an_emptied_one_begins_new_epochs() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (store, backup) = (folder.path().join("store"), folder.path().join("backup"));
    fs::create_dir(&store).expect("a folder can be made");
    let publish = |client: &mut LineClient, data: &str| {
        let reply = client.ask(json!({"publish": {"channel": "room", "data": data}}));
        assert_eq!(reply["publish"], json!({}), "{reply}");
    };
    let kept = |client: &mut LineClient| {
        let (kept, epoch) = history(client, "room");
        (kept.into_iter().map(|(offset, data)| (offset, data.as_str().unwrap().to_owned())).collect::<Vec<_>>(), epoch)
    };
    let of = |offset, data: &str| (offset, data.to_owned());
    // What a node does that is stopped then.
    let run = |work: &mut dyn FnMut(&mut LineClient)| {
        let node = TestNode::with(on_disk(&store, 2));
        work(&mut LineClient::connect(node.tcp));
        node.stop();
        node.wait();
    };
    let mut first = String::new();
    run(&mut |client| {
        publish(client, "one");
        first = kept(client).1;
    });
    copy(&store, &backup);
    run(&mut |client| publish(client, "two"));
    copy(&backup, &store);
    run(&mut |client| {
        assert_eq!(kept(client), (vec![of(1, "one")], first.clone()), "as if all since then had never been");
        let beyond = json!({"channel": "room", "recover": true, "epoch": first, "offset": 2});
        let reply = client.ask(json!({"subscribe": beyond}));
        assert_eq!(reply["subscribe"]["recovered"], json!(null), "it has heard what is not there: {reply}");
        publish(client, "another");
        assert_eq!(kept(client).0, [of(1, "one"), of(2, "another")], "an offset that somebody has seen is given again");
    });
    fs::remove_dir_all(&store).expect("it is ours");
    fs::create_dir(&store).expect("a folder can be made");
    run(&mut |client| {
        publish(client, "anew");
        let (all, epoch) = kept(client);
        assert_eq!(all, [of(1, "anew")]);
        assert_ne!(epoch, first);
    });
}

#[test]
fn a_subscriber_is_told_in_order_and_recovers_over_a_restart() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let node = TestNode::with(on_disk(folder.path(), 2));
    let (mut publisher, mut subscriber) = (LineClient::connect(node.tcp), LineClient::connect(node.tcp));
    let begun = subscriber.ask(json!({"subscribe": {"channel": "room"}}));
    let epoch = begun["subscribe"]["epoch"].clone();
    for number in 1..=500 {
        publisher.tell(json!({"publish": {"channel": "room", "data": number}}));
    }
    for number in 1..=500 {
        assert_eq!(subscriber.publication(), ("room".into(), number, json!(number)));
    }
    drop((publisher, subscriber));
    node.stop();
    node.wait();
    let node = TestNode::with(on_disk(folder.path(), 2));
    let mut subscriber = LineClient::connect(node.tcp);
    let since = json!({"channel": "room", "recover": true, "epoch": epoch, "offset": 490});
    let again = subscriber.ask(json!({"subscribe": since}));
    assert_eq!(again["subscribe"]["recovered"], json!(true), "{again}");
    assert_eq!(again["subscribe"]["publications"].as_array().map(Vec::len), Some(10), "{again}");
}
