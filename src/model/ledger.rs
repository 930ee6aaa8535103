//! What homes ask of the ledger of a channel, and what it tells: who must receive what is published there, and how far each is.
//!
//! The ledger of a channel of at least once that several nodes share lies in the channel's bucket, beside its stream: members,
//! their devices with a floor each, read positions, dead letters. It is the truth. A node has the rows of the devices only that
//! are subscribed there: it *attaches* each, is given its row, sends to it, and *notes* what has become of that.
//!
//! What the ledger keeps to, whatever is asked of it, and however often (each call may be repeated):
//! - A floor, a member's `received` and a read position never go back within a life of the stream.
//! - Rows are of one life. Of another nothing was received: floors and positions are 0 then, `has_lost` is set.
//! - A letter has a device once, and goes with its last device.

use std::sync::Arc;

use bytes::Bytes;

use super::life::Life;

/// What is asked of the ledger of a channel, and answered.
#[derive(Debug)]
pub enum LedgerAsk {
    /// A device subscribes: its row. Answered with [`LedgerAnswer::Attached`].
    Attach(Attach),
    /// The last session of a device that was attached has left the channel here; the device was here until now. Answered with
    /// [`LedgerAnswer::Done`].
    Detach(DeviceName),
    /// What has become of devices and positions, in order. Answered with [`LedgerAnswer::Noted`].
    Note(Vec<Note>),
    /// Devices that are connected here send messages to a channel of more than
    /// [`RECEIPT_MEMBERS_MAX`](crate::limits::RECEIPT_MEMBERS_MAX) members: each position that moves is told to this node
    /// ([`LedgerNews::Counted`]), for so many milliseconds. Answered with [`LedgerAnswer::Watched`].
    Watch(u64),
    /// Users belong to the channel from now on; those who do already stay as they are. Answered with [`LedgerAnswer::Done`].
    Add {
        /// Who, each with whether it is to receive the stream from its beginning; otherwise what follows its top.
        users: Vec<(Arc<str>, bool)>,
        /// As [`Attach::members_max`].
        members_max: u32,
        /// As [`Attach::meta_ttl_ms`].
        meta_ttl_ms: u64,
    },
    /// Users belong to the channel no longer: rows go with all devices, who listens is told. Answered with
    /// [`LedgerAnswer::Done`].
    Remove(Vec<Arc<str>>),
    /// A page of the members, by name: so many of those whose names follow this one, in the order of bytes. Answered with
    /// [`LedgerAnswer::Members`].
    Members {
        /// Not among them; empty is from the first on.
        after: Box<str>,
        /// No more than this.
        limit: u32,
    },
    /// One member with all devices. Answered with [`LedgerAnswer::Member`].
    Member(Arc<str>),
    /// Dead letters of the channel. Answered with [`LedgerAnswer::Letters`].
    Letters(LetterFilter),
    /// Has a dead letter sent once more to those of its devices that are known: it is kept as requeued, its devices' attempts
    /// begin anew, and who listens is told ([`LedgerNews::Requeued`]). Answered with [`LedgerAnswer::Requeued`].
    Requeue(u64),
    /// Forgets the dead letter of this offset, or all of the channel; who listens is told. Answered with
    /// [`LedgerAnswer::Purged`].
    Purge(Option<u64>),
}

/// A device of a user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceName {
    /// Whose; never empty.
    pub user: Arc<str>,
    /// Its id; empty for all sessions of the user that name none.
    pub device: Box<str>,
}

/// A device that subscribes. Where it is not known it becomes known: it begins at its member's `received`, with `has_lost` where
/// a device with a lower floor was forgotten. What of the member's other devices was not here for `device_ttl_ms` is forgotten.
#[derive(Debug)]
pub struct Attach {
    /// Which.
    pub name: DeviceName,
    /// How a user becomes a member by it who is none.
    pub enlist: Enlist,
    /// So many devices a member has at the most: past it goes the one that was away longest, or, where all are attached to
    /// nodes that live, the call is refused with [`ErrorKind::LimitExceeded`](crate::model::refusal::ErrorKind::LimitExceeded).
    pub devices_max: u32,
    /// A device that was away for longer is forgotten, milliseconds.
    pub device_ttl_ms: u64,
    /// So many members a channel has at the most; refused with `LimitExceeded`.
    pub members_max: u32,
    /// In so many channels of a bucket a user is the first member at the most; refused with `LimitExceeded`.
    pub founded_max: u32,
    /// How long the stream's offsets and epoch outlive their last use, milliseconds; it begins where there is none.
    pub meta_ttl_ms: u64,
}

