//! A node whose channels are on disk: killed, out of room, told to change its mind.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Node, ringpost, success};

/// A configuration with a namespace on disk and one in memory. `more` is of the section of the store.
fn config(folder: &Path, log: &str, more: &str) -> String {
    let store = folder.join("store");
    let namespace = |name: &str, log: &str| {
        format!(
            "[[channel.namespaces]]\nname = \"{name}\"\nlog = \"{log}\"\nhistory_size = 100000\nhistory_ttl = \"1h\"\n\
             allow_recovery = true\n"
        )
    };
    format!(
        "[http_server]\naddress = \"127.0.0.1\"\n[tcp_server]\naddress = \"127.0.0.1\"\n[client]\ninsecure = true\n\
         [shutdown]\ndrain_time = \"0s\"\n[store]\npath = \"{}\"\nsegment_size = 4194304\n{more}{}{}",
        store.display(),
        namespace("disk", log),
        namespace("memory", "memory"),
    )
}

/// A client over TCP that asks one thing at a time.
struct Client {
    lines: BufReader<TcpStream>,
    asked: u32,
}

impl Client {
    /// Connects to the node whose banner this is.
    fn connect(banner: &str) -> Self {
        Self::connect_with(banner, "")
    }

    /// Connects as the user of a token.
    fn connect_with(banner: &str, token: &str) -> Self {
        let (_, tcp) = banner.split_once("TCP").expect("it prints where to connect");
        let tcp = tcp.trim_start().split(',').next().expect("the address comes first");
        let socket = TcpStream::connect(tcp).expect("the node accepts");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("sockets take timeouts");
        let mut client = Self { lines: BufReader::new(socket), asked: 0 };
        let reply = client.ask(json!({"connect": {"token": token}}));
        assert!(reply.get("connect").is_some(), "{reply}");
        client
    }

    fn tell(&mut self, mut command: Value) {
        self.asked += 1;
        command["id"] = self.asked.into();
        self.lines.get_mut().write_all(format!("{command}\n").as_bytes()).expect("the node reads");
    }

    fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).ok()?;
        (read > 0).then(|| serde_json::from_str(&line).expect("the node speaks JSON"))
    }

    fn ask(&mut self, command: Value) -> Value {
        self.tell(command);
        loop {
            let word = self.hear().expect("the node answers");
            if word["id"] == self.asked {
                return word;
            }
        }
    }

    /// Where a channel stands, and what it keeps.
    fn history(&mut self, channel: &str) -> (Value, Vec<Value>) {
        let (mut all, mut since) = (Vec::new(), Value::Null);
        loop {
            let ask = json!({"history": {"channel": channel, "limit": -1, "since": since}});
            let page = self.ask(ask)["history"].take();
            let publications = page["publications"].as_array().cloned().unwrap_or_default();
            let Some(last) = publications.last() else { return (page, all) };
            since = json!({"epoch": page["epoch"], "offset": last["offset"]});
            all.extend(publications);
        }
    }
}

fn publish(channel: &str, data: &str) -> Value {
    json!({"publish": {"channel": channel, "data": data}})
}

fn start(config: &Path) -> (Node, Client) {
    let mut node = Node::start(&["--config", config.to_str().expect("the path is text")]);
    let banner = node.banner();
    let client = Client::connect(&banner);
    (node, client)
}

#[test]
fn what_a_killed_node_has_acknowledged_is_there_when_it_starts_again() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("kill.toml");
    fs::write(&file, config(folder.path(), "disk", "")).expect("the file is written");
    let (mut acknowledged, mut epoch) = (0, None);
    for round in 0..4 {
        let (mut node, mut client) = start(&file);
        let (page, kept) = client.history("disk:a");
        assert!(kept.len() >= acknowledged, "round {round}: {} of {acknowledged}", kept.len());
        for (at, publication) in kept.iter().enumerate() {
            assert_eq!(publication["offset"], at as u64 + 1, "round {round}");
            assert_eq!(publication["data"], format!("{at}"), "in the order in which they were published");
        }
        assert_eq!(*epoch.get_or_insert(page["epoch"].clone()), page["epoch"], "round {round}");
        let first = kept.len();
        // Many at once: it is killed while they are on their way.
        for number in first..first + 2000 {
            client.tell(publish("disk:a", &format!("{number}")));
        }
        let mut answers = 0;
        while answers < 500 * (round + 1) && client.hear().is_some_and(|word| word.get("publish").is_some()) {
            answers += 1;
        }
        kill_process(Pid::from_child(&node.0), Signal::KILL).expect("the node is there");
        node.0.wait().expect("it ends");
        // What was answered before it went.
        while client.hear().is_some_and(|word| word.get("publish").is_some()) {
            answers += 1;
        }
        acknowledged = first + answers;
    }
}

