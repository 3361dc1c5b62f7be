//! By what a key is known over reloads and restarts: a keyed hash of it, never the key.
//!
//! The hash covers the provider's name and address, so that one text at two providers is two keys. Its own key is drawn
//! once for a state directory and kept in it. Keeps no key. Invariant: the same text at the same provider has the same
//! identity as long as the state lasts, and another text has another.

use std::fmt;

use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::decide::policy::Secret;

/// The bytes of a hash that are kept.
const LENGTH: usize = 16;

/// The identity of a key, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct KeyId(pub(super) String);

/// What identities are made with.
pub(super) struct Salt([u8; LENGTH]);

// Who has it could try keys against what is kept.
impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(salt)")
    }
}

impl Salt {
    /// A new one.
    pub(super) fn draw() -> Salt {
        let mut bytes = [0; LENGTH];
        // Without chance the hashes of random keys still tell nobody the keys.
        let _ = SystemRandom::new().fill(&mut bytes);
        Salt(bytes)
    }

    /// From its digits; `None`: it is none.
    pub(super) fn parse(digits: &str) -> Option<Salt> {
        let mut bytes = [0; LENGTH];
        if digits.len() != 2 * LENGTH || !digits.is_ascii() {
            return None;
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        Some(Salt(bytes))
    }

    pub(super) fn digits(&self) -> String {
        hex(&self.0)
    }

    /// The identity of a provider's key.
    pub(super) fn identity(&self, (provider, base_url): (&str, &str), key: &Secret) -> KeyId {
        let mut hash = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        for part in [provider, base_url, key.reveal()] {
            hash.update(part.as_bytes());
            hash.update(&[0]);
        }
        KeyId(hex(&hash.sign().as_ref()[..LENGTH]))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_itself_at_its_provider_and_under_its_salt_alone() {
        let (salt, key) = (Salt::draw(), |text: &str| Secret::new(text.to_owned()));
        let id = salt.identity(("new", "http://a.test"), &key("sk-1"));
        assert_eq!(Salt::parse(&salt.digits()).unwrap().identity(("new", "http://a.test"), &key("sk-1")), id);
        for other in [
            salt.identity(("new", "http://a.test"), &key("sk-2")),
            salt.identity(("old", "http://a.test"), &key("sk-1")),
            salt.identity(("new", "http://b.test"), &key("sk-1")),
            Salt::draw().identity(("new", "http://a.test"), &key("sk-1")),
        ] {
            assert_ne!(other, id);
        }
        assert_eq!(id.0.len(), 2 * LENGTH);
        for broken in ["", "00", &"zz".repeat(LENGTH), &"é".repeat(LENGTH)] {
            assert!(Salt::parse(broken).is_none(), "{broken}");
        }
    }
}
