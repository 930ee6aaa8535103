//! A store's directory: who may use it, whose it is, and the files in it.
//!
//! ```text
//! lock              held while a node, or a tool, uses the directory
//! identity.json     which store it is
//! <number>.segment  a segment; its head is on disk before it has this name
//! <number>.spare    a file that was a segment, or was to become one
//! ```

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, fstatfs};
use rustix::io::{Errno, ReadWriteFlags, pwritev2};

use super::catalog::{Catalog, Damage, Entry, PREFIX_BYTES};
use super::error::StoreError;
use super::identity::Identity;
use super::record::Record;
use super::recovery::{Recovered, RecoveryError, Segments, check_empty, recover};
use super::segment::{SegmentId, ShardOf};
use crate::limits::STORE_PROGRESS_SEGMENTS;

/// A directory that is locked.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    identity: Identity,
    catalog: Catalog,
    spares: Vec<SegmentId>,
    /// Unlocks it when it goes.
    _lock: File,
}

/// What a directory is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// A node writes to it.
    Node,
    /// It is only looked at.
    Look,
}

impl Directory {
    /// Opens the store of a node, makes it where there is none, and counts a start. Segments that were never begun
    /// become spares.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(path: &Path, node: &str) -> Result<Self, StoreError> {
        make(path).map_err(StoreError::io(path, "the directory cannot be made"))?;
        let lock = lock(path, Use::Node)?;
        look_at_file_system(path)?;
        let mut identity = match Identity::read(path)? {
            Some(identity) => identity,
            None => {
                refuse_occupied(path)?;
                Identity::new(node)
            }
        };
        if identity.node != node {
            return Err(StoreError::OtherNode { path: path.into(), of: identity.node, name: node.to_owned() });
        }
        let found = read_catalog(path, &identity)?;
        let mut directory = Self::of(path, identity.clone(), found, lock)?;
        directory.retire_empty()?;
        // The segments say it too, should the file be an old copy.
        identity.starts = identity.starts.max(directory.catalog.highest().1) + 1;
        identity.write(path)?;
        directory.identity = identity;
        Ok(directory)
    }

    /// Opens a store to look at it. Nothing in it is changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn look(path: &Path) -> Result<Self, StoreError> {
        let Some(identity) = Identity::read(path)? else { return Err(StoreError::None { path: path.into() }) };
        let lock = lock(path, Use::Look)?;
        let found = read_catalog(path, &identity)?;
        Self::of(path, identity, found, lock)
    }

    /// As [`Directory::look`], without the segments that cannot be told from anything else: what is wrong with each.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn look_at_what_is_whole(path: &Path) -> Result<(Self, Vec<Damage>), StoreError> {
        let Some(identity) = Identity::read(path)? else { return Err(StoreError::None { path: path.into() }) };
        let lock = lock(path, Use::Look)?;
        let mut found = read_catalog(path, &identity)?;
        let damages = std::mem::take(&mut found.damages);
        Ok((Self::of(path, identity, found, lock)?, damages))
    }

    fn of(path: &Path, identity: Identity, found: Listed, lock: File) -> Result<Self, StoreError> {
        let Listed { catalog, spares, damages } = found;
        match damages.into_iter().next() {
            Some(damage) => Err(StoreError::Damaged { path: path.into(), damage }),
            None => Ok(Self { path: path.into(), identity, catalog, spares, _lock: lock }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which store it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its segments, as they were when it was opened.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The numbers of files that can be made segments of.
    pub fn spares(&self) -> &[SegmentId] {
        &self.spares
    }

    /// Where a segment lies.
    pub fn segment_path(&self, segment: SegmentId) -> PathBuf {
        self.path.join(format!("{:012}.segment", segment.0))
    }

    /// Where a spare lies.
    pub(super) fn spare_path(&self, segment: SegmentId) -> PathBuf {
        self.path.join(format!("{:012}.spare", segment.0))
    }

    /// Makes names that were given and taken outlive a loss of power.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// Reads a segment's file whole.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn read(&self, segment: SegmentId, into: &mut Vec<u8>) -> Result<(), StoreError> {
        let path = self.segment_path(segment);
        let mut read = || {
            let mut file = File::open(&path)?;
            into.resize(file.metadata()?.len() as usize, 0);
            file.read_exact(into)
        };
        read().map_err(StoreError::io(&path, "it cannot be read"))
    }

    /// Reads all that is of a shard, as [`recover`] does. Tells the log how far it is, where it takes long.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn recover(
        &self,
        reader: ShardOf,
        is_mine: impl Fn(&str) -> bool,
        take: impl FnMut(&Record<'_>),
    ) -> Result<Recovered, StoreError> {
        let all = self.catalog.of_shard(reader).count();
        let mut segments = Reading { directory: self, shard: reader.shard, count: 0, all };
        recover(&self.catalog, reader, is_mine, &mut segments, take).map_err(|error| match error {
            RecoveryError::Damaged(damage) => StoreError::Damaged { path: self.path.clone(), damage },
            RecoveryError::Files(error) => error,
        })
    }

    /// Writes to a segment's file once more what was read there, and syncs it.
    fn secure(&self, segment: SegmentId, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.segment_path(segment);
        let secure = || {
            let file = File::options().write(true).open(&path)?;
            file.write_all_at(bytes, at)?;
            file.sync_data()
        };
        secure().map_err(StoreError::io(&path, "what was read of it cannot be written and synced"))
    }

    /// Segments without a first block hold nothing, unless a block behind it says otherwise.
    fn retire_empty(&mut self) -> Result<(), StoreError> {
        let (begun, empty): (Vec<Entry>, Vec<Entry>) =
            self.catalog.entries().cloned().partition(|entry| entry.has_begun);
        let mut bytes = Vec::new();
        for entry in &empty {
            self.check_empty(entry, &mut bytes)?;
        }
        for Entry { head, .. } in &empty {
            let (from, to) = (self.segment_path(head.segment), self.spare_path(head.segment));
            fs::rename(&from, to).map_err(StoreError::io(from, "it cannot be renamed"))?;
            self.spares.push(head.segment);
        }
        self.catalog = Catalog::default();
        begun.into_iter().for_each(|entry| self.catalog.add(entry));
        Ok(())
    }

    /// As [`check_empty`].
    fn check_empty(&self, entry: &Entry, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        self.read(entry.head.segment, bytes)?;
        check_empty(entry, bytes).map_err(|damage| StoreError::Damaged { path: self.path.clone(), damage })
    }
}

/// The files that a shard reads, which tells the log how far it is.
struct Reading<'a> {
    directory: &'a Directory,
    shard: u16,
    count: usize,
    all: usize,
}

