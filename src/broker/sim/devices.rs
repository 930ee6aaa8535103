//! One user on many devices, of which some connections die without the node's hearing of it: a client that comes back finds
//! its own ghost.

use super::client::Client;
use super::world::World;
use crate::broker::ending::Ending;
use crate::config::{Config, DeviceKindConfig, DevicesConfig, Stay};
use crate::model::refusal::DisconnectKind;
use crate::protocol::centrifuge::codes;

/// Most sessions of the user.
const SESSIONS: u32 = 4;
/// Most devices of each kind, and of those that are not named, with who stays.
const PHONES: (&str, Stay, u32) = ("phone", Stay::Newest, 1);
const PAGES: (&str, Stay, u32) = ("page", Stay::Oldest, 1);
const OTHERS: (&str, Stay, u32) = ("", Stay::Newest, 2);

/// Which device a client is on, by its number: id and kind.
pub(crate) fn device_of(client: usize) -> (String, &'static str) {
    (format!("device {client}"), ["phone", "watch", "page", "phone", "page"][client % 5])
}

/// Limits devices as the checks below expect.
pub(crate) fn limit(config: &mut Config) {
    let kind = |(name, stay, limit): (&str, Stay, u32)| DeviceKindConfig { name: name.into(), stay, limit };
    let (_, stay, limit) = OTHERS;
    config.client.devices = DevicesConfig { stay, limit, kinds: vec![kind(PHONES), kind(PAGES)] };
    config.client.user_connection_limit = SESSIONS;
}

impl World {
    /// A client loses its connection, and the node does not hear of it.
    pub(super) fn vanish(&mut self, client: usize) {
        let Some((shard, conn)) = self.places[client].take() else { return };
        self.links[shard][conn as usize].up.clear();
        self.clients[client].unlinked(&mut self.chronicle);
        self.ghosts.push((shard, conn));
    }

    /// The node hears of connections that were lost.
    pub(super) fn lay_ghosts(&mut self) {
        for (shard, conn) in std::mem::take(&mut self.ghosts) {
            let link = self.links[shard].remove(conn as usize);
            if let Some(session) = link.session {
                self.brokers[shard].end(session, Ending::PeerEnded, self.now);
            }
            self.brokers[shard].edge.outbox.close(conn);
            self.after(shard);
        }
    }

    /// Somebody is told to go.
    pub(super) fn count_goodbye(&mut self, shard: usize, conn: u32, kind: DisconnectKind) {
        let is_client = self.places.contains(&Some((shard, conn)));
        assert!(kind != DisconnectKind::Replaced || !is_client, "a client was sent away for its own ghost");
        *self.goodbyes.entry(codes::of_disconnect(kind).0).or_default() += 1;
    }
}

/// No more of the user's devices are connected than may be.
pub(crate) fn check<'a>(clients: impl Iterator<Item = &'a Client>) {
    let is_connected = |(_, client): &(usize, &Client)| client.is_connected && client.user.is_some();
    let kinds: Vec<_> = clients.enumerate().filter(is_connected).map(|(at, _)| device_of(at).1).collect();
    let connected = |of: &dyn Fn(&str) -> bool| kinds.iter().filter(|kind| of(kind)).count();
    let is_named = |kind: &str| [PHONES.0, PAGES.0].contains(&kind);
    assert!(connected(&|kind| kind == PHONES.0) <= PHONES.2 as usize);
    assert!(connected(&|kind| kind == PAGES.0) <= PAGES.2 as usize);
    assert!(connected(&|kind| !is_named(kind)) <= OTHERS.2 as usize);
    assert!(kinds.len() <= SESSIONS as usize);
}
