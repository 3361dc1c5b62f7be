//! The limits that a provider's responses tell of in their headers.
//!
//! Control asks for them now and then, and the next response that a core sees is read for them: all other responses
//! cost one load. Most providers limit each model by itself, so the models of the last samples stand for the mix of
//! models that is asked for. Holds no rule: [`rate_headers`](crate::wire::rate_headers) reads the headers, and
//! [`rollback_ready`](crate::decide::rollback_ready) compares the limits with what is sent. Invariant: little is told of
//! too few samples, and nothing where several clients bring credentials of their own.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Samples that are kept.
const KEPT: usize = 32;
/// Fewer say too little of the mix of models.
const LEAST: usize = 5;

/// What a provider allows, by its own word.
#[derive(Debug, Default)]
pub struct ToldLimits {
    wanted: AtomicBool,
    samples: Mutex<VecDeque<ToldSample>>,
}

/// What one response told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldSample {
    /// A hash of the model.
    pub model: u64,
    /// A hash of the credentials that the client brought; 0: Serin's own were sent, or none.
    pub client: u64,
    /// Requests and tokens a minute; `None`: it told nothing of them.
    pub per_minute: [Option<u64>; 2],
}

impl ToldLimits {
    /// Control only: the next response is to be read.
    pub fn want(&self) {
        self.wanted.store(true, Relaxed);
    }

    /// Whether a response is to be read.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Relaxed)
    }

    /// A response was read.
    pub fn note(&self, sample: ToldSample) {
        self.wanted.store(false, Relaxed);
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == KEPT {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// Requests and tokens a minute that the present mix of models may send in all; `None`: unknown.
    #[must_use]
    pub fn per_minute(&self) -> [Option<u64>; 2] {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = samples.front().filter(|_| samples.len() >= LEAST) else { return [None; 2] };
        if samples.iter().any(|sample| sample.client != first.client) {
            return [None; 2];
        }
        [0, 1].map(|kind: usize| {
            let of_model = |sample: &ToldSample| {
                let most = sample.per_minute[kind].filter(|most| *most > 0)?;
                let same = samples.iter().filter(|other| other.model == sample.model).count();
                // Of all requests that are sent this part asks for this model.
                Some(most.saturating_mul(samples.len() as u64) / same as u64)
            };
            // The newest word on each model comes last, and counts.
            let newest = |at: usize| samples.iter().skip(at + 1).all(|later| later.model != samples[at].model);
            (0..samples.len()).filter(|at| newest(*at)).filter_map(|at| of_model(&samples[at])).min()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(model: u64, requests: u64) -> ToldSample {
        ToldSample { model, client: 0, per_minute: [Some(requests), None] }
    }

    fn told(samples: impl IntoIterator<Item = ToldSample>) -> [Option<u64>; 2] {
        let told = ToldLimits::default();
        samples.into_iter().for_each(|sample| told.note(sample));
        told.per_minute()
    }

    #[test]
    fn a_response_is_read_when_control_asks_for_it() {
        let told = ToldLimits::default();
        assert!(!told.is_wanted());
        told.want();
        assert!(told.is_wanted());
        told.note(sample(1, 600));
        assert!(!told.is_wanted());
    }

    #[test]
    fn the_last_word_of_enough_samples_counts() {
        assert_eq!(told([sample(1, 600); 4]), [None; 2]);
        assert_eq!(told([sample(1, 600); 5]), [Some(600), None]);
        assert_eq!(told([sample(1, 600); 40].into_iter().chain([sample(1, 60)])), [Some(60), None]);
        let silent = ToldSample { per_minute: [None, Some(0)], ..sample(1, 0) };
        assert_eq!(told([silent; 9]), [None; 2]);
    }

    #[test]
    fn each_model_has_its_own_limit_and_its_part_of_the_requests() {
        // Three of four requests are chats.
        let mix = (0..32).map(|at| if at % 4 == 0 { sample(2, 3000) } else { sample(1, 10_000) });
        assert_eq!(told(mix), [Some(12_000), None], "3,000 embeddings are a quarter of 12,000 requests");
    }

    #[test]
    fn several_clients_with_their_own_credentials_say_nothing_of_all() {
        let of = |client| ToldSample { client, ..sample(1, 60) };
        assert_eq!(told([of(7); 5]), [Some(60), None]);
        assert_eq!(told([of(7), of(7), of(8), of(7), of(7)]), [None; 2]);
    }
}