/// How somebody becomes a member by subscribing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enlist {
    /// Not at all.
    No,
    /// To receive the stream from its beginning.
    FromBeginning,
    /// To receive what follows its top.
    FromTop,
}

/// Something that has happened to a device, or to a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// In which life of the stream; `None` is any. Another is answered [`Noted::OtherLife`].
    pub life: Option<Life>,
    /// Whose device it is, or the device that has said it.
    pub name: DeviceName,
    /// What.
    pub what: Happened,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// All up to the floor is dealt with, and nothing changes where the ledger is further. The device was here just now.
    Floor {
        /// Beyond the stream's top it is answered [`Noted::Beyond`].
        floor: u64,
        /// The furthest that the device itself has said it received; 0 where it has said nothing. Feeds the member's `received`.
        received: u64,
        /// The furthest of what the member's devices have received that was noticed, as far as the node knows. Feeds the member's
        /// `noticed`.
        noticed: u64,
        /// How often the first after the floor was sent without success; counts only where the floor is the ledger's.
        failed: u16,
        /// It has missed something, and received nothing since it was told.
        has_lost: bool,
        /// It is here, of a kind that pushes are for, and has said that nobody looks. Counts until the device says otherwise or comes
        /// anew, and while a node lives that it is attached to.
        is_background: bool,
    },
    /// The user has read all up to here; beyond the stream's top it is answered [`Noted::Beyond`].
    Read(u64),
    /// A device was sent a publication as often as may be: the floor moves to it, and it becomes a dead letter, or the device is
    /// added to it, or its attempts and time are put anew there. Where the floor is there already nothing happens, unless the
    /// letter was requeued for the device: then it no longer is.
    GivenUp(Box<GivenUp>),
    /// A device has received a dead letter of this offset after all.
    Resolved(u64),
    /// A device was sent a dead letter that was requeued for it. Nothing happens where it is requeued no longer, or was sent as often
    /// already.
    Tried {
        /// The letter's.
        offset: u64,
        /// How often since it was requeued.
        attempts: u16,
    },
}

/// A publication that a device was given up on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The publication.
    pub letter: LetterBody,
    /// How often it was sent.
    pub attempts: u16,
    /// When it was given up, Unix milliseconds.
    pub at_unix_ms: i64,
}

/// A publication as a letter keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterBody {
    /// Its offset.
    pub offset: u64,
    /// When it was taken, Unix milliseconds.
    pub time_unix_ms: i64,
    /// As homes pack publications.
    pub body: Bytes,
}

/// Which dead letters of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterFilter {
    /// With a larger offset than this.
    pub after: u64,
    /// With a device of this user among those that are listed; empty is anybody.
    pub user: Box<str>,
    /// Given up for a listed device then or later, Unix milliseconds.
    pub since_unix_ms: i64,
    /// At most so many.
    pub limit: u32,
}

/// The place of a dead letter among those of all channels: they are in the order of the channels' names, and of offsets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LetterPlace {
    /// The channel.
    pub channel: Arc<str>,
    /// The publication's offset.
    pub offset: u64,
}

/// What the ledger answers.
#[derive(Debug)]
pub enum LedgerAnswer {
    /// To [`LedgerAsk::Attach`].
    Attached(Attached),
    /// To [`LedgerAsk::Note`]: what came of each, in order.
    Noted(Vec<Noted>),
    /// To [`LedgerAsk::Watch`]: how many members the channel has.
    Watched(u32),
    /// To [`LedgerAsk::Members`].
    Members(MembersPage),
    /// To [`LedgerAsk::Member`]: `None` where the user is none.
    Member(Option<Box<LedgerMember>>),
    /// To [`LedgerAsk::Letters`], by offset.
    Letters(Vec<Letter>),
    /// To [`LedgerAsk::Requeue`].
    Requeued(Requeuing),
    /// To [`LedgerAsk::Purge`]: how many those were.
    Purged(u64),
    /// To what needs no other.
    Done,
}

/// What became of a device that subscribes.
#[derive(Debug)]
pub struct Attached {
    /// Which life of the stream its row is of.
    pub life: Life,
    /// How many members the channel has.
    pub members: u32,
    /// Its row; `None` where its user is no member.
    pub row: Option<Row>,
}

