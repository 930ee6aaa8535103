//! Claims as the token spells them, in JSON. What they mean and whether they hold is the verifier's affair.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value};

use super::claims::{ConnectionClaims, Stamp, SubscriptionClaims};
use super::error::TokenError;
use super::grant::{Grant, Overrides};
use super::jws::malformed;
use crate::limits::DEVICE_NAME_BYTES_MAX;
use crate::model::{Device, Payload};
use crate::protocol::centrifuge::json::one_line;

/// Claims that both kinds of token have; they decide whether it is accepted.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Common {
    pub(super) sub: Option<Box<str>>,
    pub(super) exp: Option<NumericDate>,
    pub(super) nbf: Option<NumericDate>,
    pub(super) aud: Option<Audience>,
    pub(super) iss: Option<Box<str>>,
    pub(super) channel: Option<Box<str>>,
    client: Option<Box<str>>,
    expire_at: Option<NumericDate>,
    /// What issuers write here decides nothing until tokens are called back: no form of it is refused.
    iat: Value,
    jti: Value,
}

impl Common {
    fn stamp(&self) -> Stamp {
        let id: Option<Box<str>> = match &self.jti {
            Value::String(id) => Some(id.as_str().into()),
            Value::Number(id) => Some(id.to_string().into()),
            _ => None,
        };
        // An error of serde is dear: none is made for the claim that most tokens do without.
        let issued = (!self.iat.is_null()).then(|| NumericDate::deserialize(&self.iat));
        let issued_unix_s = issued.and_then(Result::ok).map(|NumericDate(at)| at);
        Stamp { issued_unix_s, id: id.filter(|id| !id.is_empty()) }
    }

    /// When what the token gives access to ends, Unix seconds: `expire_at` where it is given (0 is never), else
    /// `exp`.
    fn end_unix_s(&self) -> Option<i64> {
        match self.expire_at {
            Some(NumericDate(at)) => (at != 0).then_some(at),
            None => self.exp.map(|NumericDate(at)| at),
        }
    }
}

/// Unix seconds; RFC 7519, 2 allows fractions, which are cut off. Issuers in loosely typed languages write the number as a
/// string, which other verifiers take as well.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct NumericDate(pub(super) i64);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(Number),
    Text(Box<str>),
}

impl TryFrom<Written> for NumericDate {
    type Error = serde_json::Error;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let number = match written {
            Written::Number(number) => number,
            Written::Text(text) => serde_json::from_str::<Number>(&text)?,
        };
        // Casting from f64 saturates: a date out of range is for ever, or long past.
        Ok(Self(number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or(f64::INFINITY) as i64)))
    }
}

/// RFC 7519, 4.1.3: one name, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(Box<str>),
    Many(Vec<Box<str>>),
}

impl Audience {
    pub(super) fn names(&self) -> &[Box<str>] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawConnection<'a> {
    #[serde(borrow)]
    info: Option<&'a RawValue>,
    b64info: Option<Box<str>>,
    device: Option<Box<str>>,
    device_kind: Option<Box<str>>,
    #[serde(borrow)]
    meta: Option<&'a RawValue>,
    #[serde(borrow)]
    subs: Option<BTreeMap<Box<str>, RawGrant<'a>>>,
    channels: Option<Vec<Box<str>>>,
}

/// The application's own object; the device is all that the node looks for in it. What has another type is the
/// application's.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawMeta {
    device: Value,
    device_kind: Value,
}

