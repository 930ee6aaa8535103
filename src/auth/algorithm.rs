//! Signature algorithms of tokens (RFC 7518, 3.1; RFC 8037, 3.1).

use aws_lc_rs::{hmac, signature};

use crate::work::price;

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

/// What carries an algorithm out.
pub(super) enum Primitive {
    Hmac(hmac::Algorithm),
    Signature(&'static dyn signature::VerificationAlgorithm),
}

impl Algorithm {
    /// The algorithm that `alg` of a token's header or of a key names; `None` where it is not supported.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::Hs256,
            "HS384" => Self::Hs384,
            "HS512" => Self::Hs512,
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "ES512" => Self::Es512,
            "EdDSA" => Self::EdDsa,
            _ => return None,
        })
    }

    /// What it costs to check one signature.
    pub(super) fn price_ns(self) -> u64 {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => price::HMAC_NS,
            Self::Rs256 | Self::Rs384 | Self::Rs512 => price::RSA_NS,
            Self::Es256 => price::P256_NS,
            Self::Es384 | Self::Es512 => price::LONG_CURVE_NS,
            Self::EdDsa => price::ED25519_NS,
        }
    }

    /// What carries the algorithm out. RSA keys have 2048 to 8192 bits (RFC 7518, 3.3 sets the lower bound).
    pub(super) fn primitive(self) -> Primitive {
        match self {
            Self::Hs256 => Primitive::Hmac(hmac::HMAC_SHA256),
            Self::Hs384 => Primitive::Hmac(hmac::HMAC_SHA384),
            Self::Hs512 => Primitive::Hmac(hmac::HMAC_SHA512),
            Self::Rs256 => Primitive::Signature(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Primitive::Signature(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Primitive::Signature(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Es256 => Primitive::Signature(&signature::ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Primitive::Signature(&signature::ECDSA_P384_SHA384_FIXED),
            Self::Es512 => Primitive::Signature(&signature::ECDSA_P521_SHA512_FIXED),
            Self::EdDsa => Primitive::Signature(&signature::ED25519),
        }
    }
}
