//! What has come and cannot be read yet.

use super::*;
use crate::config::Duration as Setting;

#[test]
fn an_answer_that_has_come_and_cannot_be_read_yet_is_not_missing() {
    for answers in [false, true] {
        let mut half = Half::with(|config| {
            let client = &mut config.client;
            (client.ping_interval, client.pong_timeout) = (Setting::from_secs(4), Setting::from_secs(2));
            client.pong_misses = 1;
        });
        let (mut client, conn) = half.client();
        half.tick();
        // The first ping need not be answered.
        for ms in [4_000, 8_200] {
            half.shard.turn(half.later(ms));
        }
        half.congest();
        if answers {
            client.write_all(b"{}\n").unwrap();
            half.until("the answer is held", |shard| !shard.conns[conn as usize].unread.is_empty());
        }
        half.shard.turn(half.later(10_500));
        assert_eq!(half.shard.broker.sessions(), usize::from(answers));
    }
}
