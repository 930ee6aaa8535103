//! The members of a channel by name, with their devices: many, most of them away, so that they are kept as rows of bytes.
//!
//! Rows lie in blocks, in the order of names; a block is looked up by its first row, a row by going through its block.
//! Blocks grow by small steps, split where they are full, and join where they are not.
//!
//! Who asks for the same row again keeps a [`Hint`] of where it was, which says by itself whether it still holds.
//!
//! Invariants: no block is empty; names grow from row to row and from block to block; a row moves only with a new stamp of its
//! block. It never counts, and knows no time.

use super::device::{Device, Known};
use super::member::Member;
use super::row::{self, Row};
use crate::limits::{MEMBERS_BLOCK_BYTES, MEMBERS_BLOCK_STEP_BYTES};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Members {
    blocks: Vec<Block>,
    len: usize,
    /// The newest stamp that a block got.
    stamped: u64,
    /// How often the stream has begun anew: rows of an earlier life are read as such, so that nobody goes through all.
    life: u64,
}

/// Some rows.
#[derive(Debug)]
struct Block {
    rows: Vec<u8>,
    /// Another one, which no block had before, whenever a row here may have moved.
    stamp: u64,
}

/// Where a row was: that it still is there, the stamp of its block says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hint {
    block: u32,
    from: u32,
    /// 0, which no block has, where nothing is known.
    stamp: u64,
}

/// Where a row is, or would be: the block, and from where to where. Good until a row changes.
#[derive(Debug)]
pub(super) struct Place {
    block: usize,
    from: usize,
    until: usize,
}

impl Members {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn contains(&self, user: &str) -> bool {
        self.find(user).is_row()
    }

