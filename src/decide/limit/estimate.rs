//! How many tokens a request is expected to take, before anybody has counted them.
//!
//! What is read is told by the request's bytes. What is written is the mean of earlier answers of the same arm and
//! model, capped by what the request allows. Usage settles it afterwards. Owns the packed mean. Invariant: an estimate
//! is at least 1, and never more than bytes and `max_tokens` allow.

/// Bytes of a request for each token, its JSON included.
const BYTES_PER_TOKEN: u64 = 4;
/// A string of so many bytes without a space is no text.
const LONG: usize = 1024;
/// The tokens of an image, about.
const IMAGE: u64 = 1024;
/// What is written where nothing is known.
const USUAL_OUTPUT: u64 = 1024;
/// How much an answer weighs in the mean: an eighth.
const WEIGHT: u64 = 8;
/// The mean is kept in sixteenths.
const SCALE: u64 = 16;

/// The tokens to reserve. `input`: what is read; `most_output`: what the request allows; `mean`: the packed mean of its
/// key.
#[must_use]
pub fn reserve(input: u64, most_output: Option<u64>, mean: Option<u64>) -> u64 {
    let output = mean.unwrap_or(USUAL_OUTPUT).min(most_output.unwrap_or(u64::MAX));
    input.saturating_add(output).max(1)
}

/// The tokens of a request of so many bytes.
#[must_use]
pub const fn of_bytes(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// The tokens that a provider reads of a request. A long string without a space is an image, a sound or a document in
/// base64, and counts as one image.
#[must_use]
pub fn input(body: &[u8]) -> u64 {
    let (mut bytes, mut images) = (body.len(), 0_u64);
    for string in body.split(|byte| *byte == b'"').filter(|string| string.len() >= LONG) {
        if !string[..LONG].contains(&b' ') {
            bytes -= string.len();
            images += 1;
        }
    }
    of_bytes(bytes as u64).saturating_add(images.saturating_mul(IMAGE))
}

/// Under which the mean output of an arm and a model is kept.
#[must_use]
pub fn key(rollout: &str, arm: &str, model: &str) -> u32 {
    // FNV-1a; a collision costs a worse estimate.
    let parts = [rollout, arm, model];
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The mean in a word; `None`: it is another key's.
#[must_use]
pub const fn mean(word: u64, key: u32) -> Option<u64> {
    if word != 0 && (word >> 32) as u32 == key { Some((word & 0xffff_ffff) / SCALE) } else { None }
}

/// The word after an answer of this many tokens.
#[must_use]
pub fn learn(word: u64, key: u32, output: u64) -> u64 {
    let seen = output.saturating_mul(SCALE).min(u64::from(u32::MAX));
    let known = mean(word, key).map(|_| word & 0xffff_ffff);
    let next = known.map_or(seen, |known| known - known / WEIGHT + seen / WEIGHT);
    (u64::from(key) << 32) | next.min(u64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_follows_what_is_seen_and_is_capped_by_what_is_allowed() {
        let key = key("chat", "canary", "deepseek-chat");
        assert_eq!(reserve(100, None, mean(0, key)), 100 + 1024, "nothing is known");
        assert_eq!(reserve(100, Some(10), None), 110);
        let mut word = learn(0, key, 200);
        assert_eq!(mean(word, key), Some(200), "the first answer is all that is known");
        for _ in 0..100 {
            word = learn(word, key, 40);
        }
        assert!((38..=44).contains(&mean(word, key).unwrap()), "{:?}", mean(word, key));
        assert_eq!(reserve(0, Some(30), mean(word, key)), 30);
        assert_eq!(reserve(0, Some(0), Some(0)), 1);
        assert_eq!(reserve(u64::MAX, None, Some(u64::MAX)), u64::MAX);
    }

    #[test]
    fn text_counts_by_its_bytes_and_an_image_as_one() {
        assert_eq!(input(br#"{"content":"four words of text"}"#), 8);
        let text = "a word ".repeat(1000);
        assert_eq!(input(format!(r#"{{"content":"{text}"}}"#).as_bytes()), of_bytes(7014));
        let image = "QUJD".repeat(1_000_000);
        let parts = format!(r#"[{{"url":"data:image/png;base64,{image}"}},{{"data":"{image}"}}]"#);
        assert_eq!(input(parts.as_bytes()), 2 * IMAGE + of_bytes(parts.len() as u64 - 8_000_022));
        assert_eq!((input(b""), of_bytes(u64::MAX)), (0, u64::MAX / 4 + 1));
    }

    #[test]
    fn keys_do_not_share_a_mean() {
        let (one, other) = (key("chat", "canary", "a"), key("chat", "stable", "a"));
        assert_ne!(one, other);
        assert_ne!(key("ab", "c", "d"), key("a", "bc", "d"));
        let word = learn(0, one, 7);
        assert_eq!((mean(word, one), mean(word, other)), (Some(7), None));
        assert_eq!(mean(learn(word, other, 9), other), Some(9), "the place is taken over");
    }
}