impl Segments for Reading<'_> {
    type Error = StoreError;

    fn read(&mut self, segment: SegmentId, into: &mut Vec<u8>) -> Result<(), StoreError> {
        let Self { directory, shard, count, all } = self;
        if *count > 0 && count.is_multiple_of(STORE_PROGRESS_SEGMENTS) {
            tracing::info!(shard, "the store is being read: {count} of {all} segments");
        }
        *count += 1;
        directory.read(segment, into)
    }

    fn secure(&mut self, segment: SegmentId, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.directory.secure(segment, at, bytes)
    }
}

/// Makes a directory where there is none, so that it is there after a loss of power, too.
fn make(path: &Path) -> io::Result<()> {
    let missing: Vec<_> = path.ancestors().take_while(|path| !path.exists()).collect();
    fs::create_dir_all(path)?;
    for made in missing {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

fn lock(path: &Path, used: Use) -> Result<File, StoreError> {
    let file = path.join("lock");
    let opened = match used {
        Use::Node => File::options().write(true).create(true).truncate(false).open(&file),
        Use::Look => File::open(&file),
    };
    let opened = opened.map_err(StoreError::io(&file, "it cannot be opened"))?;
    let operation = match used {
        Use::Node => FlockOperation::NonBlockingLockExclusive,
        Use::Look => FlockOperation::NonBlockingLockShared,
    };
    match flock(&opened, operation) {
        Ok(()) => Ok(opened),
        Err(Errno::WOULDBLOCK) => Err(StoreError::Locked { path: path.into() }),
        Err(error) => Err(StoreError::io(file, "it cannot be locked")(error.into())),
    }
}

/// Whether the file system keeps what it says that it keeps.
///
/// # Errors
/// [`StoreError::Network`], [`StoreError::NoDsync`], or what stands in the way of a look.
pub fn look_at_file_system(path: &Path) -> Result<(), StoreError> {
    const NETWORK: [(i64, &str); 5] =
        [(0x6969, "NFS"), (0x517b, "SMB"), (0xff53_4d42, "CIFS"), (0xfe53_4d42, "SMB"), (0x0102_1997, "9p")];
    let file = path.join("probe");
    let probe = || {
        let opened = File::options().write(true).create(true).truncate(true).open(&file)?;
        let kind = fstatfs(&opened)?.f_type;
        let written = pwritev2(&opened, &[io::IoSlice::new(&[0])], 0, ReadWriteFlags::DSYNC);
        fs::remove_file(&file)?;
        io::Result::Ok((kind, written))
    };
    let (kind, written) = probe().map_err(StoreError::io(path, "no file can be written here"))?;
    if let Some((_, kind)) = NETWORK.iter().find(|(number, _)| *number == kind) {
        return Err(StoreError::Network { path: path.into(), kind });
    }
    match written {
        Ok(_) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Err(StoreError::NoDsync { path: path.into() }),
        Err(error) => Err(StoreError::io(path, "no byte can be written and synced here")(error.into())),
    }
}

/// A directory without a store must be empty, but for what a start that failed has left.
fn refuse_occupied(path: &Path) -> Result<(), StoreError> {
    for (file, _) in list(path)? {
        if !["lock", "identity.new", "probe", "lost+found"].contains(&file.as_str()) {
            return Err(StoreError::Occupied { path: path.into(), file });
        }
    }
    Ok(())
}

fn list(path: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let list = || {
        let entries = fs::read_dir(path)?.map(|entry| {
            let entry = entry?;
            io::Result::Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
        });
        entries.collect::<io::Result<_>>()
    };
    list().map_err(StoreError::io(path, "the directory cannot be listed"))
}

/// What lies in a directory.
#[derive(Debug, Default)]
struct Listed {
    catalog: Catalog,
    spares: Vec<SegmentId>,
    /// Of segments that are in no catalog.
    damages: Vec<Damage>,
}

fn read_catalog(path: &Path, identity: &Identity) -> Result<Listed, StoreError> {
    let mut listed = Listed::default();
    for (name, file) in list(path)? {
        let numbered = |suffix| name.strip_suffix(suffix).and_then(|number| number.parse().ok()).map(SegmentId);
        listed.spares.extend(numbered(".spare"));
        let Some(segment) = numbered(".segment") else { continue };
        let prefix = read_prefix(&file).map_err(StoreError::io(&file, "it cannot be read"))?;
        match Entry::read(segment, identity.store.as_u128(), &prefix) {
            Ok(entry) => listed.catalog.add(entry),
            Err(Damage::Head { error: super::segment::HeadError::Newer(version), .. }) => {
                return Err(StoreError::Newer { path: path.into(), version });
            }
            Err(damage) => listed.damages.push(damage),
        }
    }
    Ok(listed)
}

fn read_prefix(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len().min(PREFIX_BYTES as u64);
    let mut prefix = vec![0; length as usize];
    file.read_exact_at(&mut prefix, 0)?;
    Ok(prefix)
}
