//! Copies of stable's requests, from the core that served the request to the thread that sends the copy.
//!
//! Owns the queue between them, what a copy is sent by ([`Copying`]), and the counts of each rollout
//! ([`CopyGate`](gate::CopyGate)). A core that finds no room drops the sample and counts it: no request ever waits for
//! a copy. Knows nothing of what is compared. Invariant: what waits is bounded in number and in bytes.

pub mod gate;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::decide::comparison::digest::AnswerTimes;
use crate::decide::policy::CopyLimits;
use crate::decide::units::{Percent, RolloutId};
use gate::CopyGate;
pub use gate::Purpose;

/// Copies that may wait.
const MOST_WAITING: usize = 64;
/// What requests and answers of copies may occupy together, sampled, waiting or under way.
const MOST_BYTES: u64 = 24 << 20;

/// By what requests of a rollout are copied at present.
#[derive(Clone, Debug)]
pub struct Copying {
    pub gate: Arc<CopyGate>,
    pub purpose: Purpose,
    /// Of the requests that could be copied.
    pub share: Percent,
    pub limits: CopyLimits,
}

impl Copying {
    /// Whether it is the same in the eyes of whoever sends a copy.
    #[must_use]
    pub fn is_same(&self, other: &Copying) -> bool {
        Arc::ptr_eq(&self.gate, &other.gate)
            && (self.purpose, self.share, self.limits) == (other.purpose, other.share, other.limits)
    }
}

/// A request of stable that was answered well, on its way to be copied.
#[derive(Debug)]
pub struct CopySample {
    pub copying: Copying,
    pub rollout: RolloutId,
    /// The version of the file by which it was planned.
    pub generation: u64,
    pub parts: http::request::Parts,
    /// Where the part of the path below the mount begins.
    pub below_at: usize,
    pub body: Bytes,
    /// Whether a streamed answer was asked for.
    pub streaming: bool,
    /// By what its user's key would be chosen.
    pub user_hash: Option<u16>,
    pub answer: StableAnswer,
    /// The memory that all this occupies.
    pub memory: CopyMemory,
}

/// Stable's answer, as it went to the client.
#[derive(Debug)]
pub struct StableAnswer {
    pub body: Vec<u8>,
    pub coding: Option<String>,
    pub times: AnswerTimes,
}

/// The queue.
#[derive(Debug, Default)]
pub struct CopyQueue {
    waiting: Mutex<VecDeque<CopySample>>,
    bytes: Arc<AtomicU64>,
    came: Notify,
}

impl CopyQueue {
    /// Takes memory for a sample; `None`: there is none.
    #[must_use]
    pub fn reserve(&self, bytes: usize) -> Option<CopyMemory> {
        let mut memory = CopyMemory { all: Arc::clone(&self.bytes), bytes: 0 };
        memory.extend(bytes).then_some(memory)
    }

    /// Puts a sample into the queue; false: it is full, and the sample is gone.
    pub fn put(&self, sample: CopySample) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = waiting.len() < MOST_WAITING;
        if fits {
            waiting.push_back(sample);
            drop(waiting);
            self.came.notify_one();
        }
        fits
    }

    /// The next sample, once there is one.
    pub async fn next(&self) -> CopySample {
        loop {
            let next = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            match next {
                Some(sample) => return sample,
                None => self.came.notified().await,
            }
        }
    }
}

/// Memory that a sample occupies, until it is dropped.
#[derive(Debug)]
pub struct CopyMemory {
    all: Arc<AtomicU64>,
    bytes: u64,
}

impl CopyMemory {
    /// Takes more; false: there is none.
    pub fn extend(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let fits = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= MOST_BYTES);
        let taken = self.all.try_update(Relaxed, Relaxed, fits).is_ok();
        self.bytes += if taken { bytes } else { 0 };
        taken
    }
}

impl Drop for CopyMemory {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_comes_back() {
        let queue = CopyQueue::default();
        let mut held: Vec<CopyMemory> = (0..24).filter_map(|_| queue.reserve(1 << 20)).collect();
        assert_eq!((held.len(), queue.reserve(1).is_none()), (24, true));
        assert!(!held[0].extend(1));
        held.pop();
        assert!(held[0].extend(1 << 20));
        drop(held);
        assert_eq!(queue.bytes.load(Relaxed), 0);
    }
}
