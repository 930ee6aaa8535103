//! How far members have received and read: asked for, moved, and told to those whom it concerns.
//!
//! Received is not read, and neither moves the other. In small channels all members hear of both; in larger ones a user's
//! own sessions hear of what the user has read, and the device that has sent a message, of how many have received and read it.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::Delivery;
use super::desk::Desk;
use super::device::Known;
use super::dispatch::Sending;
use super::inbox::{Inbox, Whose};
use super::member::{Member, MemberPosition};
use super::receipts::{Moved, Receipt};
use super::row::Row;
use super::trace::What;
use super::wakes::Wake;
use crate::limits::{POSITIONS_DELAY_MS, RECEIPT_MEMBERS_MAX};
use crate::model::Payload;
use crate::model::refusal::{Error, ErrorKind};
use crate::time::Now;

/// How far one device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePosition {
    /// Its id, empty for sessions without one.
    pub device: Box<str>,
    /// All up to here was received, or given up.
    pub received: u64,
    /// Whether it is connected, and subscribed to the channel.
    pub connected: bool,
}

/// How far one member is, with each device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDevices {
    /// Which life of the channel's stream.
    pub epoch: Arc<str>,
    /// The newest offset.
    pub offset: u64,
    /// The furthest that any device has received.
    pub received: u64,
    /// Up to where the user has read.
    pub read: u64,
    /// In no order.
    pub devices: Vec<DevicePosition>,
}

/// What a user has not read of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Which life of the channel's stream.
    pub epoch: Arc<str>,
    /// The newest offset.
    pub offset: u64,
    /// Up to where the user has read.
    pub read: u64,
    /// How many there are beyond.
    pub unread: u64,
}

/// Where a channel stands, and how far its members are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Positions {
    /// Which life of the channel's stream.
    pub epoch: Arc<str>,
    /// The newest offset.
    pub offset: u64,
    /// By name.
    pub users: Vec<MemberPosition>,
    /// Of the newest messages that a device has sent, in a large channel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Receipt>,
}

impl Delivery {
    /// A user has read all up to a place, an epoch and an offset; an empty epoch is any. How many sessions are told of it a
    /// little later that would be told nothing otherwise.
    ///
    /// # Errors
    /// [`ErrorKind::UnrecoverablePosition`] for another epoch, [`ErrorKind::BadRequest`] beyond what was published,
    /// [`ErrorKind::PermissionDenied`] for one who is no member.
    pub fn read(
        &mut self,
        channel: &str,
        whose: Whose<'_>,
        (epoch, offset): (&str, u64),
        now: Now,
    ) -> Result<u32, Error> {
        let (inbox, desk) = self.find(channel).ok_or(ErrorKind::PermissionDenied)?;
        let (top, known) = (inbox.top, epoch.is_empty() || *epoch == *inbox.epoch);
        let mut member = inbox.members.get(whose.user).ok_or(ErrorKind::PermissionDenied)?.member;
        if !known {
            return Err(ErrorKind::UnrecoverablePosition.into());
        }
        if offset > top {
            return Err(ErrorKind::BadRequest.because("bad request: nothing was published at this offset yet"));
        }
        if offset <= member.read {
            if inbox.options.is_shared {
                // It may not have taken what was said before.
                inbox.keep_member(whose.user, desk);
            }
            return Ok(0);
        }
        let noticed = inbox.noticed_by(whose.user);
        let before = std::mem::replace(&mut member.read, offset);
        inbox.members.set(whose.user, &member);
        inbox.tell_noticed(whose.user, noticed, now, desk);
        desk.note(&inbox.channel, (before + 1, offset), What::Read, Some((whose.user, whose.device, 0)), now);
        inbox.keep_member(whose.user, desk);
        Ok(inbox.moved(whose.user, Moved::Read, (before, offset), now, desk))
    }

    fn inbox(&self, channel: &str) -> Option<&Inbox> {
        self.by_channel.get(channel).map(|key| &self.inboxes[*key as usize])
    }

    /// How far members are: up to `limit` of those after the name `after`.
    pub fn members(&self, channel: &str, after: &str, limit: usize) -> Positions {
        let Some(inbox) = self.inbox(channel) else { return Positions::default() };
        // No member's name is empty.
        let users = inbox.members.after(Some(after)).take(limit).map(|row| row.position()).collect();
        Positions { epoch: inbox.epoch.clone(), offset: inbox.top, users, receipts: Vec::new() }
    }

    /// How far a member is, with each device.
    ///
    /// # Errors
    /// [`ErrorKind::PermissionDenied`] for one who is no member.
    pub fn devices(&self, channel: &str, user: &str) -> Result<MemberDevices, Error> {
        let inbox = self.inbox(channel).ok_or(ErrorKind::PermissionDenied)?;
        let row = inbox.members.get(user).ok_or(ErrorKind::PermissionDenied)?;
        let devices = row.devices().map(|(id, known)| DevicePosition {
            device: id.into(),
            received: inbox.look_up(known).floor(),
            connected: matches!(known, Known::Here(_)),
        });
        let Member { received, read, .. } = row.member;
        let (epoch, offset) = (inbox.epoch.clone(), inbox.top);
        Ok(MemberDevices { epoch, offset, received, read, devices: devices.collect() })
    }

