//! What is told and not kept: who hears it.

use std::time::Duration;

use ringpost::cluster::redis::functions::Functions;
use ringpost::cluster::redis::listener::Event;
use ringpost::config::RedisConfig;
use ringpost::limits::CROWDED_MS;

use crate::functions::{config, one, publish};
use crate::listening::Listening;
use crate::server::{Kind, Server};

/// Three names in one bucket.
fn of_one_bucket(node: &Functions) -> [String; 3] {
    let names = (0..10_000).map(|at| format!("room{at}")).filter(|name| node.keys().bucket_of(name) == 3);
    names.take(3).collect::<Vec<_>>().try_into().expect("some of them are in it")
}

async fn three(config: &RedisConfig) -> [Listening; 3] {
    [Listening::start(config, 1).await, Listening::start(config, 2).await, Listening::start(config, 3).await]
}

/// What a node hears up to a publication that says "end", a channel and a body each.
async fn heard(node: &mut Listening) -> Vec<(String, String)> {
    let mut heard = Vec::new();
    while heard.len() < 100 {
        match node.next().await {
            Event::Said(_, _, item) if &item.body[..] == b"end" => return heard,
            Event::Said(_, _, item) => heard.push((item.channel, String::from_utf8(item.body.to_vec()).unwrap())),
            other => panic!("{other:?}"),
        }
    }
    panic!("it does not end: {heard:?}");
}

/// Says "end" to all that listen to a channel.
async fn end(node: &Functions, channel: &str) {
    one(node, publish(channel, "end")).await.unwrap();
}

fn pairs(expected: &[(&String, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(channel, body)| ((*channel).clone(), (*body).to_owned())).collect()
}

#[test]
fn each_node_hears_the_channels_of_a_call_that_it_listens_to_in_order() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let server = Server::start(kind, &[]);
        let config = config(&[server.address()]);
        crate::runtime().block_on(async {
            let mut nodes = three(&config).await;
            // Of two the third listens to one only: nobody is told by the channel of all.
            let [few, one, none] = of_one_bucket(&nodes[0].node);
            for at in [0, 1] {
                nodes[at].join(&few).await;
            }
            nodes[0].join(&one).await;
            for node in &nodes {
                node.join("over").await;
            }
            let batch = [(&few, "1"), (&one, "2"), (&few, "3"), (&none, "4"), (&one, "5")];
            let batch = batch.map(|(channel, body)| (&**channel, body.as_bytes()));
            nodes[2].node.fleeting(3, &batch).await.unwrap();
            // Once more, when it is known who listens.
            for body in [b"6", b"7"] {
                nodes[2].node.fleeting(3, &[(&one, body)]).await.unwrap();
                nodes[2].node.fleeting(3, &[(&none, body)]).await.unwrap();
            }
            end(&nodes[2].node, "over").await;
            // Those of one channel are together.
            let all = [(&few, "1"), (&few, "3"), (&one, "2"), (&one, "5"), (&one, "6"), (&one, "7")];
            assert_eq!(heard(&mut nodes[0]).await, pairs(&all));
            assert_eq!(heard(&mut nodes[1]).await, pairs(&all[..2]));
            assert_eq!(heard(&mut nodes[2]).await, pairs(&[]));
        });
    }
}

#[test]
fn a_crowd_is_told_without_looking_who_listens_for_a_second_and_whoever_joins_hears_it() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let server = Server::start(kind, &[]);
        let config = config(&[server.address()]);
        crate::runtime().block_on(async {
            let mut nodes = three(&config).await;
            let mut late = Listening::start(&config, 4).await;
            let [room, over, _] = of_one_bucket(&nodes[0].node);
            for node in &nodes {
                node.join(&room).await;
                node.join(&over).await;
            }
            late.join(&over).await;
            let functions = nodes[0].node.clone();
            let tell = async |body: &str| functions.fleeting(3, &[(&room, body.as_bytes())]).await.unwrap();
            tell("1").await;
            for node in &nodes {
                node.node.leave(3, &[&room]).await.unwrap();
            }
            // Nobody listens, and nobody is asked.
            tell("2").await;
            late.join(&room).await;
            tell("3").await;
            late.node.leave(3, &[&room]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(CROWDED_MS)).await;
            tell("4").await;
            end(&functions, &over).await;
            for node in nodes.iter_mut().chain([&mut late]) {
                assert_eq!(heard(node).await, pairs(&[(&room, "1"), (&room, "2"), (&room, "3")]), "{kind:?}");
            }
        });
    }
}

#[test]
fn nodes_of_the_versions_before_tell_by_their_own_function() {
    let server = Server::start(Kind::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let mut nodes = three(&config).await;
        let [two, one, over] = of_one_bucket(&nodes[0].node);
        for at in [0, 1] {
            nodes[at].join(&two).await;
        }
        nodes[0].join(&one).await;
        for node in &nodes {
            node.join(&over).await;
        }
        let item = |channel: &str, body: &str| {
            let head = [&[0, channel.len() as u8][..], &[0; 18], &(body.len() as u32).to_be_bytes()].concat();
            [&head, channel.as_bytes(), body.as_bytes()].concat()
        };
        let head = nodes[2].node.keys().head(3);
        let call = async |channels: &[(&String, &str)]| {
            let mut command = redis::cmd("FCALL");
            command.arg("ringpost_1_fleeting").arg(2).arg(head).arg(format!("{head}:-")).arg(3);
            for (channel, _) in channels {
                command.arg(*channel);
            }
            for (channel, body) in channels {
                command.arg(item(channel, body));
            }
            nodes[2].node.link().call(&command).await.unwrap();
        };
        call(&[(&two, "1"), (&one, "2")]).await;
        call(&[(&two, "3")]).await;
        end(&nodes[2].node, &over).await;
        assert_eq!(heard(&mut nodes[0]).await, pairs(&[(&two, "1"), (&one, "2"), (&two, "3")]));
        assert_eq!(heard(&mut nodes[1]).await, pairs(&[(&two, "1"), (&two, "3")]));
        assert_eq!(heard(&mut nodes[2]).await, pairs(&[]));
    });
}
