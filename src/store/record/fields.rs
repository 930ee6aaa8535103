//! How the fields of a record lie in bytes: numbers in little endian, the rest behind its length.

use uuid::Uuid;

use crate::model::PayloadKind;

/// Why a whole record cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A kind or a field that this version does not know.
    #[error("a record is of a kind that this version does not know: a newer ringpost wrote it")]
    Newer,
    /// It ends before its fields do.
    #[error("a record ends before its fields do")]
    Short,
    /// A name that is no text.
    #[error("a record has a name that is no UTF-8")]
    NoText,
}

pub(super) fn put_u64(into: &mut Vec<u8>, number: u64) {
    into.extend_from_slice(&number.to_le_bytes());
}

pub(super) fn put_i64(into: &mut Vec<u8>, number: i64) {
    into.extend_from_slice(&number.to_le_bytes());
}

/// Bytes behind their length in four bytes.
pub(super) fn put_bytes(into: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a field is shorter than a segment");
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(bytes);
}

pub(super) fn put_kind(into: &mut Vec<u8>, kind: PayloadKind) {
    into.push(match kind {
        PayloadKind::Json => 0,
        PayloadKind::Binary => 1,
    });
}

/// A field that may be missing: a byte that says so, then the field.
pub(super) fn put_option<T>(into: &mut Vec<u8>, field: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    into.push(field.is_some().into());
    if let Some(field) = field {
        put(into, field);
    }
}

/// What is left to read of a record.
#[derive(Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, bytes: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Unreadable::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        Ok(self.take(N)?.try_into().expect("as many were taken"))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Unreadable> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, Unreadable> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Unreadable> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Unreadable> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn i64(&mut self) -> Result<i64, Unreadable> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub(super) fn uuid(&mut self) -> Result<Uuid, Unreadable> {
        Ok(Uuid::from_bytes(self.array()?))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Unreadable> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Unreadable> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Unreadable::NoText)
    }

    pub(super) fn kind(&mut self) -> Result<PayloadKind, Unreadable> {
        match self.u8()? {
            0 => Ok(PayloadKind::Json),
            1 => Ok(PayloadKind::Binary),
            _ => Err(Unreadable::Newer),
        }
    }

    pub(super) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<Option<T>, Unreadable> {
        match self.u8()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(Unreadable::Newer),
        }
    }
}
