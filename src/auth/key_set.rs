//! JSON Web Key Sets (RFC 7517): keys that an identity provider publishes and rotates.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::RsaPublicKeyComponents;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::algorithm::Algorithm;
use super::error::KeyError;
use super::key::Key;
use crate::limits;

#[derive(Deserialize)]
struct RawSet<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawKey {
    kid: Option<Box<str>>,
    #[serde(rename = "use")]
    purpose: Option<Box<str>>,
    alg: Option<Box<str>>,
    #[serde(flatten)]
    parameters: Parameters,
}

/// What makes up a key of each type (RFC 7518, 6; RFC 8037, 2).
#[derive(Deserialize)]
#[serde(tag = "kty")]
enum Parameters {
    #[serde(rename = "RSA")]
    Rsa { n: Octets, e: Octets },
    #[serde(rename = "EC")]
    Curve { crv: Box<str>, x: Octets, y: Octets },
    #[serde(rename = "OKP")]
    Edwards { crv: Box<str>, x: Octets },
    #[serde(rename = "oct")]
    Secret { k: Octets },
}

/// Bytes in base64url.
struct Octets(Vec<u8>);

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        URL_SAFE_NO_PAD.decode(text).map(Self).map_err(D::Error::custom)
    }
}

/// Reads the keys of a set that signatures can be checked with. Those of unknown types, curves and purposes are
/// passed over, as RFC 7517, 5 asks.
///
/// # Errors
/// The set is no JSON, too large, or leaves no key.
pub(super) fn read(json: &str) -> Result<Vec<Key>, KeyError> {
    let refuse = |problem: String| KeyError::KeySet(problem.into());
    if json.len() > limits::KEY_SET_BYTES_MAX {
        return Err(refuse(format!("it is longer than {} bytes", limits::KEY_SET_BYTES_MAX)));
    }
    let set: RawSet<'_> = serde_json::from_str(json).map_err(|error| refuse(error.to_string()))?;
    if set.keys.len() > limits::KEY_SET_KEYS_MAX {
        return Err(refuse(format!("it has {} keys, more than {}", set.keys.len(), limits::KEY_SET_KEYS_MAX)));
    }
    let known = set.keys.iter().filter_map(|key| serde_json::from_str::<RawKey>(key.get()).ok());
    let keys: Vec<Key> = known.flat_map(keys_of).collect();
    if keys.is_empty() {
        return Err(refuse("it has no RSA, EC, OKP or oct key for signatures".into()));
    }
    Ok(keys)
}

fn keys_of(raw: RawKey) -> Vec<Key> {
    if raw.purpose.is_some_and(|purpose| &*purpose != "sig") {
        return Vec::new();
    }
    let mut keys = match raw.parameters {
        Parameters::Rsa { n, e } => Key::of_rsa(&rsa_der(&n.0, &e.0)),
        Parameters::Curve { crv, x, y } => curve_keys(&crv, &x.0, &y.0),
        Parameters::Edwards { crv, x } if &*crv == "Ed25519" => Key::parse(&[Algorithm::EdDsa], &x.0),
        Parameters::Edwards { .. } => Vec::new(),
        Parameters::Secret { k } => Key::of_secret(&k.0),
    };
    if let Some(name) = &raw.alg {
        keys.retain(|key| Algorithm::named(name) == Some(key.algorithm));
    }
    for key in &mut keys {
        key.kid.clone_from(&raw.kid);
    }
    keys
}

/// RFC 7518, 6.3.1.1 warns of publishers that put a zero before the modulus.
fn rsa_der(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let components = RsaPublicKeyComponents { n: &modulus[zeros..], e: exponent };
    let der: Result<PublicKeyX509Der<'_>, _> = components.as_der();
    der.map_or_else(|_| Vec::new(), |der| der.as_ref().to_vec())
}

/// RFC 7518, 6.2.1: both coordinates in the full size of the curve's field.
fn curve_keys(curve: &str, x: &[u8], y: &[u8]) -> Vec<Key> {
    let (algorithm, size_bytes) = match curve {
        "P-256" => (Algorithm::Es256, 32),
        "P-384" => (Algorithm::Es384, 48),
        "P-521" => (Algorithm::Es512, 66),
        _ => return Vec::new(),
    };
    if x.len() != size_bytes || y.len() != size_bytes {
        return Vec::new();
    }
    // SEC 1, 2.3.3: an uncompressed point begins with 4.
    Key::parse(&[algorithm], &[&[4], x, y].concat())
}