    pub(super) fn get(&self, user: &str) -> Option<Row<'_>> {
        self.look_up(user).map(|(_, row)| row)
    }

    /// As [`Members::get`], with the place for [`Members::set_at`].
    pub(super) fn look_up(&self, user: &str) -> Option<(Place, Row<'_>)> {
        let place = self.find(user);
        let row = place.is_row().then(|| self.read(&place))?;
        Some((place, row))
    }

    /// As [`Members::look_up`], of a member whose row was there before: what is known of the member alone. Looks first where the
    /// hint says, and sets it anew where that no longer holds.
    pub(super) fn look_up_again(&self, hint: &mut Hint, user: &str) -> Option<(Place, Member)> {
        let (block, from) = (hint.block as usize, hint.from as usize);
        let hinted = self.blocks.get(block).filter(|block| block.stamp == hint.stamp);
        let place = match hinted.map(|block| row::head(&block.rows[from..])) {
            Some((name, length)) => {
                assert_eq!(name, user.as_bytes(), "rows move with a new stamp only");
                Place { block, from, until: from + length }
            }
            None => self.find(user),
        };
        if !place.is_row() {
            return None;
        }
        let block = &self.blocks[place.block];
        *hint = Hint { block: place.block as u32, from: place.from as u32, stamp: block.stamp };
        let member = row::read_member(&block.rows[place.from..], self.life);
        Some((place, member))
    }

    /// Those whose names follow this one, in order; from the first where there is none.
    pub(super) fn after(&self, user: Option<&str>) -> impl Iterator<Item = Row<'_>> {
        let place = user.map_or(Place { block: 0, from: 0, until: 0 }, |user| self.find(user));
        let first = self.blocks.get(place.block).map(|block| &block.rows[place.until..]);
        let rest = self.blocks.iter().skip(place.block + 1).map(|block| &block.rows[..]);
        first.into_iter().chain(rest).flat_map(move |rows| self.rows(rows))
    }

    fn rows<'a>(&self, mut rows: &'a [u8]) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let life = self.life;
        std::iter::from_fn(move || {
            let (row, rest) = rows.split_at(if rows.is_empty() { return None } else { row::head(rows).1 });
            rows = rest;
            Some(Row::read(row, life))
        })
    }

    /// How a member is from now on, who may be new. The devices stay as they are.
    pub(super) fn set(&mut self, user: &str, member: &Member) {
        let place = self.find(user);
        let devices = self.row_at(&place, user).devices();
        let row = row::write(user, member, self.life, devices);
        self.put(place, &row);
    }

    /// As [`Members::set`], of a member that was looked up and no row has changed since.
    pub(super) fn set_at(&mut self, place: Place, member: &Member) {
        let bytes = &mut self.blocks[place.block].rows[place.from..place.until];
        if row::overwrite_member(bytes, member, self.life) {
            return;
        }
        let row = self.read(&place);
        let row = row::write(row.user, member, self.life, row.devices());
        self.put(place, &row);
    }

    /// How a device of a member is from now on, which may be new.
    pub(super) fn set_device(&mut self, user: &str, id: &str, known: Known) {
        let place = self.find(user);
        assert!(place.is_row(), "a device is a member's");
        let row = self.row_at(&place, user);
        let is_new = row.device(id).is_none();
        let devices = row.devices().map(|(other, before)| (other, if other == id { known } else { before }));
        let row = row::write(user, &row.member, self.life, devices.chain(is_new.then_some((id, known))));
        self.put(place, &row);
    }

    /// Forgets a device of a member, which is away: what it was.
    pub(super) fn forget_device(&mut self, user: &str, id: &str) -> Option<Device> {
        let place = self.find(user);
        let row = self.row_at(&place, user);
        let Known::Away(device) = row.device(id)? else { return None };
        let mut member = row.member;
        member.forget(device.floor());
        let row = row::write(user, &member, self.life, row.devices().filter(|(other, _)| *other != id));
        self.put(place, &row);
        Some(device)
    }

    /// A user is no member any more. False for one who was none.
    pub(super) fn remove(&mut self, user: &str) -> bool {
        let Place { block, from, until } = self.find(user);
        if from == until {
            return false;
        }
        self.len -= 1;
        self.blocks[block].rows.drain(from..until);
        self.stamp(block);
        self.join(block);
        true
    }

    /// The stream has begun anew: nothing of it was received.
    pub(super) fn begin_anew(&mut self) {
        self.life += 1;
    }

    /// Changes all members and devices, which are all away, and packs them anew.
    pub(super) fn change_all(
        &mut self,
        mut change: impl FnMut(&mut Member),
        mut change_device: impl FnMut(&mut Device),
    ) {
        for block in std::mem::take(&mut self.blocks) {
            let mut rows = Vec::with_capacity(block.rows.len());
            for row in self.rows(&block.rows) {
                let (user, mut member) = (row.user, row.member);
                change(&mut member);
                let devices = row.devices().map(|(id, mut known)| {
                    if let Known::Away(device) = &mut known {
                        change_device(device);
                    }
                    (id, known)
                });
                rows.extend_from_slice(&row::write(user, &member, self.life, devices));
            }
            match self.blocks.last_mut().filter(|last| last.rows.len() + rows.len() <= MEMBERS_BLOCK_BYTES) {
                Some(Block { rows: last, .. }) => {
                    reserve(last, rows.len());
                    last.extend_from_slice(&rows);
                }
                None => {
                    self.stamped += 1;
                    self.blocks.push(Block { rows, stamp: self.stamped });
                }
            }
        }
    }

    // ------------------------------------------------------------ blocks

    fn find(&self, user: &str) -> Place {
        let after = self.blocks.partition_point(|block| row::head(&block.rows).0 <= user.as_bytes());
        let block = after.saturating_sub(1);
        let rows = self.blocks.get(block).map_or(&[][..], |block| &block.rows);
        // Most that are looked for are there: the rows before are told apart by how long a name is and how it ends, since names
        // often begin alike.
        let (user, mut from) = (user.as_bytes(), 0);
        while from < rows.len() {
            let (name, length) = row::head(&rows[from..]);
            if name.len() == user.len() && name.last() == user.last() && name == user {
                return Place { block, from, until: from + length };
            }
            from += length;
        }
        from = 0;
        while from < rows.len() {
            let (name, length) = row::head(&rows[from..]);
            if name > user {
                break;
            }
            from += length;
        }
        Place { block, from, until: from }
    }

    fn read(&self, place: &Place) -> Row<'_> {
        Row::read(&self.blocks[place.block].rows[place.from..], self.life)
    }

    /// The row there, or that of a new member.
    fn row_at<'a>(&'a self, place: &Place, user: &'a str) -> Row<'a> {
        match place.is_row() {
            true => self.read(place),
            false => Row::new(user, Member::since(0)),
        }
    }

    fn put(&mut self, place: Place, row: &[u8]) {
        self.len += usize::from(!place.is_row());
        if self.blocks.is_empty() {
            self.blocks.push(Block { rows: Vec::new(), stamp: 0 });
        }
        let Place { block, from, until } = place;
        let rows = &mut self.blocks[block].rows;
        if row.len() == until - from {
            return rows[from..until].copy_from_slice(row);
        }
        reserve(rows, row.len().saturating_sub(until - from));
        rows.splice(from..until, row.iter().copied());
        let is_full = rows.len() > MEMBERS_BLOCK_BYTES;
        self.stamp(block);
        if is_full {
            self.split(block, from);
        }
    }

    /// Rows of a block have moved: no hint of before holds.
    fn stamp(&mut self, block: usize) {
        self.stamped += 1;
        self.blocks[block].stamp = self.stamped;
    }

    /// Splits a block that is too full, after the row at `from` has got longer: before that row where names come in their
    /// order, so that what they leave is full; or else in the middle.
    fn split(&mut self, block: usize, from: usize) {
        let rows = &mut self.blocks[block].rows;
        let is_last = from + row::head(&rows[from..]).1 == rows.len();
        let mut cut = 0;
        while cut < if is_last { from } else { rows.len() / 2 } {
            cut += row::head(&rows[cut..]).1;
        }
        if cut > 0 && cut < rows.len() {
            let rest = rows.split_off(cut);
            self.blocks.insert(block + 1, Block { rows: rest, stamp: 0 });
            self.stamp(block + 1);
        }
    }

    /// A block has lost a row: it goes where it is empty, and takes the next along where both together are half full.
    fn join(&mut self, block: usize) {
        if self.blocks[block].rows.is_empty() {
            self.blocks.remove(block);
            return;
        }
        let length = self.blocks[block].rows.len();
        if self.blocks.get(block + 1).is_some_and(|next| length + next.rows.len() <= MEMBERS_BLOCK_BYTES / 2) {
            let next = self.blocks.remove(block + 1);
            self.blocks[block].rows.extend_from_slice(&next.rows);
        }
        let rows = &mut self.blocks[block].rows;
        if rows.capacity() > 2 * rows.len() {
            rows.shrink_to_fit();
        }
    }

    /// Bytes that it has asked for.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        let rows = self.blocks.iter().map(|block| block.rows.capacity());
        self.blocks.capacity() * size_of::<Block>() + rows.sum::<usize>()
    }
}

