//! What the ledgers of channels tell the nodes that listen to them.

use bytes::Bytes;

use super::fault::Fault;
use super::letters::{device_name, publication};
use super::pack::Unpack;
use crate::model::ledger::{DeviceName, LedgerNews};

/// What an item brings ([`Kind::Ledger`](super::bucket::Kind::Ledger)).
///
/// # Errors
/// [`Fault::Garbled`].
pub fn told(body: Bytes) -> Result<LedgerNews, Fault> {
    let mut from = Unpack::new(body);
    Ok(match from.byte()? {
        0 => LedgerNews::Moved { received: from.six()?, read: from.six()?, user: from.rest_text()?.into() },
        1 => {
            let (floor, user) = (from.six()?, from.text()?.into());
            LedgerNews::Floor { name: DeviceName { user, device: from.rest_text()?.into() }, floor }
        }
        2 => LedgerNews::Gone { user: from.rest_text()?.into() },
        3 => {
            let names = (0..from.byte()?).map(|_| device_name(&mut from)).collect::<Result<_, _>>()?;
            LedgerNews::Requeued { names, letter: publication(from)? }
        }
        4 => {
            let offset = from.six()?;
            LedgerNews::Purged((offset > 0).then_some(offset))
        }
        5 => LedgerNews::Members(from.four()?),
        6 => {
            let (is_read, behind, to) = (from.byte()? == 1, from.six()?, from.six()?);
            LedgerNews::Counted { user: from.rest_text()?.into(), is_read, from: behind, to }
        }
        _ => return Err(Fault::Garbled),
    })
}

#[cfg(test)]
mod tests {
    use super::super::pack::Packed;
    use super::*;
    use crate::model::ledger::LetterBody;

    #[test]
    fn what_is_cut_off_is_garbled_and_what_is_whole_is_read() {
        let requeued = Packed::default().byte(3).byte(1).short(b"ada").short(b"").six(7).six(8).bytes(b"body").end();
        let names = vec![DeviceName { user: "ada".into(), device: "".into() }];
        let letter = LetterBody { offset: 7, time_unix_ms: 8, body: "body".into() };
        assert_eq!(told(requeued.clone().into()), Ok(LedgerNews::Requeued { letter, names }));
        for length in 0..requeued.len() - b"body".len() {
            assert_eq!(told(Bytes::copy_from_slice(&requeued[..length])), Err(Fault::Garbled), "{length}");
        }
        let all = Packed::default().byte(4).six(0).end();
        assert_eq!(told(all.into()), Ok(LedgerNews::Purged(None)));
        let counted = Packed::default().byte(6).byte(1).six(7).six(9).bytes(b"ada").end();
        let news = LedgerNews::Counted { user: "ada".into(), is_read: true, from: 7, to: 9 };
        assert_eq!(told(counted.into()), Ok(news));
        assert_eq!(told(b"\x07".to_vec().into()), Err(Fault::Garbled));
    }
}
