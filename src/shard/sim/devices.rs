//! One user on many devices of limited kinds, of which some connections die without the node's hearing of it.

use super::world::World;
use crate::broker::sim::client::Client;
use crate::broker::sim::devices::{check, device_of};
use crate::model::refusal::DisconnectKind;
use crate::protocol::centrifuge::codes;

impl World {
    /// A client loses its connection, and the node does not hear of it.
    pub(super) fn vanish(&mut self, peer: usize) {
        if let Some(wire) = &self.peers[peer].wire {
            self.ghosts.push(wire.pipe);
            self.peers[peer].unlink(&mut self.chronicle);
        }
    }

    /// The node hears of connections that were lost.
    pub(super) fn lay_ghosts(&mut self) {
        for pipe in std::mem::take(&mut self.ghosts) {
            self.network.borrow_mut().reset(pipe);
        }
    }

    /// All is quiet: no more devices are connected than may be.
    pub(super) fn check_devices(&mut self) {
        self.lay_ghosts();
        self.settle();
        check(self.peers.iter().map(|peer| &peer.client));
    }

    /// The devices of each kind come one after the other: of phones the newest stays, of pages the oldest.
    pub(super) fn check_who_stays(&mut self) {
        for (kind, newest_stays) in [("phone", true), ("page", false)] {
            (1..self.peers.len()).for_each(|peer| self.unlink(peer));
            self.settle();
            let of_kind: Vec<_> = (2..self.peers.len()).filter(|peer| device_of(*peer).1 == kind).collect();
            for peer in &of_kind {
                self.link(*peer);
                self.settle();
            }
            let stays = if newest_stays { of_kind.last() } else { of_kind.first() };
            for peer in &of_kind {
                let is_connected = self.peers[*peer].client.is_connected;
                assert_eq!(is_connected, Some(peer) == stays, "{kind}: of {of_kind:?} it is {peer}");
            }
        }
    }
}

/// A client whose only connection this is was not sent away for an earlier one.
pub(super) fn check_goodbye(client: &Client) {
    let replaced = codes::of_disconnect(DisconnectKind::Replaced).0;
    assert_ne!(client.goodbye, Some(replaced), "a client was sent away for its own ghost");
}
