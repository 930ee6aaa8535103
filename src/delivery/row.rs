//! A member with all devices, as the table of a channel's members has it: as few bytes as its names and numbers take.
//!
//! Names stand behind their length, numbers are varints: length of what follows, user, life of the stream, received, how much
//! of that was not noticed, read, one more than the floor of what was forgotten (0 for nothing), then the devices. A device is its id and what it is: 0 and
//! its place where it is connected, or else its marks, floor, what it was sent beyond, failed attempts and when it was last here.
//!
//! Rows of an earlier life of the stream are read as what they have become: nothing of the new one was received.

use integer_encoding::VarInt;
use smallvec::SmallVec;

use super::device::{Device, Known};
use super::member::Member;

/// The bytes of one row. Most fit.
pub(super) type RowBytes = SmallVec<[u8; 128]>;

/// How many numbers say how a member is, with the life of the stream.
const MEMBER_NUMBERS: usize = 5;

const HERE: u8 = 0;
const AWAY: u8 = 1;
const HAS_LOST: u8 = 2;
const IS_AHEAD: u8 = 4;

/// A look at a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    /// The name.
    pub(super) user: &'a str,
    pub(super) member: Member,
    devices: Devices<'a>,
}

impl<'a> Row<'a> {
    /// Of a new member.
    pub(super) fn new(user: &'a str, member: Member) -> Self {
        Self { user, member, devices: Devices { bytes: &[], is_old: false } }
    }

    /// The row at the beginning of these bytes, in this life of the stream.
    pub(super) fn read(bytes: &'a [u8], life: u64) -> Self {
        let mut rest = bytes;
        let length = number(&mut rest) as usize;
        let mut rest = &rest[..length];
        let user = name(&mut rest);
        let (member, is_old) = member(&mut rest, life);
        Self { user, member, devices: Devices { bytes: rest, is_old } }
    }

    /// The devices, in the order in which they came.
    pub(super) fn devices(&self) -> Devices<'a> {
        self.devices
    }

    /// What is known of one of them.
    pub(super) fn device(&self, id: &str) -> Option<Known> {
        self.devices().find(|(other, _)| *other == id).map(|(_, known)| known)
    }

    /// The device that goes next where there are too many: that which was away longest. `None` where all are connected.
    pub(super) fn longest_away(&self) -> Option<(&'a str, Device)> {
        let away = self.devices().filter_map(|(id, known)| match known {
            Known::Away(device) => Some((id, device)),
            Known::Here(_) => None,
        });
        away.min_by_key(|(_, device)| device.seen_s)
    }
}

/// The name of a row's user, whose bytes are in the order of names, and how many bytes the row has.
pub(super) fn head(bytes: &[u8]) -> (&[u8], usize) {
    let mut rest = bytes;
    let length = number(&mut rest) as usize;
    let all = bytes.len() - rest.len() + length;
    (name_bytes(&mut rest), all)
}

/// The member of the row at the beginning of these bytes, in this life of the stream: as [`Row::read`] has it, without the rest.
pub(super) fn read_member(bytes: &[u8], life: u64) -> Member {
    let mut rest = bytes;
    number(&mut rest);
    name_bytes(&mut rest);
    member(&mut rest, life).0
}

/// Writes how a member is from now on over the row at the beginning of these bytes. False, and nothing is written, where that
/// takes more bytes than before, or less, or the row is of an earlier life of the stream.
pub(super) fn overwrite_member(bytes: &mut [u8], member: &Member, life: u64) -> bool {
    let mut rest = &bytes[..];
    number(&mut rest);
    name_bytes(&mut rest);
    let from = bytes.len() - rest.len();
    if number(&mut rest) != life {
        return false;
    }
    (0..MEMBER_NUMBERS - 1).for_each(|_| _ = number(&mut rest));
    let until = bytes.len() - rest.len();
    let mut numbers = RowBytes::new();
    put_member(member, life, &mut numbers);
    let before = &mut bytes[from..until];
    let fits = before.len() == numbers.len();
    if fits {
        before.copy_from_slice(&numbers);
    }
    fits
}

/// The row of a member with these devices.
pub(super) fn write<'a>(
    user: &str,
    member: &Member,
    life: u64,
    devices: impl Iterator<Item = (&'a str, Known)>,
) -> RowBytes {
    let mut fields = RowBytes::new();
    put_name(user, &mut fields);
    put_member(member, life, &mut fields);
    for (id, known) in devices {
        put_name(id, &mut fields);
        match known {
            Known::Here(at) => {
                fields.push(HERE);
                put(at.into(), &mut fields);
            }
            Known::Away(device) => put_away(&device, &mut fields),
        }
    }
    let mut row = RowBytes::new();
    put(fields.len() as u64, &mut row);
    row.extend_from_slice(&fields);
    row
}

fn put_member(member: &Member, life: u64, out: &mut RowBytes) {
    let Member { received, noticed, read, forgotten } = *member;
    let forgotten = forgotten.map_or(0, |floor| floor.saturating_add(1));
    let numbers: [_; MEMBER_NUMBERS] = [life, received, received - noticed, read, forgotten];
    numbers.into_iter().for_each(|number| put(number, out));
}

/// How a member is, and whether that was said in an earlier life of the stream.
fn member(rest: &mut &[u8], life: u64) -> (Member, bool) {
    let is_old = number(rest) != life;
    let (received, unnoticed, read) = (number(rest), number(rest), number(rest));
    let (noticed, forgotten) = (received - unnoticed, number(rest).checked_sub(1));
    let mut member = Member { received, noticed, read, forgotten };
    if is_old {
        member.begin_anew();
    }
    (member, is_old)
}

