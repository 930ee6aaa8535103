//! Who is in channels: what homes ask of the lists of buckets, and what these answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::metrics::Call;
use super::requests::{Request, Sorted};
use crate::broker::body;
use crate::broker::bridge::{Answer, OfList, Outgoing, Presence};
use crate::cluster::redis::bucket::Generation;
use crate::cluster::redis::fault::Fault;
use crate::cluster::redis::functions::Functions;
use crate::cluster::redis::leases::Leases;
use crate::cluster::redis::presence::{Listed, Member, Page};
use crate::limits::PRESENCE_PER_CALL;
use crate::model::{ClientInfo, PresenceStats};

/// Sessions that come, or that go.
pub(super) async fn list(functions: &Functions, bucket: u16, batch: &[Request]) -> Result<Sorted, Fault> {
    let presences: Vec<_> = batch.iter().filter_map(presence).collect();
    let infos: Vec<_> = presences.iter().map(|presence| body::pack_info(&presence.info)).collect();
    let members: Vec<_> = presences.iter().zip(&infos).map(|(presence, info)| member(presence, info)).collect();
    let stand = match batch[0].call() {
        Call::Enter => functions.presence_add(bucket, &members).await?,
        _ => functions.presence_remove(bucket, &members).await?,
    };
    let generation = u64::from_be_bytes(stand.generation.0);
    let mut sorted = Sorted::default();
    for (request, presence) in batch.iter().zip(presences) {
        sorted.put(request.shard, Answer::Listed(presence.channel.clone(), presence.info.client, Ok(generation)));
    }
    Ok(sorted)
}

/// The session that comes or goes, if one does.
fn presence(request: &Request) -> Option<&Presence> {
    match &request.what {
        Outgoing::Enter(presence) | Outgoing::Exit(presence) => Some(presence),
        _ => None,
    }
}

fn member<'a>(presence: &'a Presence, info: &'a [u8]) -> Member<'a> {
    Member {
        channel: &presence.channel,
        info,
        is_announced: presence.announces,
        told_in: Generation(presence.told_in.to_be_bytes()),
    }
}

/// Lists that live on.
pub(super) async fn renew(functions: &Functions, bucket: u16, batch: &[Request]) -> Result<Sorted, Fault> {
    let channels: Vec<_> = batch.iter().map(Request::channel).collect();
    let live = functions.presence_renew(bucket, &channels).await?;
    let mut sorted = Sorted::default();
    for (request, lives) in batch.iter().zip(live) {
        if let Outgoing::Renew(channel) = &request.what {
            sorted.put(request.shard, Answer::Renewed(channel.clone(), Ok(lives)));
        }
    }
    Ok(sorted)
}

/// Who is in a channel, by client id; none where they are more than may be given.
pub(super) async fn of_channel(
    functions: &Functions,
    leases: &Leases,
    channel: &str,
    bytes_max: usize,
) -> Result<OfList<Option<Vec<Arc<ClientInfo>>>>, Fault> {
    let (mut found, mut bytes, mut cursor) = (BTreeMap::new(), 0, 0);
    loop {
        let Page { generation, next, listed } = functions.presence_page(channel, cursor, PRESENCE_PER_CALL).await?;
        let generation = u64::from_be_bytes(generation.0);
        for Listed { of, info } in listed {
            // One that cannot be read is a later version's node's, which tells of it when it can.
            if let (true, Ok(info)) = (leases.may_live(of), body::unpack_info(info)) {
                let weight = info.weight();
                // A page may say again what one before it has said.
                bytes += if found.insert(info.client, info).is_none() { weight } else { 0 };
            }
        }
        if bytes > bytes_max {
            return Ok(OfList { generation, told: None });
        }
        cursor = next;
        if cursor == 0 {
            return Ok(OfList { generation, told: Some(found.into_values().collect()) });
        }
    }
}

/// How many are in a channel.
pub(super) async fn stats(
    functions: &Functions,
    leases: &Leases,
    channel: &str,
) -> Result<OfList<PresenceStats>, Fault> {
    let numbers = functions.presence_stats(channel).await?;
    let (clients, users) = numbers.living(leases);
    let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let told = PresenceStats { num_clients: count(clients), num_users: count(users) };
    Ok(OfList { generation: u64::from_be_bytes(numbers.generation.0), told })
}
