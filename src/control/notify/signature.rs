//! The signature of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, in base64, after `v1,`.
//!
//! Whoever receives a message verifies it by the same three parts, so the id and the time are covered as well. Verifies
//! nothing itself. Invariant: the key is the bytes that the base64 after `whsec_` stands for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::decide::policy::Secret;

const PREFIX: &str = "whsec_";

/// The value of `webhook-signature`. `timestamp`: seconds since the Unix epoch.
pub(super) fn sign(secret: &Secret, id: &str, timestamp: u64, body: &[u8]) -> String {
    let encoded = secret.reveal().strip_prefix(PREFIX).unwrap_or(secret.reveal());
    // Checked when flags.yaml was read.
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(encoded).unwrap_or_default());
    let mut signing = hmac::Context::with_key(&key);
    signing.update(format!("{id}.{timestamp}.").as_bytes());
    signing.update(body);
    format!("v1,{}", STANDARD.encode(signing.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_the_specification() {
        // The example of the specification's test vectors.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