impl Place {
    fn is_row(&self) -> bool {
        self.from < self.until
    }
}

/// Makes room in a block, and little more.
fn reserve(rows: &mut Vec<u8>, more: usize) {
    let needed = rows.len() + more;
    if needed > rows.capacity() {
        rows.reserve_exact(needed.next_multiple_of(MEMBERS_BLOCK_STEP_BYTES) - rows.len());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A member with the devices.
    type Entry = (Member, Vec<(String, Known)>);
    type Book = BTreeMap<String, Entry>;

    #[derive(Clone, Debug)]
    enum Step {
        Set(String, u64),
        Device(String, String, u64),
        Forget(String, String),
        Remove(String),
        BeginAnew,
        ChangeAll,
    }

    fn step() -> impl Strategy<Value = Step> {
        let user = || "[a-c]{1,4}|x{600,1400}";
        let id = || "|phone|laptop|[a-z]{300}";
        prop_oneof![
            6 => (user(), any::<u64>()).prop_map(|(user, received)| Step::Set(user, received)),
            6 => (user(), id(), any::<u64>()).prop_map(|(user, id, floor)| Step::Device(user, id, floor)),
            2 => (user(), id()).prop_map(|(user, id)| Step::Forget(user, id)),
            4 => user().prop_map(Step::Remove),
            1 => Just(Step::BeginAnew),
            1 => Just(Step::ChangeAll),
        ]
    }

    fn take(members: &mut Members, book: &mut Book, hints: &mut BTreeMap<String, Hint>, step: Step) {
        match step {
            Step::Set(user, received) => {
                let member = Member { received, noticed: received / 2, read: received / 3, forgotten: None };
                // Most of them where they were looked up, in one of two ways.
                let place = match received % 3 {
                    0 => members.look_up(&user).map(|(place, _)| place),
                    1 => members.look_up_again(hints.entry(user.clone()).or_default(), &user).map(|(place, _)| place),
                    _ => None,
                };
                match place {
                    Some(place) => members.set_at(place, &member),
                    None => members.set(&user, &member),
                }
                book.entry(user).or_insert((member, Vec::new())).0 = member;
            }
            Step::Device(user, id, floor) => {
                let Some((_, devices)) = book.get_mut(&user) else { return };
                let known = match floor % 5 {
                    0 => Known::Here(floor as u32),
                    _ => Known::Away(Device::new(floor / 2, 9)),
                };
                members.set_device(&user, &id, known);
                match devices.iter_mut().find(|(other, _)| *other == id) {
                    Some((_, before)) => *before = known,
                    None => devices.push((id, known)),
                }
            }
            Step::Forget(user, id) => {
                let found = members.forget_device(&user, &id);
                let Some((member, devices)) = book.get_mut(&user) else { return assert_eq!(found, None) };
                let is_it = |(other, known): &(String, Known)| *other == id && matches!(known, Known::Away(_));
                let at = devices.iter().position(is_it);
                assert_eq!(found.map(Known::Away), at.map(|at| devices.remove(at).1));
                found.into_iter().for_each(|device| member.forget(device.floor()));
            }
            Step::Remove(user) => assert_eq!(members.remove(&user), book.remove(&user).is_some()),
            Step::BeginAnew => {
                members.begin_anew();
                for (member, devices) in book.values_mut() {
                    member.begin_anew();
                    devices.iter_mut().for_each(|(_, known)| match known {
                        Known::Away(device) => device.begin_anew(),
                        Known::Here(_) => {}
                    });
                }
            }
            Step::ChangeAll => {
                members.change_all(|member| member.read /= 2, |device| device.seen_s += 1);
                for (member, devices) in book.values_mut() {
                    member.read /= 2;
                    devices.iter_mut().for_each(|(_, known)| match known {
                        Known::Away(device) => device.seen_s += 1,
                        Known::Here(_) => {}
                    });
                }
            }
        }
    }

    fn all<'a>(rows: impl Iterator<Item = Row<'a>>) -> Vec<(String, Entry)> {
        let devices = |row: &Row<'_>| row.devices().map(|(id, known)| (id.to_owned(), known)).collect();
        rows.map(|row| (row.user.to_owned(), (row.member, devices(&row)))).collect()
    }

    proptest! {
        #[test]
        fn members_are_those_of_a_naive_book(steps in prop::collection::vec(step(), 0..300)) {
            let (mut members, mut book, mut hints) = (Members::default(), Book::new(), BTreeMap::new());
            for step in steps {
                take(&mut members, &mut book, &mut hints, step);
                prop_assert!(members.blocks.iter().all(|block| !block.rows.is_empty()));
                prop_assert_eq!((members.len(), members.is_empty()), (book.len(), book.is_empty()));
                for (user, hint) in &mut hints {
                    let again = members.look_up_again(hint, user).map(|(_, member)| member);
                    prop_assert_eq!(again, book.get(user).map(|(member, _)| *member));
                }
            }
            prop_assert_eq!(all(members.after(None)), book.clone().into_iter().collect::<Vec<_>>());
            for name in ["", "a", "bb", "cccc", "d"].into_iter().chain(book.keys().map(String::as_str)) {
                let after = (std::ops::Bound::Excluded(name), std::ops::Bound::Unbounded);
                let expected = book.range::<str, _>(after).map(|(user, known)| (user.clone(), known.clone()));
                prop_assert_eq!(all(members.after(Some(name))), expected.collect::<Vec<_>>());
                prop_assert_eq!(members.contains(name), book.contains_key(name));
                let known = members.get(name).map(|row| row.member);
                prop_assert_eq!(known, book.get(name).map(|(member, _)| *member));
            }
        }
    }

    #[test]
    fn a_floor_takes_at_most_64_bytes_however_names_come() {
        const MEMBERS: usize = 20_000;
        let scattered = (0..MEMBERS).map(|number| number * 7_919 % MEMBERS);
        for numbers in [(0..MEMBERS).collect::<Vec<_>>(), scattered.collect()] {
            let mut members = Members::default();
            for number in numbers {
                let user = format!("user-{number:07}");
                members.set(&user, &Member::since(1 << 30));
                members.set_device(&user, "", Known::Away(Device::new(1 << 30, u32::MAX)));
            }
            assert_eq!(members.len(), MEMBERS);
            assert!(members.bytes() <= 64 * MEMBERS, "{} bytes", members.bytes() / MEMBERS);
        }
    }

    #[test]
    fn what_members_took_is_given_back_when_they_go() {
        let mut members = Members::default();
        let names: Vec<_> = (0..1_000).map(|number| format!("user-{number}")).collect();
        names.iter().for_each(|user| members.set(user, &Member::since(0)));
        let full = members.bytes();
        names.iter().filter(|user| !user.ends_with('7')).for_each(|user| _ = members.remove(user));
        assert!(members.bytes() < full / 3, "{} of {full} bytes", members.bytes());
        names.iter().for_each(|user| _ = members.remove(user));
        assert!(members.is_empty() && members.blocks.is_empty());
    }
}
