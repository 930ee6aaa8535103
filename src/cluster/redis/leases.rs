//! The nodes: each has a lease, renewed every 3 s and lost after 10 s; who has lost it comes back as another incarnation only.

use bytes::Bytes;
use redis::{Cmd, Value};
use tokio::time::Instant;

use super::fault::Fault;
use super::functions::Incarnation;
use super::keys::Keys;
use super::library::{call, function};
use super::link::Link;
use super::pack::{Packed, Unpack, list, number};
use crate::limits::LEASE_MS;

/// A node, as its lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Whose it is.
    pub of: Incarnation,
    /// When it ends by the clock of Redis, Unix milliseconds.
    pub ends_ms: u64,
    /// The node's name.
    pub name: String,
    /// What it says of itself.
    pub about: Bytes,
}

/// All leases, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leases {
    /// The moment, by the clock of Redis.
    pub now_ms: u64,
    /// Between which moments that was, by the clock of this node: it was asked, and answered.
    pub said_between: [Instant; 2],
    /// Those that live, and those whose nodes are not reaped yet.
    pub all: Vec<Lease>,
}

impl Leases {
    /// Whether what an incarnation has put counts.
    pub fn lives(&self, incarnation: Incarnation) -> bool {
        self.living().any(|lease| lease.of == incarnation)
    }

    /// Those that live.
    pub fn living(&self) -> impl Iterator<Item = &Lease> {
        self.all.iter().filter(|lease| lease.ends_ms > self.now_ms)
    }

    /// Those that have ended.
    pub fn dead(&self) -> impl Iterator<Item = &Lease> {
        self.all.iter().filter(|lease| lease.ends_ms <= self.now_ms)
    }

    /// As [`Leases::lives`], where it may have come after this moment.
    pub fn may_live(&self, incarnation: Incarnation) -> bool {
        incarnation.number > self.newest() || self.lives(incarnation)
    }

    /// The highest number of an incarnation; those that come later have higher ones.
    pub(super) fn newest(&self) -> u64 {
        self.all.iter().map(|lease| lease.of.number).max().unwrap_or_default()
    }

    /// Those that live, as Functions take them.
    pub(super) fn pack_living(&self) -> Vec<u8> {
        let living = self.all.iter().filter(|lease| lease.ends_ms > self.now_ms);
        living.fold(Packed::default(), |packed, lease| packed.byte(lease.of.slot).six(lease.of.number)).end()
    }

    fn unpack(answer: Value, asked: Instant) -> Result<Self, Fault> {
        let [now, entries] = <[Value; 2]>::try_from(list(answer)?).map_err(|_| Fault::Garbled)?;
        let entries = list(entries)?;
        let mut all = Vec::with_capacity(entries.len() / 2);
        let mut entries = entries.into_iter();
        while let (Some(slot), Some(entry)) = (entries.next(), entries.next()) {
            let slot = u8::try_from(number(&slot)?).map_err(|_| Fault::Garbled)?;
            let mut from = Unpack::of(entry)?;
            let (incarnation, ends_ms) = (from.six()?, from.six()?);
            from.take(7)?;
            let of = Incarnation { slot, number: incarnation };
            all.push(Lease { of, ends_ms, name: from.text()?, about: from.rest() });
        }
        all.sort_by_key(|lease| lease.of.slot);
        Ok(Self { now_ms: number(&now)?, said_between: [asked, Instant::now()], all })
    }
}

fn ask(name: &str, keys: &Keys) -> Cmd {
    function(name, &keys.nodes())
}

fn of(mut command: Cmd, incarnation: Incarnation) -> Cmd {
    command.arg(incarnation.slot).arg(incarnation.number);
    command
}

/// Takes a lease for a node of this name, which at most 255 bytes name.
///
/// # Errors
/// [`Fault::Taken`] where one of this name lives; [`Fault::Refused`] where other nodes have another number of buckets, or 255
/// are here.
pub async fn take(link: &Link, keys: &Keys, name: &str, about: &[u8]) -> Result<(Incarnation, Leases), Fault> {
    let mut command = ask("lease_take", keys);
    let node = Packed::default().short(name.as_bytes()).bytes(about).end();
    command.arg(node).arg(LEASE_MS).arg(keys.buckets());
    let asked = Instant::now();
    let answer = list(call(link, &command).await?)?;
    let [slot, incarnation, leases] = <[Value; 3]>::try_from(answer).map_err(|_| Fault::Garbled)?;
    let slot = u8::try_from(number(&slot)?).map_err(|_| Fault::Garbled)?;
    Ok((Incarnation { slot, number: number(&incarnation)? }, Leases::unpack(leases, asked)?))
}

/// Renews a lease, with what the node says of itself now.
///
/// # Errors
/// [`Fault::Dead`] where it has run out.
pub async fn renew(link: &Link, keys: &Keys, incarnation: Incarnation, about: &[u8]) -> Result<Leases, Fault> {
    let mut command = of(ask("lease_renew", keys), incarnation);
    let asked = Instant::now();
    Leases::unpack(call(link, command.arg(LEASE_MS).arg(about)).await?, asked)
}

/// Ends a lease. What the node has left is reaped.
///
/// # Errors
/// What went wrong.
pub async fn end(link: &Link, keys: &Keys, incarnation: Incarnation) -> Result<(), Fault> {
    call(link, &of(ask("lease_end", keys), incarnation)).await.map(drop)
}

/// All leases.
///
/// # Errors
/// What went wrong.
pub async fn look(link: &Link, keys: &Keys) -> Result<Leases, Fault> {
    let asked = Instant::now();
    Leases::unpack(call(link, &ask("lease_list", keys)).await?, asked)
}

/// Claims the reaping of a dead incarnation for the node with this slot, for as long as a lease. Whether it may.
///
/// # Errors
/// What went wrong.
pub async fn claim(link: &Link, keys: &Keys, dead: Incarnation, slot: u8) -> Result<bool, Fault> {
    let mut command = of(ask("lease_claim", keys), dead);
    Ok(number(&call(link, command.arg(slot).arg(LEASE_MS)).await?)? == 1)
}

/// Frees the slot of an incarnation that was reaped in all buckets. Whether it was there.
///
/// # Errors
/// What went wrong.
pub async fn free(link: &Link, keys: &Keys, dead: Incarnation) -> Result<bool, Fault> {
    Ok(number(&call(link, &of(ask("lease_free", keys), dead)).await?)? == 1)
}
