//! The arm of a user is the one that the formula gives, through the running proxy, for header and body ids.

use md5::{Digest, Md5};

use crate::support::embedded::Two;
use crate::support::harness::Harness;

/// `int(hashlib.md5((salt + user).encode()).hexdigest(), 16) % 10000`, digit by digit.
fn bucket(salt: &str, user: &str) -> u32 {
    let digest = Md5::digest(format!("{salt}{user}").as_bytes());
    digest.iter().fold(0, |rest, &byte| (rest * 256 + u32::from(byte)) % 10_000)
}

fn users() -> Vec<String> {
    let plain = (0..60).map(|n| format!("user-{n}"));
    let odd = ["Ünïcödé", "漢字", "a b c", "x@example.org", "0xdeadbeef", "😀"].map(str::to_owned);
    plain.chain(odd).chain([format!("long-{}", "z".repeat(10_000))]).collect()
}

#[test]
fn the_formula_is_pythons() {
    // From Python: int(hashlib.md5(b"user-123").hexdigest(), 16) % 10000, and with the salt "s1".
    assert_eq!(bucket("", "user-123"), 3128);
    assert_eq!(bucket("s1", "user-123"), 8833);
}

#[test]
fn every_user_has_the_arm_that_the_formula_gives() {
    let providers = Two::start();
    for salt in ["", "s1"] {
        for (percent, hundredths) in
            [("0", 0), ("0.01%", 1), ("7.5%", 750), ("10%", 1000), ("33.33%", 3333), ("99.99%", 9999), ("100%", 10_000)]
        {
            let rollout = format!("percent: {percent}\nsalt: \"{salt}\"");
            let sidecar = Harness::start(&providers.flags(&rollout));
            let mut client = sidecar.client();
            for user in users() {
                let expected = if bucket(salt, &user) < hundredths { "canary" } else { "stable" };
                let by_body = client.chat(&user).unwrap();
                assert_eq!(by_body.arm(), expected, "{user} at {percent} with salt `{salt}`, in the body");
                if user.is_ascii() {
                    let header = [("x-user-id", user.as_str())];
                    let by_header = client.post("/v1/chat/completions", &header, r#"{"model":"m"}"#).unwrap();
                    assert_eq!(by_header.arm(), expected, "{user} at {percent} with salt `{salt}`, in a header");
                }
            }
        }
    }
}
