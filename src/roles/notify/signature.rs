//! Signs webhooks as Standard Webhooks has it (standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`, once with each
//! secret, so that a secret can be changed while nothing is refused.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What webhooks are signed with.
pub(super) struct Signer(Vec<hmac::Key>);

impl Signer {
    /// Signs with each of these.
    pub(super) fn new(keys: impl Iterator<Item = Vec<u8>>) -> Self {
        Self(keys.map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key)).collect())
    }

    /// The header `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp_unix_s: i64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp_unix_s}.");
        let signatures = self.0.iter().map(|key| {
            let mut signed = hmac::Context::with_key(key);
            signed.update(head.as_bytes());
            signed.update(body);
            format!("v1,{}", STANDARD.encode(signed.sign()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

/// Without the secrets.
impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Signer({} secrets)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the scheme's own documentation.
    #[test]
    fn a_signature_is_as_the_scheme_has_it_one_for_each_secret() {
        let (secret, other) = ("plJ3nmyCDGBKInavdOK15jsl", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = br#"{"event_type":"ping","data":{"success":true}}"#;
        let sign = |secrets: &[&str]| {
            let keys = secrets.iter().map(|secret| STANDARD.decode(secret).unwrap());
            Signer::new(keys).sign("msg_loFOjxBNrRLzqYUf", 1_731_705_121, body)
        };
        let expected = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=";
        assert_eq!(sign(&[secret]), expected);
        let both = sign(&[other, secret]);
        let both: Vec<_> = both.split(' ').collect();
        assert!(both.len() == 2 && both[1] == expected && both[0] == sign(&[other]), "{both:?}");
    }
}
