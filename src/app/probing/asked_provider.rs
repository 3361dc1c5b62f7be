//! A provider that is asked, with all that its questions need.
//!
//! Owns how a question to it is made, and until when any is asked: whoever is slow with each of many answers is left.
//! What is asked, and in which order, is the business of its other parts. Anthropic's API wants its version named in
//! each question.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::clock;
use crate::decide::policy::{Auth, Provider, Secret};
use crate::decide::probe::wanted::WantedModel;
use crate::decide::units::{Millis, UnixMillis};
use crate::proxy::{ProbeAnswer, Question, ask_question};

/// All questions to one provider together take no longer.
pub(super) const PATIENCE: Millis = Millis(60_000);
/// Questions to one provider that are open at one time.
const AT_ONCE: usize = 4;
/// The most bytes of an answer that are read where no list is expected.
const SHORT: usize = 64 * 1024;
/// The most bytes of a list: the longest have two million.
pub(super) const LIST: usize = 4 * 1024 * 1024;

/// A provider, and what it is asked for.
pub(super) struct AskedProvider {
    pub(super) provider: Arc<Provider>,
    pub(super) egress: Option<Secret>,
    pub(super) wanted: Vec<WantedModel>,
    /// Whether the application's own key reaches it.
    pub(super) key_passes: bool,
    pub(super) now: UnixMillis,
    /// When nothing more is asked.
    pub(super) until: Millis,
}

impl AskedProvider {
    /// A question of this provider.
    pub(super) fn question(&self, below: &str, key: Option<usize>) -> Question {
        let host = &self.provider.base_url.host;
        let of_anthropic =
            self.provider.auth == Auth::Header("x-api-key".to_owned()) || host.ends_with("anthropic.com");
        Question { provider: Arc::clone(&self.provider), below: below.to_owned(), key, of_anthropic, most: SHORT }
    }

    /// The answer to one.
    pub(super) async fn answer(&self, question: &Question) -> Result<ProbeAnswer, String> {
        ask_until(question, self.egress.as_ref(), self.until).await
    }

    /// The answers to all, in the order of the questions, a few at one time.
    pub(super) async fn answers(&self, questions: Vec<Question>) -> Vec<Result<ProbeAnswer, String>> {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let asking: Vec<_> = questions
            .into_iter()
            .map(|question| {
                let (turns, egress, until) = (Arc::clone(&turns), self.egress.clone(), self.until);
                tokio::task::spawn_local(async move {
                    let _turn = turns.acquire().await;
                    ask_until(&question, egress.as_ref(), until).await
                })
            })
            .collect();
        let mut answers = Vec::with_capacity(asking.len());
        for asking in asking {
            answers.push(asking.await.unwrap_or_else(|_| Err("the probe ended by itself".to_owned())));
        }
        answers
    }
}

async fn ask_until(question: &Question, egress: Option<&Secret>, until: Millis) -> Result<ProbeAnswer, String> {
    let left = until.since(clock::now());
    let too_long = || Err(format!("the probe of this provider took longer than {PATIENCE}"));
    tokio::time::timeout(left.duration(), ask_question(question, egress)).await.unwrap_or_else(|_| too_long())
}