    /// What a user has not read of a channel.
    ///
    /// # Errors
    /// [`ErrorKind::PermissionDenied`] for one who is no member.
    pub fn unread(&self, channel: &str, user: &str) -> Result<Unread, Error> {
        let inbox = self.inbox(channel).ok_or(ErrorKind::PermissionDenied)?;
        let read = inbox.members.get(user).ok_or(ErrorKind::PermissionDenied)?.member.read;
        Ok(Unread { epoch: inbox.epoch.clone(), offset: inbox.top, read, unread: inbox.top.saturating_sub(read) })
    }

    /// As a device of a member sees them: of all members in a small channel, in a larger one of the user alone, and how many
    /// have received and read what the device has sent.
    ///
    /// # Errors
    /// [`ErrorKind::PermissionDenied`] for one who is no member.
    pub fn positions_for(&self, channel: &str, whose: Whose<'_>) -> Result<Positions, Error> {
        let inbox = self.inbox(channel).ok_or(ErrorKind::PermissionDenied)?;
        let own = inbox.position(whose.user).ok_or(ErrorKind::PermissionDenied)?;
        if inbox.is_small() {
            return Ok(self.members(channel, "", RECEIPT_MEMBERS_MAX));
        }
        let receipts = inbox.receipts.of(whose.user, whose.device);
        Ok(Positions { epoch: inbox.epoch.clone(), offset: inbox.top, users: vec![own], receipts })
    }
}

impl Row<'_> {
    fn position(&self) -> MemberPosition {
        MemberPosition { user: self.user.into(), received: self.member.received, read: self.member.read }
    }
}

impl Inbox {
    /// Whether all members hear of each other.
    pub(super) fn is_small(&self) -> bool {
        self.member_count() <= RECEIPT_MEMBERS_MAX
    }

    fn position(&self, user: &str) -> Option<MemberPosition> {
        self.members.get(user).map(|row| row.position())
    }

    /// A user's position has moved: who is to hear of it is told with others, a little later. How many sessions those are, about,
    /// where they would not be told anything then.
    pub(super) fn moved(
        &mut self,
        user: &Arc<str>,
        what: Moved,
        (from, to): (u64, u64),
        now: Now,
        desk: &mut Desk,
    ) -> u32 {
        if from >= to {
            return 0;
        }
        let is_own = self.is_small() || what == Moved::Read;
        // What nodes share is counted by its ledger's word, of all nodes.
        let is_counted = !self.options.is_shared && self.receipts.count(user, what, from, to);
        if is_own && let Some(position) = self.position(user) {
            self.changed.insert(user.clone(), position);
        }
        if !(is_own || is_counted) { 0 } else { self.tell_positions_later(now, desk) }
    }

    /// Has the positions that have changed told a little later. How many sessions would not be told anything then, about.
    pub(super) fn tell_positions_later(&mut self, now: Now, desk: &mut Desk) -> u32 {
        if self.positions_ms.is_some() {
            return 0;
        }
        let at_ms = now.mono_ms + POSITIONS_DELAY_MS;
        desk.wakes.move_to(Wake::Positions(self.key), &mut self.positions_ms, Some(at_ms));
        if self.is_small() { self.seats.len() as u32 } else { 1 }
    }

    /// Tells the positions that have changed.
    pub(super) fn tell_positions(&mut self, now: Now, desk: &mut Desk) {
        self.positions_ms = None;
        if self.is_small() {
            let changed = std::mem::take(&mut self.changed);
            let users: Vec<_> = changed.into_values().collect();
            desk.looked_at(self.seats.len());
            return self.say_to(None, &Sending::Positions(self.positions_message(&users)), desk);
        }
        for ((user, device), receipts) in self.receipts.take_news() {
            desk.looked_at(1);
            if let Some(Known::Here(at)) = self.known(&user, &device) {
                self.say(at, Sending::Positions(self.receipts_message(&receipts)), desk);
            }
        }
        while desk.has_looks()
            && let Some((user, position)) = self.changed.pop_first()
        {
            desk.looked_at(1);
            let message = Sending::Positions(self.positions_message(&[position]));
            self.say_to(Some(&user), &message, desk);
        }
        if !self.changed.is_empty() {
            desk.wakes.move_to(Wake::Positions(self.key), &mut self.positions_ms, Some(now.mono_ms));
        }
    }

    fn receipts_message(&self, receipts: &[Receipt]) -> Payload {
        let (channel, epoch) = (&self.channel, &self.epoch);
        let message = json!({ "type": "inbox.receipts", "channel": channel, "epoch": epoch, "receipts": receipts });
        Payload::json(message.to_string())
    }

    fn positions_message(&self, users: &[MemberPosition]) -> Payload {
        let (channel, epoch) = (&self.channel, &self.epoch);
        let message = json!({ "type": "inbox.positions", "channel": channel, "epoch": epoch, "users": users });
        Payload::json(message.to_string())
    }
}