impl RawMeta {
    fn device(&self) -> Device {
        Device::named(self.device.as_str().unwrap_or_default(), self.device_kind.as_str().unwrap_or_default(), "")
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawGrant<'a> {
    #[serde(borrow)]
    info: Option<&'a RawValue>,
    b64info: Option<Box<str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    b64data: Option<Box<str>>,
    #[serde(rename = "override")]
    overrides: Option<RawOverrides>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawOverrides {
    presence: Option<Switch>,
    join_leave: Option<Switch>,
    force_push_join_leave: Option<Switch>,
    force_recovery: Option<Switch>,
    force_positioning: Option<Switch>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Switch {
    value: bool,
}

impl RawGrant<'_> {
    fn grant(self, expire_at_unix_s: Option<i64>) -> Result<Grant, TokenError> {
        let raw = self.overrides.unwrap_or_default();
        let taken = |switch: Option<Switch>| switch.map(|switch| switch.value);
        Ok(Grant {
            info: payload(self.info, self.b64info.as_deref())?,
            data: payload(self.data, self.b64data.as_deref())?,
            expire_at_unix_s,
            overrides: Overrides {
                presence: taken(raw.presence),
                join_leave: taken(raw.join_leave),
                force_push_join_leave: taken(raw.force_push_join_leave),
                force_recovery: taken(raw.force_recovery),
                force_positioning: taken(raw.force_positioning),
            },
        })
    }
}

/// A payload given as JSON or, for bytes, in base64, which then holds.
fn payload(json: Option<&RawValue>, base64: Option<&str>) -> Result<Option<Payload>, TokenError> {
    match base64 {
        Some(text) if !text.is_empty() => {
            let bytes =
                STANDARD.decode(text).map_err(|error| malformed("claims", format_args!("no base64: {error}")))?;
            Ok(Some(Payload::binary(bytes)))
        }
        _ => Ok(json.map(|json| Payload::json(one_line(json.get().as_bytes()).into_owned()))),
    }
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, TokenError> {
    serde_json::from_slice(json).map_err(|error| malformed("claims", error))
}

/// Reads what both kinds of token have.
pub(super) fn common(json: &[u8]) -> Result<Common, TokenError> {
    read(json)
}

/// Reads a user's name from another claim than `sub`; empty where it is missing.
pub(super) fn user(json: &[u8], claim: &str) -> Result<Box<str>, TokenError> {
    match read::<serde_json::Map<String, Value>>(json)?.remove(claim) {
        None | Some(Value::Null) => Ok(Box::default()),
        Some(Value::String(user)) => Ok(user.into()),
        Some(Value::Number(user)) => Ok(user.to_string().into()),
        Some(_) => Err(malformed("claims", format_args!("`{claim}` is no string and no number"))),
    }
}

/// Reads a connection token.
pub(super) fn connection(json: &[u8], common: &Common, user: Box<str>) -> Result<ConnectionClaims, TokenError> {
    let raw: RawConnection<'_> = read(json)?;
    let subs = raw.subs.unwrap_or_default().into_iter();
    let meta = raw.meta.and_then(|meta| serde_json::from_str::<RawMeta>(meta.get()).ok()).unwrap_or_default();
    let device = Device {
        id: device_name("device", raw.device)?,
        kind: device_name("device_kind", raw.device_kind)?,
        ..Device::default()
    };
    Ok(ConnectionClaims {
        user,
        stamp: common.stamp(),
        info: payload(raw.info, raw.b64info.as_deref())?,
        exp_unix_s: common.end_unix_s(),
        device: device.or(&meta.device()),
        subs: subs.map(|(channel, raw)| Ok((channel, raw.grant(None)?))).collect::<Result<_, _>>()?,
        channels: raw.channels.unwrap_or_default(),
    })
}

/// A claim that names the device or its kind. Refused where it is too long: cut short it could be another's.
fn device_name(claim: &str, name: Option<Box<str>>) -> Result<Box<str>, TokenError> {
    let name = name.unwrap_or_default();
    if name.len() > DEVICE_NAME_BYTES_MAX {
        return Err(malformed("claims", format_args!("`{claim}` is longer than {DEVICE_NAME_BYTES_MAX} bytes")));
    }
    Ok(name)
}

/// Reads a subscription token; whether it has a channel is already known.
pub(super) fn subscription(
    json: &[u8],
    common: &Common,
    channel: Box<str>,
    user: Box<str>,
) -> Result<SubscriptionClaims, TokenError> {
    let raw: RawGrant<'_> = read(json)?;
    let client = common.client.clone().unwrap_or_default();
    Ok(SubscriptionClaims { user, stamp: common.stamp(), channel, client, grant: raw.grant(common.end_unix_s())? })
}