#[test]
fn a_store_without_room_refuses_publishes_and_channels_in_memory_go_on() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("full.toml");
    let (cores, size) = ("[shards]\nper_core = 1\ncores = \"0\"\n", "max_size = 16777216\n");
    fs::write(&file, cores.to_string() + &config(folder.path(), "disk", size)).expect("the file is written");
    let (node, mut client) = start(&file);
    let data = "x".repeat(40_000);
    for _ in 0..500 {
        client.tell(publish("disk:a", &data));
    }
    let refused = (0..500).find_map(|_| client.hear().expect("the node answers").get("error").cloned());
    let refused = refused.expect("the bound is below what was published");
    assert_eq!((&refused["code"], &refused["temporary"]), (&json!(100), &json!(true)), "{refused}");
    let (kept, _) = client.history("disk:a");
    assert_eq!(client.ask(publish("memory:a", &data))["publish"], json!({}));
    assert_eq!(client.history("disk:a").0["offset"], kept["offset"], "reading goes on");
    drop(node);
}

#[test]
fn a_log_that_sighup_would_change_is_refused_with_the_whole_configuration() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("sighup.toml");
    fs::write(&file, config(folder.path(), "disk", "")).expect("the file is written");
    let mut command = ringpost(&["serve", "--config", file.to_str().expect("the path is text")]);
    command.env("RINGPOST_HTTP_SERVER__PORT", "0").env("RINGPOST_TCP_SERVER__PORT", "0");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the node starts");
    let mut node = Node(child);
    let said = BufReader::new(node.0.stderr.take().expect("it logs"));
    let mut client = Client::connect(&node.banner());
    assert_eq!(client.ask(publish("disk:a", "1"))["publish"], json!({}));
    fs::write(&file, config(folder.path(), "memory", "")).expect("the file is written");
    kill_process(Pid::from_child(&node.0), Signal::HUP).expect("the node is there");
    let refused = said.lines().map_while(Result::ok).find(|line| line.contains("changes only with a restart"));
    assert!(refused.expect("it says so").contains("the namespace `disk`: `log`"));
    assert_eq!(client.history("disk:a").0["offset"], 1, "it goes on as before");
}

#[test]
fn a_floor_that_a_killed_node_has_answered_is_known_and_what_follows_it_comes_again() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("floors.toml");
    let letters = "delivery = \"at_least_once\"\nallow_user_limited_channels = true\nmax_unacked = 1000\n\
                   [client.token]\nhmac_secret_key = \"a secret of the test, long enough for a key\"\n";
    let (memory, disk) = ("name = \"memory\"\nlog = \"memory\"", "name = \"letters\"\nlog = \"disk\"");
    let text = config(folder.path(), "disk", "").replace(memory, disk) + letters;
    fs::write(&file, text).expect("the file is written");
    let path = file.to_str().expect("the path is text");
    let token = success(&["token", "connection", "--config", path, "--user", "ada"]);
    let (mut published, mut floor) = (0, 0);
    for round in 0..3 {
        let mut node = Node::start(&["--config", path]);
        let mut client = Client::connect_with(&node.banner(), token.trim());
        let begun = client.ask(json!({"subscribe": {"channel": "letters:box#ada"}}))["subscribe"].take();
        let told = begun["offset"].as_u64().unwrap_or_default();
        assert!(told >= floor, "round {round}: {told} after {floor} was answered");
        assert_eq!(begun["recovered"], true, "round {round}: {begun}");
        for number in 0..200 {
            let answer = client.ask(publish("letters:box#ada", &number.to_string()));
            published += u64::from(answer.get("publish").is_some());
            let received = json!({"channel": "letters:box#ada", "offset": told + 1});
            client.ask(json!({"rpc": {"method": "inbox.received", "data": received}}));
            floor = told + 1;
        }
        kill_process(Pid::from_child(&node.0), Signal::KILL).expect("the node is there");
        node.0.wait().expect("it ends");
    }
    assert_eq!((published, floor), (600, 3));
    let mut node = Node::start(&["--config", path]);
    let mut client = Client::connect_with(&node.banner(), token.trim());
    client.ask(json!({"subscribe": {"channel": "letters:box#ada"}}));
    let next = client.hear().expect("what was not received comes");
    assert_eq!(next["push"]["pub"]["offset"], 4, "{next}");
}
