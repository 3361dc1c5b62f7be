//! All that one provider is asked, in order: whether it lives, how it is reached, its keys, its models, its money.
//!
//! Owns the order, and what is left out once something has failed: who cannot be reached is asked nothing more. A key
//! that is taken asks what does not depend on the key.

use std::sync::Arc;

use super::asked_provider::AskedProvider;
use super::keys::TriedKey;
use super::progress::Steps;
use crate::decide::probe::ProviderReport;
use crate::decide::probe::key::KeyState;
use crate::decide::probe::latency::Samples;
use crate::decide::probe::tls::TlsReport;
use crate::proxy::{self, ProbeAnswer, Question, measure_connection};

/// Steps of one provider.
pub(super) const STEPS: usize = 4;
/// How often each time is measured.
const ATTEMPTS: usize = 3;

impl AskedProvider {
    /// How it answered or why it did not, and the rest.
    pub(super) async fn ask(self, mut steps: Steps) -> (Result<String, String>, ProviderReport) {
        let (asked, egress) = (Arc::clone(&self.provider), self.egress.clone());
        let alive = if self.key_passes {
            proxy::probe_without_key(asked, egress).await
        } else {
            proxy::probe(asked, egress).await
        };
        let mut report = ProviderReport::unasked(&self.provider.name);
        let mut samples = Samples::default();
        if self.provider.unusable.is_some() || !self.connect(&mut report, &mut samples).await {
            return (alive, report);
        }
        steps.done();
        let probed = self.provider.probe_path.reveal();
        let mut keys = self.try_keys(probed).await;
        samples.head.extend(keys.iter().filter_map(|key| Some(key.answer.as_ref()?.head)));
        steps.done();
        let best = keys.iter().position(|key| key.is_taken()).unwrap_or(0);
        if let Some(key) = keys.get(best) {
            self.repeat(key, probed, &mut samples).await;
            if key.answer.is_some() {
                let is_list = |answer: &&ProbeAnswer| self.list_path() == probed && (key.index == 0 || answer.whole);
                let first = key.answer.as_ref().filter(is_list);
                let list = self.read_list(key, first).await;
                report.models = self.find_models(key, &list).await;
                steps.done();
                self.ask_balances(&mut keys, list.origin).await;
                report.list = Some(list.report);
            }
        }
        report.latency = samples.latency();
        report.keys = keys.into_iter().map(|key| key.report).collect();
        (alive, report)
    }

    /// Measures a few connections; `false`: there is none.
    async fn connect(&self, report: &mut ProviderReport, samples: &mut Samples) -> bool {
        for _ in 0..ATTEMPTS {
            let Ok(measured) = measure_connection(&self.provider, self.egress.as_ref()).await else {
                return !samples.connect.is_empty();
            };
            samples.connect.push(measured.connect);
            if let Some(tls) = measured.tls {
                samples.tls.push(tls.took);
                report.tls.get_or_insert_with(|| TlsReport::new(tls.version, &tls.certificate, self.now));
            }
        }
        true
    }

    /// Asks again until there are enough times, but nobody who wants to be left alone.
    async fn repeat(&self, key: &TriedKey, below: &str, samples: &mut Samples) {
        while key.is_taken() && samples.head.len() < ATTEMPTS {
            let question = Question { most: 0, ..self.question(below, Some(key.index)) };
            let Ok(answer) = self.answer(&question).await else { return };
            samples.head.push(answer.head);
        }
    }
}

impl TriedKey {
    /// Whether what is asked with it is answered.
    fn is_taken(&self) -> bool {
        let answered = self.answer.as_ref().is_some_and(|answer| answer.status < 300);
        answered && matches!(self.report.state, KeyState::Accepted | KeyState::Unproven)
    }
}
