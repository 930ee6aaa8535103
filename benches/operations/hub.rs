//! Putting a message in order, with few channels and with many.

use std::hint::black_box;
use std::sync::Arc;

use ringpost::hub::{Hub, HubOptions, NewPublication};
use ringpost::model::Payload;

use super::{NOW, Operation, data};

pub(super) fn operations() -> Vec<Operation> {
    let history = HubOptions {
        history_size: 10,
        history_ttl_ms: 60_000,
        history_meta_ttl_ms: 3_600_000,
        ..HubOptions::default()
    };
    let operation = |name, channels, options| Operation::new("hub", name, 1, move || publish(channels, options));
    vec![
        operation("publish without history", 1, HubOptions::default()),
        operation("publish with history, 1 channel", 1, history),
        operation("publish with history, 100,000 channels", 100_000, history),
    ]
}

fn publish(channels: usize, options: HubOptions) -> impl FnMut() {
    let names: Vec<Arc<str>> = (0..channels).map(|number| format!("room{number}").into()).collect();
    let mut hub = Hub::new(1, usize::MAX);
    let data = Payload::json(data());
    let mut publish = move |at: usize| {
        let message = NewPublication::new(data.clone());
        hub.publish(&names[at % channels], message, options, NOW).expect("memory has room")
    };
    // Until every history is full.
    (0..channels * options.history_size as usize).for_each(|at| drop(publish(at)));
    let mut at = 0;
    move || {
        // A stride that visits the channels out of order.
        at += 7919;
        black_box(publish(at));
    }
}
