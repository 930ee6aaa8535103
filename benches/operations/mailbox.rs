//! A letter from one shard to another: what both sides pay together.

use std::sync::Arc;

use ringpost::broker::lane::Lane;
use ringpost::broker::letter::Letter;
use ringpost::model::{Payload, Publication};
use ringpost::shard::mailbox::Mailboxes;
use ringpost::shard::waker::Waker;

use super::{Operation, data};

const LETTERS: u32 = 64;

pub(super) fn operations() -> Vec<Operation> {
    let name = format!("{LETTERS} publications, sent and received, per letter");
    vec![Operation::new("mailbox", name, LETTERS, letters)]
}

fn letters() -> impl FnMut() {
    let wakers = [(); 2].map(|()| Arc::new(Waker::new().expect("a descriptor is left")));
    let mut mesh = Mailboxes::mesh(2048, &wakers);
    let channel: Arc<str> = Arc::from("room");
    let publication =
        Arc::new(Publication { offset: 1, data: Payload::json(data()), info: None, tags: None, time_unix_ms: 0 });
    move || {
        let [one, two] = &mut mesh[..] else { unreachable!("there are two shards") };
        for _ in 0..LETTERS {
            let (channel, publication) = (channel.clone(), publication.clone());
            let letter = Letter::Publication { channel, publication, exclude: None };
            one.push(1, letter.lane(), letter.bytes(), letter).expect("there is room");
        }
        one.wake();
        let mut got = 0;
        while let Some(letter) = two.receive(0, Lane::Deliveries) {
            drop(letter);
            got += 1;
        }
        assert_eq!(got, LETTERS);
    }
}