fn put_away(device: &Device, out: &mut RowBytes) {
    let mark = |is_set, mark| if is_set { mark } else { 0 };
    out.push(AWAY | mark(device.has_lost, HAS_LOST) | mark(device.is_ahead, IS_AHEAD));
    for number in [device.floor(), device.reached() - device.floor(), device.failed.into(), device.seen_s.into()] {
        put(number, out);
    }
}

fn away(marks: u8, rest: &mut &[u8]) -> Device {
    let (floor, beyond, failed, seen_s) = (number(rest), number(rest), number(rest), number(rest));
    let mut device = Device::new(floor, seen_s as u32);
    device.send_up_to(floor + beyond);
    device.rewind();
    device.failed = failed as u16;
    (device.has_lost, device.is_ahead) = (marks & HAS_LOST != 0, marks & IS_AHEAD != 0);
    device
}

/// The devices of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Devices<'a> {
    bytes: &'a [u8],
    /// Of an earlier life of the stream.
    is_old: bool,
}

impl<'a> Iterator for Devices<'a> {
    type Item = (&'a str, Known);

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let id = name(&mut self.bytes);
        let (marks, rest) = self.bytes.split_first().expect("a device is an id and what it is");
        self.bytes = rest;
        if *marks == HERE {
            return Some((id, Known::Here(number(&mut self.bytes) as u32)));
        }
        let mut device = away(*marks, &mut self.bytes);
        if self.is_old {
            device.begin_anew();
        }
        Some((id, Known::Away(device)))
    }
}

fn put(number: u64, out: &mut RowBytes) {
    if number < 0x80 {
        return out.push(number as u8);
    }
    let mut bytes = [0; 10];
    let length = number.encode_var(&mut bytes);
    out.extend_from_slice(&bytes[..length]);
}

#[inline]
fn number(rest: &mut &[u8]) -> u64 {
    // Most are lengths, of one byte.
    if let Some((number @ ..0x80, after)) = rest.split_first() {
        *rest = after;
        return u64::from(*number);
    }
    let (number, length) = u64::decode_var(rest).expect("rows are written here only");
    *rest = &rest[length..];
    number
}

fn put_name(name: &str, out: &mut RowBytes) {
    put(name.len() as u64, out);
    out.extend_from_slice(name.as_bytes());
}

fn name<'a>(rest: &mut &'a [u8]) -> &'a str {
    str::from_utf8(name_bytes(rest)).expect("rows are written here only")
}

fn name_bytes<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let length = number(rest) as usize;
    let (name, after) = rest.split_at(length);
    *rest = after;
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices() -> Vec<(&'static str, Known)> {
        let mut late = Device::new(u64::MAX - 10, u32::MAX);
        late.send_up_to(u64::MAX - 2);
        late.rewind();
        (late.failed, late.has_lost, late.is_ahead) = (u16::MAX, true, true);
        vec![("", Known::Away(Device::new(0, 7))), ("phone", Known::Here(u32::MAX - 1)), ("π", Known::Away(late))]
    }

    #[test]
    fn a_row_says_what_was_written() {
        for forgotten in [None, Some(0), Some(1 << 60)] {
            let member = Member { received: 1 << 40, noticed: 1 << 20, read: 3, forgotten };
            let mut bytes = write("ada", &member, 300, devices().into_iter());
            bytes.extend_from_slice(&write("bob", &Member::since(1), 300, std::iter::empty()));
            let (user, length) = head(&bytes);
            assert_eq!((user, head(&bytes[length..]).0), (&b"ada"[..], &b"bob"[..]));
            let row = Row::read(&bytes, 300);
            assert_eq!((row.user, row.member), ("ada", member));
            assert_eq!(row.devices().collect::<Vec<_>>(), devices());
            assert_eq!(row.device("phone"), Some(Known::Here(u32::MAX - 1)));
            assert_eq!(row.device("tablet"), None);
            assert_eq!(row.longest_away().map(|(id, _)| id), Some(""));
            assert_eq!(Row::read(&bytes[length..], 300).devices().count(), 0);
        }
    }

    #[test]
    fn a_member_is_written_over_where_it_takes_as_many_bytes_and_the_rest_stays() {
        let member = Member { received: 130, noticed: 120, read: 3, forgotten: None };
        let bytes = write("ada", &member, 300, devices().into_iter());
        let fits = Member { received: 16_383, noticed: 16_300, read: 127, forgotten: Some(9) };
        let mut changed = bytes.clone();
        assert!(overwrite_member(&mut changed, &fits, 300));
        assert_eq!(changed, write("ada", &fits, 300, devices().into_iter()));
        assert_eq!(read_member(&changed, 300), fits);
        for (other, life) in [
            (Member { received: 16_384, ..fits }, 300),
            (Member { received: 127, noticed: 127, ..fits }, 300),
            (fits, 301),
        ] {
            let mut unchanged = bytes.clone();
            assert!(!overwrite_member(&mut unchanged, &other, life));
            assert_eq!(unchanged, bytes);
        }
    }

    #[test]
    fn of_another_life_of_the_stream_nothing_was_received() {
        let member = Member { received: 9, noticed: 6, read: 8, forgotten: Some(7) };
        let bytes = write("ada", &member, 1, devices().into_iter());
        let row = Row::read(&bytes, 2);
        assert_eq!(row.member, Member { received: 0, noticed: 0, read: 0, forgotten: Some(0) });
        assert_eq!(read_member(&bytes, 2), row.member);
        let Some(Known::Away(device)) = row.device("π") else { panic!("it is away") };
        assert_eq!((device.floor(), device.reached(), device.failed, device.has_lost), (0, 0, 0, true));
        assert_eq!(row.device("phone"), Some(Known::Here(u32::MAX - 1)), "it is told by itself");
    }
}
