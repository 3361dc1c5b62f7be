//! Which of the models that a provider takes away were asked for since the start.
//!
//! Requests add to it, control reads it. It is asked only of providers whose file names such models, and is as small as
//! their number: hashes in a few words, so that no core waits for another. Holds no names. Invariant: what was added is
//! found, until there is no room for more.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Models of one provider.
const MOST: usize = 32;

/// Hashes of the names; 0: free.
#[derive(Debug, Default)]
pub struct SeenModels([AtomicU64; MOST]);

impl SeenModels {
    /// A request for it was sent.
    pub fn add(&self, model: &str) {
        let hash = hash(model);
        for cell in &self.0 {
            match cell.load(Relaxed) {
                found if found == hash => return,
                0 => match cell.compare_exchange(0, hash, Relaxed, Relaxed) {
                    Ok(_) => return,
                    // Another core was here first, perhaps with the same.
                    Err(found) if found == hash => return,
                    Err(_) => {}
                },
                _ => {}
            }
        }
    }

    /// Whether a request for it was sent.
    #[must_use]
    pub fn has(&self, model: &str) -> bool {
        let hash = hash(model);
        self.0.iter().map(|cell| cell.load(Relaxed)).take_while(|found| *found != 0).any(|found| found == hash)
    }
}

/// FNV-1a: it protects nothing. Never 0.
fn hash(model: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    model.bytes().fold(0xcbf2_9ce4_8422_2325, step).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_found_and_there_is_an_end_to_it() {
        let seen = SeenModels::default();
        assert!(!seen.has("gpt-4o"));
        for _ in 0..3 {
            seen.add("gpt-4o");
        }
        assert!(seen.has("gpt-4o") && !seen.has("gpt-4"));
        (0..100).for_each(|number| seen.add(&format!("m{number}")));
        let found = (0..100).filter(|number| seen.has(&format!("m{number}"))).count();
        assert_eq!(found, MOST - 1, "each once, up to the bound");
    }
}