/// How a member and one of the devices are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The furthest that any device of the member has received.
    pub received: u64,
    /// Up to where the user has read.
    pub read: u64,
    /// The furthest of what was received that was noticed.
    pub noticed: u64,
    /// All up to here was received, or given up, by the device; never beyond the stream's top.
    pub floor: u64,
    /// Attempts of the first after the floor that have failed.
    pub failed: u16,
    /// It has missed something, and received nothing since.
    pub has_lost: bool,
    /// Dead letters that were requeued for it, by offset, as many as fit a page.
    pub requeued: Vec<Requeued>,
}

/// A dead letter that was requeued for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requeued {
    /// The publication.
    pub letter: LetterBody,
    /// How often it was sent since.
    pub attempts: u16,
}

/// What came of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is kept.
    Kept,
    /// The user is no member.
    NoMember,
    /// The device is not known.
    NoDevice,
    /// It is of another life of the stream.
    OtherLife,
    /// It lies beyond what was published.
    Beyond,
}

/// A part of the members, and where the stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembersPage {
    /// Which life.
    pub life: Life,
    /// The offset of the newest publication.
    pub top: u64,
    /// How many members there are in all.
    pub members: u32,
    /// By name.
    pub users: Vec<MemberPositions>,
}

/// One member, but for the devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberPositions {
    /// Who.
    pub user: Arc<str>,
    /// As [`Row::received`].
    pub received: u64,
    /// As [`Row::read`].
    pub read: u64,
    /// As [`Row::noticed`].
    pub noticed: u64,
    /// A device is attached to a node that lives, and nobody looks at it.
    pub is_background: bool,
}

/// One member, and where the stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerMember {
    /// Which life.
    pub life: Life,
    /// The offset of the newest publication.
    pub top: u64,
    /// How many members there are in all.
    pub members: u32,
    /// The furthest that any device has received.
    pub received: u64,
    /// Up to where the user has read.
    pub read: u64,
    /// Id, floor, and whether it is attached to a node that lives.
    pub devices: Vec<(Box<str>, u64, bool)>,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// In which life of the stream.
    pub life: Life,
    /// The publication.
    pub body: LetterBody,
    /// The devices, as many as are kept ([`DEAD_LETTER_DEVICES_MAX`](crate::limits::DEAD_LETTER_DEVICES_MAX)): how often each was
    /// sent it, and when it was given up, Unix milliseconds.
    pub failures: Vec<(DeviceName, u16, i64)>,
    /// Devices beyond those.
    pub more: u32,
}

/// What comes of a dead letter that is requeued.
#[derive(Debug)]
pub enum Requeuing {
    /// It is sent again, with its place in this life.
    Again(Life),
    /// It is of another life, of which nobody has received anything: it has to be published anew, and purged.
    Anew(LetterBody),
    /// There is none.
    None,
    /// None of its devices is known any more.
    Nobody,
}

/// What the ledger tells nodes that listen to the channel, in the order of its bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerNews {
    /// A member's positions have moved. In a channel of up to
    /// [`RECEIPT_MEMBERS_MAX`](crate::limits::RECEIPT_MEMBERS_MAX) members all hear it; in a larger one, of what was read alone,
    /// the nodes that the member's devices are attached to. The node that has noted it may hear it as well.
    Moved {
        /// Who.
        user: Arc<str>,
        /// As [`Row::received`].
        received: u64,
        /// As [`Row::read`].
        read: u64,
    },
    /// A position of a member of a larger channel has moved: told to the nodes that watch for it.
    Counted {
        /// Whose.
        user: Arc<str>,
        /// Of what was read; otherwise of what was received.
        is_read: bool,
        /// From behind this offset.
        from: u64,
        /// To this one.
        to: u64,
    },
    /// The floor of a device has moved by what another node has noted: told to the others that it is attached to.
    Floor {
        /// Which.
        name: DeviceName,
        /// Where it is now.
        floor: u64,
    },
    /// A user belongs to the channel no longer.
    Gone {
        /// Who.
        user: Arc<str>,
    },
    /// A dead letter is sent once more to these devices.
    Requeued {
        /// Which.
        letter: LetterBody,
        /// Those that are listed.
        names: Vec<DeviceName>,
    },
    /// A dead letter is no more, or all: it is sent to nobody any more.
    Purged(Option<u64>),
    /// The channel has so many members from now on. Told where [`RECEIPT_MEMBERS_MAX`](crate::limits::RECEIPT_MEMBERS_MAX) is
    /// crossed, at least.
    Members(u32),
}
