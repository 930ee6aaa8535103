//! The outer form of a token: JWS compact serialization (RFC 7515, 7.1), not yet believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::error::TokenError;
use crate::limits;

/// A token in its three parts, borrowed and still encoded.
pub(super) struct Jws<'a> {
    /// What the signature covers: header and payload as they were sent.
    pub(super) signed: &'a [u8],
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

/// What the header says about the signature.
pub(super) struct Header {
    /// `alg`, as the token spells it.
    pub(super) algorithm: Box<str>,
    /// `kid`
    pub(super) kid: Option<Box<str>>,
}

#[derive(Deserialize)]
struct RawHeader {
    alg: Box<str>,
    kid: Option<Box<str>>,
    crit: Option<IgnoredAny>,
}

impl<'a> Jws<'a> {
    /// Takes a token apart without looking into its parts.
    pub(super) fn split(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > limits::TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let mut parts = token.split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(header), Some(payload), Some(signature), None) => {
                let signed = &token.as_bytes()[..header.len() + 1 + payload.len()];
                Ok(Self { signed, header, payload, signature })
            }
            _ => Err(malformed("form", "it must be three parts, joined by dots")),
        }
    }

    pub(super) fn header(&self) -> Result<Header, TokenError> {
        let json = decode("header", self.header)?;
        let raw: RawHeader = serde_json::from_slice(&json).map_err(|error| malformed("header", error))?;
        // RFC 7515, 4.1.11: whoever does not understand an extension that is marked critical must refuse.
        if raw.crit.is_some() {
            return Err(malformed("header", "`crit` asks for an extension"));
        }
        Ok(Header { algorithm: raw.alg, kid: raw.kid })
    }

    /// The claims as JSON.
    pub(super) fn payload(&self) -> Result<Vec<u8>, TokenError> {
        decode("claims", self.payload)
    }

    pub(super) fn signature(&self) -> Result<Vec<u8>, TokenError> {
        decode("signature", self.signature)
    }
}

fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|error| malformed(part, format_args!("no base64url: {error}")))
}

pub(super) fn malformed(part: &'static str, problem: impl std::fmt::Display) -> TokenError {
    TokenError::Malformed { part, problem: problem.to_string().into() }
}
