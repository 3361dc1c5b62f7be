//! Asking the providers of a file, for `serin check --probe`: whether each lives, which keys it takes, which models it
//! has, and whether each canary speaks what its stable does.
//!
//! Works from the policy alone, with nothing running. Asks and reports; what an answer means is decided by
//! [`decide::probe`](crate::decide::probe), and which of it is a failure too. No question costs anything. Providers are
//! asked side by side. Invariant: every question has a limit of time and size, so that this ends whatever they answer.

mod asked_provider;
mod endpoints;
mod keys;
mod models;
mod progress;
mod provider;
mod results;
mod scope;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::LocalSet;

use crate::clock;
use crate::decide::policy::Policy;
use crate::decide::probe::ProviderReport;
use crate::decide::probe::wanted::wanted;
use crate::decide::units::ProviderId;
use asked_provider::{AskedProvider, PATIENCE};
use progress::{Steps, follow};
pub use results::{ComparedEndpoint, ProbeResults};
pub use scope::ProbeScope;

/// Providers that are asked at one time.
const PROVIDERS_AT_ONCE: usize = 16;

/// Asks every provider of the scope, and both arms of each rollout whether they speak what it splits. `progress`: how
/// many steps of how many are done.
#[must_use]
pub fn probe_all(policy: &Policy, scope: &ProbeScope, progress: &dyn Fn(usize, usize)) -> ProbeResults {
    let ids = (0..).map(ProviderId).take(policy.providers.len()).filter(|id| scope.has(*id));
    let asked: Vec<ProviderId> = ids.collect();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let why = || Err(format!("no probe can be sent: {error}"));
            let providers = asked.iter().map(|id| (policy.provider(*id).name.clone(), why())).collect();
            return ProbeResults { providers, ..ProbeResults::default() };
        }
    };
    let all = asked.len() * provider::STEPS + endpoints::count(policy, scope);
    LocalSet::new().block_on(&runtime, async {
        let (sender, receiver) = unbounded_channel();
        let turns = Arc::new(Semaphore::new(PROVIDERS_AT_ONCE));
        let asking: Vec<_> = asked
            .iter()
            .map(|id| {
                let (provider, egress) = (Arc::clone(policy.provider(*id)), policy.egress.clone());
                let (wanted, key_passes) = (wanted(policy, *id), key_passes(policy, *id));
                let (steps, turns) = (Steps::new(sender.clone(), provider::STEPS), Arc::clone(&turns));
                tokio::task::spawn_local(async move {
                    let _turn = turns.acquire().await;
                    let (now, until) = (clock::unix(), clock::now().plus(PATIENCE));
                    AskedProvider { provider, egress, wanted, key_passes, now, until }.ask(steps).await
                })
            })
            .collect();
        let steps = Steps::new(sender, endpoints::count(policy, scope));
        let ((), endpoints) = tokio::join!(follow(receiver, all, progress), endpoints::compare(policy, scope, steps));
        let mut results = ProbeResults { endpoints, ..ProbeResults::default() };
        for (id, asking) in asked.iter().zip(asking) {
            let name = &policy.provider(*id).name;
            let failed = || (Err("the probe ended by itself".to_owned()), ProviderReport::unasked(name));
            let (alive, report) = asking.await.unwrap_or_else(|_| failed());
            results.providers.push((name.clone(), alive));
            results.reports.push(report);
        }
        results
    })
}

/// Whether the application's own key reaches this provider: as a stable, and as nobody's canary.
fn key_passes(policy: &Policy, id: ProviderId) -> bool {
    let stable = policy.rollouts.iter().any(|rollout| rollout.stable == id) || policy.unmatched.provider() == Some(id);
    stable && !policy.rollouts.iter().any(|rollout| rollout.moves_to(id))
}

#[cfg(test)]
mod tests;
