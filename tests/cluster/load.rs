//! Publishes by way of Kafka while something happens, and positioned subscribers who must hear each of them once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::LineClient;
use crate::harness::{Node, PATIENCE, publish_in_the_end, subscribe};

/// Where it is published, in turn.
pub(crate) const CHANNELS: [&str; 4] = ["relayed:0", "relayed:1", "assured:2", "relayed:3"];

/// What is published in each channel when all else is.
pub(crate) const LAST: &str = "last";

/// Between two publishes of one publisher.
const PAUSE: Duration = Duration::from_millis(4);

/// Between two tries of one publish.
const AGAIN: Duration = Duration::from_millis(50);

/// Publishes end with this.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Takes publications until this one has come. What it was told before it is given, too; offsets must have no hole.
pub(crate) fn heard_until(listener: &mut LineClient, last: &Value) -> Vec<Value> {
    let mut heard = Vec::new();
    let mut next = None;
    while heard.last() != Some(last) {
        let (_, offset, data) = listener.publication();
        assert_eq!(offset, *next.get_or_insert(offset), "{data}");
        next = Some(offset + 1);
        heard.push(data);
    }
    heard
}

/// Has a publisher at each of some nodes publish without end, and a subscriber of each channel at each of others listen, while
/// something happens. A publish that is refused for now is made again with its key. All that was acknowledged must come to every
/// subscriber, once, and that of a publisher in its order. How much was published.
pub(crate) fn each_once_while(publish_at: &[&Node], listen_at: &[&Node], happens: impl FnOnce()) -> usize {
    let begin = |node: &Node, channel| {
        let mut listener = node.client();
        subscribe(&mut listener, channel, None);
        Some(listener)
    };
    let (counts, all_heard) =
        heard_while(publish_at, listen_at, happens, begin, |mut listener| heard_until(&mut listener, &json!(LAST)));
    for (channel, heard) in all_heard {
        look_at(channel, &heard, &counts);
    }
    counts.iter().sum()
}

/// Has a publisher at each of some nodes publish without end while something happens, and whoever begins to listen to each channel at
/// each of others, where anybody does, hear it through, until [`LAST`] comes. How much each of the publishers has published, and what was
/// heard of each channel.
pub(crate) fn heard_while<'n, L: Send, H: Send>(
    publish_at: &[&'n Node],
    listen_at: &[&'n Node],
    happens: impl FnOnce(),
    begin: impl Fn(&'n Node, &'static str) -> Option<L>,
    hear: impl Fn(L) -> H + Sync,
) -> (Vec<usize>, Vec<(&'static str, H)>) {
    let stops = AtomicBool::new(false);
    let begin = &begin;
    let listening = listen_at.iter().flat_map(|node| CHANNELS.map(|channel| Some((channel, begin(node, channel)?))));
    let listening: Vec<_> = listening.flatten().collect();
    thread::scope(|scope| {
        let hear = &hear;
        let hearing = listening.into_iter().map(|(channel, listener)| (channel, scope.spawn(move || hear(listener))));
        let hearing: Vec<_> = hearing.collect();
        let stop = Stop(&stops);
        let stops = &stops;
        let publish = |(of, node)| scope.spawn(move || publish_until(node, of, stops));
        let publishing: Vec<_> = publish_at.iter().copied().enumerate().map(publish).collect();
        happens();
        drop(stop);
        let counts: Vec<_> = publishing.into_iter().map(|publisher| publisher.join().expect("all is taken")).collect();
        CHANNELS.iter().for_each(|channel| _ = publish_in_the_end(publish_at[0], channel, LAST));
        let heard = hearing.into_iter().map(|(channel, heard)| (channel, heard.join().expect("the last one comes")));
        (counts, heard.collect())
    })
}

/// Publishes until it is to stop, each until it is acknowledged.
fn publish_until(node: &Node, of: usize, stops: &AtomicBool) -> usize {
    let mut count = 0;
    while !stops.load(Ordering::Relaxed) {
        let data = format!("{of} {count}");
        let publish = json!({"channel": CHANNELS[count % CHANNELS.len()], "data": data, "idempotency_key": data});
        let since = Instant::now();
        loop {
            let answer = node.api("publish", &publish);
            if answer["result"].is_object() {
                break;
            }
            assert_eq!(answer["error"]["code"], 100, "{answer}");
            assert!(since.elapsed() < PATIENCE, "{data} is not taken: {answer}");
            thread::sleep(AGAIN);
        }
        count += 1;
        thread::sleep(PAUSE);
    }
    count
}

/// Whether what is there of a channel is what each of the publishers has published there, once and in its order, and nothing else.
pub(crate) fn look_at(channel: &str, heard: &[Value], counts: &[usize]) {
    let place = CHANNELS.iter().position(|of| *of == channel).expect("it is one of them");
    let all = counts.iter().map(|count| (0..*count).filter(|at| at % CHANNELS.len() == place).count()).sum::<usize>();
    for (of, count) in counts.iter().enumerate() {
        let prefix = format!("{of} ");
        let own = heard.iter().filter_map(|data| data.as_str()?.strip_prefix(&prefix)?.parse::<usize>().ok());
        let own: Vec<_> = own.collect();
        let published: Vec<_> = (0..*count).filter(|at| at % CHANNELS.len() == place).collect();
        let first = own.iter().zip(&published).position(|(heard, published)| heard != published);
        let (heard, published) = (own.len(), published.len());
        assert!(first.is_none() && heard == published, "{channel}: {heard} of {published}, and {first:?} is another");
    }
    assert_eq!(heard.len(), all + 1, "{channel}: nothing is between them");
}
