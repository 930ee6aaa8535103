//! From what homes ask of publications that are to come to calls of the Functions, and from their answers back.

use super::requests::{Request, Sorted, of_publish};
use crate::broker::bridge::{Answer, Outgoing, Receipt, ScheduleAnswer, ScheduleAsk};
use crate::cluster::redis::fault::Fault;
use crate::cluster::redis::functions::Functions;
use crate::cluster::redis::schedules::Scheduled;
use crate::model::refusal::ErrorKind;

/// Asks a bucket for this.
///
/// # Errors
/// What went wrong; after [`Fault::is_open`] it may have been done.
pub(super) async fn ask(functions: &Functions, bucket: u16, request: &Request) -> Result<Sorted, Fault> {
    let Outgoing::Schedule { ticket, channel, ask } = &request.what else { return Ok(Sorted::default()) };
    let answer = match &**ask {
        ScheduleAsk::Add(delay_ms, publish) => {
            match functions.schedule_add(bucket, *delay_ms, &of_publish(publish)).await? {
                Scheduled::Waits(id) => Ok(ScheduleAnswer::Waits(id)),
                Scheduled::Published(receipt) => {
                    let life = receipt.generation.life(receipt.created);
                    Ok(ScheduleAnswer::Published(Receipt { life, offset: receipt.offset }))
                }
                Scheduled::TooMuch => {
                    let why = "limit exceeded: too much is scheduled; try again later";
                    Err(ErrorKind::LimitExceeded.because(why))
                }
            }
        }
        ScheduleAsk::Cancel(id) => {
            Ok(ScheduleAnswer::Cancelled(functions.schedule_cancel(bucket, channel, *id).await?))
        }
        ScheduleAsk::List(count) => Ok(ScheduleAnswer::ToCome(functions.schedule_list(channel, *count).await?)),
    };
    Ok(Sorted::one(request.shard, Answer::Schedule(*ticket, answer)))
}
