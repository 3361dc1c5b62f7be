//! A group of cases on one sidecar: for each a rollout that takes its requests alone, and two providers.
//!
//! Everything a case sets is set here, by the policy and the snapshot that control would publish. Every provider's
//! breaker has seen one failure before, so that a success, a failure and silence about it can be distinguished
//! afterwards.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::super::support::*;
use super::table::{Case, Next, Place, others};
use super::wire::Source;
use crate::clock;
use crate::decide::breaker::AttemptSignal;
use crate::decide::bucket::bucket;
use crate::decide::policy::*;
use crate::decide::units::{Arm, Millis, Percent, ProviderId};
use crate::proxy::Running;
use crate::state::evidence::Evidence;
use crate::state::snapshot::{Snapshot, SnapshotCell};
use crate::wire::dialect::DoneMarker;

const RULE: BreakerRule = BreakerRule { failures: 5, open_for: Millis(60_000) };

/// A case with its providers.
pub(super) struct Staged {
    pub(super) case: Case,
    /// Its place in the policy.
    pub(super) index: usize,
    pub(super) judged: Option<Source>,
    pub(super) other: Option<Source>,
}

impl Staged {
    fn new(index: usize, case: &Case) -> Staged {
        let described = &case.provider;
        let reads = described.at != Place::Tls;
        let judged = (!described.answers.is_empty()).then(|| Source::sending(described.answers.clone(), reads));
        let other = case.other.as_ref().map(|other| Source::sending(vec![others()[other].clone()], true));
        Staged { case: case.clone(), index, judged, other }
    }

    pub(super) fn id(&self, arm: Arm) -> ProviderId {
        ProviderId(u16::try_from(2 * self.index + usize::from(arm == Arm::Canary)).unwrap())
    }

    /// Which arm's provider the request falls back to.
    pub(super) fn other_arm(&self) -> Arm {
        if self.case.arm() == Arm::Stable { Arm::Canary } else { Arm::Stable }
    }

    fn provider(&self, arm: Arm) -> Provider {
        let is_judged = arm == self.case.arm();
        let source = if is_judged { &self.judged } else { &self.other };
        let address = source.as_ref().map_or_else(refusing_address, |source| source.address);
        let mut provider = provider(&format!("p{}", self.id(arm).0), address);
        provider.breaker = Some(RULE);
        if is_judged {
            self.describe(&mut provider);
        }
        provider
    }

    fn describe(&self, provider: &mut Provider) {
        let (described, settings) = (&self.case.provider, &self.case.settings);
        provider.api_keys = (0..described.keys).map(|key| Secret::new(format!("sk-{key}"))).collect();
        match described.at {
            Place::Listening | Place::Refused => {}
            Place::Tls => provider.base_url.https = true,
            // No label of a name is that long, so no resolver is asked for its address.
            Place::Unknown => provider.base_url.host = format!("{}.test", "x".repeat(64)),
            Place::Unusable => provider.unusable = Some("${KEY} is not set".to_owned()),
        }
        let clocks = &settings.timeouts;
        let set = |limit: &mut Millis, given: Option<u64>| *limit = given.map_or(*limit, Millis);
        set(&mut provider.timeouts.connect, clocks.connect);
        set(&mut provider.timeouts.headers, clocks.headers);
        set(&mut provider.timeouts.stream_headers, clocks.stream_headers);
        set(&mut provider.timeouts.first_output, clocks.first_output);
        set(&mut provider.timeouts.idle, clocks.idle);
        if settings.done_marker.is_some() {
            provider.done_marker = DoneMarker::Required;
        }
    }

    fn rollout(&self, template: &Rollout) -> Rollout {
        let (case, settings) = (&self.case, &self.case.settings);
        let mut rollout = template.clone();
        rollout.name = format!("r{}", self.index);
        rollout.matches.endpoints = vec![case.endpoint.clone()];
        rollout.matches.headers = BTreeMap::from([("x-case".to_owned(), Pattern(self.index.to_string()))]);
        rollout.stable = self.id(Arm::Stable);
        if let Some(canary) = &mut rollout.canary {
            canary.provider = self.id(Arm::Canary);
            canary.guard.counting = self.counting();
        }
        rollout.fallback = if self.other.is_some() { Fallback::OtherArm } else { Fallback::Nobody };
        rollout.fallback_4xx = settings.fallback_4xx.unwrap_or(true);
        // The table lists single attempts, but where it says that there is another one.
        rollout.retry.attempts = if case.next == Next::Again { 2 } else { 1 };
        rollout.give_up_after = settings.give_up_after.map_or(rollout.give_up_after, Millis);
        if settings.stream_mode.is_some() {
            rollout.stream_mode = StreamMode::Buffered;
        }
        rollout
    }

    fn counting(&self) -> Counting {
        let Counting { throttled, empty } = Counting::default();
        let settings = &self.case.settings;
        Counting { throttled: settings.throttled.unwrap_or(throttled), empty: settings.empty.unwrap_or(empty) }
    }
}

/// The sidecar of a group of cases.
pub(super) struct Stage {
    running: Option<Running>,
    pub(super) shared: Arc<SnapshotCell>,
    pub(super) address: SocketAddr,
    pub(super) cases: Vec<Staged>,
}

impl Stage {
    pub(super) fn set(cases: &[Case]) -> Stage {
        let cases: Vec<Staged> = cases.iter().enumerate().map(|(index, case)| Staged::new(index, case)).collect();
        let mut policy = policy(refusing_address(), refusing_address());
        let template = Arc::clone(&policy.rollouts[0]);
        let arms = [Arm::Stable, Arm::Canary];
        policy.providers = cases.iter().flat_map(|it| arms.map(|arm| Arc::new(it.provider(arm)))).collect();
        policy.rollouts = cases.iter().map(|it| Arc::new(it.rollout(&template))).collect();
        let half = Percent::from_hundredths(5000).unwrap();
        let next = Stage::snapshot(&cases, policy.clone(), half);
        let Sidecar { running, shared, .. } = Sidecar::start(policy, half);
        shared.publish(next);
        until("the core has seen what each guard counts", || shared.seen_by_all(2));
        Stage { address: running.local_addr(), running: Some(running), shared, cases }
    }

    fn snapshot(cases: &[Staged], policy: Policy, half: Percent) -> Snapshot {
        let mut snapshot = snapshot(2, policy, half, 1);
        for (in_force, staged) in snapshot.rollouts.iter_mut().zip(cases) {
            in_force.evidence = Arc::new(Evidence::standalone(2, 1, staged.counting()));
        }
        for health in &snapshot.providers {
            health.end_attempt(Some(&RULE), None, None, AttemptSignal::Failure, clock::now());
            health.record_connect_failure(Some(&RULE), clock::now());
        }
        snapshot
    }

    /// Ends what is under way.
    pub(super) fn cut(&mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.running.take().unwrap().drain(Millis(0)));
    }
}

/// A user of this arm, where half of them are on the canary.
pub(super) fn user_of(arm: Arm) -> String {
    let is_fit = |user: &String| (bucket("", user.as_bytes()).0 < 5000) == (arm == Arm::Canary);
    (0..).map(|number| format!("user-{number}")).find(is_fit).unwrap()
}
