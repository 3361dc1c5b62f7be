//! A sidecar on port 0, providers that follow a script, and clients that send exactly what a test wants.
//!
//! Here is the sidecar; the two ends that it lies between, and what goes over them, have files of their own.
//! Everything blocks with a deadline, on threads of its own: a test that waits for something which never comes fails
//! with what it waited for.

mod answers;
mod client;
mod scripted;
mod secure;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::clock;
use crate::decide::outcome::Outcome;
use crate::decide::policy::*;
use crate::decide::units::{Arm, Millis, Percent, ProviderId};
use crate::proxy::{Running, Setup, start};
use crate::state::counters::Series;
use crate::state::evidence::{ArmTotals, Evidence};
use crate::state::inbox::{Input, Rejection, inbox};
use crate::state::snapshot::{self, Snapshot, SnapshotCell};

pub(crate) use answers::*;
pub(crate) use client::{Client, Message, Reply};
pub(crate) use scripted::*;
pub(crate) use secure::*;

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// At this address, without TLS.
pub(in crate::proxy) fn provider(name: &str, address: SocketAddr) -> Provider {
    let base_url =
        BaseUrl { https: false, host: address.ip().to_string(), port: address.port(), path: "/v1".to_owned() };
    let timeouts = Timeouts { connect: Millis(2000), ..plain::waits(Millis(10_000)) };
    Provider { base_url, timeouts, ..plain::provider(name) }
}

/// Two providers, `old` and `new`, and a rollout `chat` between them at the share the snapshot gives it.
pub(super) fn policy(old: SocketAddr, new: SocketAddr) -> Policy {
    let rollout = Rollout {
        matches: Match {
            endpoints: vec!["chat/completions".to_owned(), "messages".to_owned()],
            ..plain::rollout("chat").matches
        },
        canary: Some(plain::canary()),
        user: vec![UserSource::Header("x-user-id".to_owned()), UserSource::Body(vec!["user".to_owned()])],
        pins: BTreeMap::from([("canary-user".to_owned(), Arm::Canary), ("stable-user".to_owned(), Arm::Stable)]),
        force: Some(Force { header: "x-force".to_owned(), token: Secret::new("token".to_owned()) }),
        ..plain::rollout("chat")
    };
    let providers = vec![provider("old", old), provider("new", new)];
    Policy { unmatched: Unmatched::Provider(ProviderId(0)), ..plain::policy(providers, vec![rollout]) }
}

/// Changes one provider of a policy.
pub(super) fn with_provider(policy: &mut Policy, index: usize, change: impl FnOnce(&mut Provider)) {
    change(Arc::make_mut(&mut policy.providers[index]));
}

/// Changes the rollout of a policy.
pub(super) fn with_rollout(policy: &mut Policy, change: impl FnOnce(&mut Rollout)) {
    change(Arc::make_mut(&mut policy.rollouts[0]));
}

/// Two providers that answer for each other.
pub(super) fn both_ways(old: &Scripted, new: &Scripted) -> Policy {
    let mut policy = policy(old.address, new.address);
    with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::OtherArm);
    policy
}

/// A snapshot of this policy with every rollout at this share.
pub(super) fn snapshot(revision: u64, policy: Policy, percent: Percent, cores: usize) -> Snapshot {
    snapshot::plain::snapshot(revision, policy, percent, cores, |labels| Arc::new(Series::new(labels, cores)))
}

/// A running data plane.
pub(super) struct Sidecar {
    pub(super) running: Running,
    /// Where its port over TLS is.
    pub(super) tls: Option<SocketAddr>,
    pub(super) shared: Arc<SnapshotCell>,
    wishes: Mutex<tokio::sync::mpsc::Receiver<Input>>,
}

impl Sidecar {
    pub(super) fn start(policy: Policy, percent: Percent) -> Sidecar {
        Sidecar::with_cores(policy, percent, 1)
    }

    pub(super) fn with_cores(policy: Policy, percent: Percent, cores: usize) -> Sidecar {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let tls_listener = policy.listen_tls.is_some().then(listen);
        let tls = tls_listener.as_ref().map(|listener| listener.local_addr().unwrap());
        let shared = Arc::new(SnapshotCell::new(snapshot(1, policy, percent, cores), cores));
        let (inbox, wishes) = inbox();
        let running = start(Setup {
            listener: listen(),
            tls_listener,
            shared: Arc::clone(&shared),
            inbox,
            cores,
            most_connections: u32::MAX,
        })
        .unwrap();
        Sidecar { running, tls, shared, wishes: Mutex::new(wishes) }
    }

    /// Puts another share in force and waits until every core has seen it.
    pub(super) fn set_percent(&self, percent: Percent) {
        let now = self.shared.load();
        let mut next = snapshot(now.revision + 1, (*now.policy).clone(), percent, 1);
        // Control keeps the series of a rollout over publications, and who is withdrawn from its canary.
        next.policy = Arc::clone(&now.policy);
        next.providers.clone_from(&now.providers);
        next.keys.clone_from(&now.keys);
        for (next, now) in next.rollouts.iter_mut().zip(&now.rollouts) {
            next.series = now.series.clone();
            next.retry = Arc::clone(&now.retry);
            next.cuts = now.evidence.withdrawal.cuts();
            let mut evidence = Evidence::standalone(1, 1, Counting::default());
            evidence.withdrawal = Arc::clone(&now.evidence.withdrawal);
            next.evidence = Arc::new(evidence);
        }
        let revision = next.revision;
        self.shared.publish(next);
        until("every core has acknowledged", || self.shared.seen_by_all(revision));
    }

    /// Whoever was sent to the canary in this epoch, or earlier, waits no more.
    pub(super) fn withdraw(&self, evidence: &Evidence) {
        evidence.withdrawal.raise(evidence.samples.second() + 1);
        self.set_percent(self.shared.load().rollouts[0].percent);
    }

    /// Puts another version of the file in force, with the same names in it, and waits until every core has seen it.
    pub(super) fn reload(&self, change: impl FnOnce(&mut Policy)) {
        let now = self.shared.load();
        let mut policy = (*now.policy).clone();
        change(&mut policy);
        let mut next = snapshot(now.revision + 1, policy, now.rollouts[0].percent, 1);
        next.generation = now.generation + 1;
        next.providers.clone_from(&now.providers);
        next.unsplit.clone_from(&now.unsplit);
        next.rollouts.clone_from(&now.rollouts);
        let revision = next.revision;
        self.shared.publish(next);
        until("every core has acknowledged", || self.shared.seen_by_all(revision));
    }

    pub(super) fn client(&self) -> Client {
        Client::connect(self.running.local_addr())
    }

    /// One request on a connection of its own, and everything that comes back.
    pub(super) fn ask(&self, request: &str) -> Reply {
        let mut client = self.client();
        client.send(request);
        client.reply()
    }

    /// How often a request of this arm ended so.
    pub(super) fn ended(&self, arm: Arm, outcome: Outcome) -> u64 {
        self.shared.load().rollouts[0].series.own(arm).requests(outcome)
    }

    pub(super) fn unsplit_ended(&self, outcome: Outcome) -> u64 {
        self.shared.load().unsplit[0].requests(outcome)
    }

    pub(super) fn evidence(&self, arm: Arm) -> ArmTotals {
        self.shared.load().rollouts[0].evidence.totals(arm)
    }

    /// The refusals that were reported to control since the last time.
    pub(super) fn refusals(&self) -> Vec<Rejection> {
        let mut wishes = self.wishes.lock().unwrap();
        let reported = std::iter::from_fn(|| wishes.try_recv().ok());
        reported.map(|wish| if let Input::Rejected(refused) = wish { refused } else { panic!("{wish:?}") }).collect()
    }

    /// All attempts of an arm's requests at a provider, by outcome.
    pub(super) fn attempts(&self, arm: Arm, provider: ProviderId) -> Vec<(Outcome, u64)> {
        let snapshot = self.shared.load();
        let series = snapshot.rollouts[0].series(arm, provider);
        let counted = Outcome::ALL.iter().map(|outcome| (*outcome, series.attempts(*outcome)));
        counted.filter(|(_, count)| *count > 0).collect()
    }

    /// The evidence of an arm: dispatched, succeeded, failed, not judged.
    pub(super) fn judged(&self, arm: Arm) -> (u64, u64, u64, u64) {
        let ArmTotals { dispatched, succeeded, failed, not_judged, .. } = self.evidence(arm);
        (dispatched, succeeded, failed, not_judged)
    }

    /// Waits until nothing is open or in flight any more, and holds the accounts to their sums.
    pub(super) fn settle(&self) {
        until("no request is open", || self.running.open_requests() == 0);
        let snapshot = self.shared.load();
        let providers = || (0..).map(ProviderId).take(snapshot.policy.providers.len());
        let split = || providers().map(|id| snapshot.rollouts[0].series.in_flight_at(id)).sum::<u64>();
        let unsplit = || snapshot.unsplit.iter().map(|series| series.in_flight()).sum::<u64>();
        until("nothing is in flight", || split() + unsplit() == 0);
        for arm in [Arm::Stable, Arm::Canary] {
            let (dispatched, succeeded, failed, not_judged) = self.judged(arm);
            assert_eq!(dispatched, succeeded + failed + not_judged, "evidence of {arm:?}");
            let (began, ended) = self.evidence(arm).waits;
            assert_eq!(began, ended, "no request of {arm:?} waits for output");
        }
    }

    pub(super) fn until_ended(&self, arm: Arm, outcome: Outcome, count: u64) {
        until(&format!("{count} {arm:?} requests ended as {outcome:?}"), || self.ended(arm, outcome) == count);
    }
}

/// Waits for what other threads bring about.
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = clock::instant();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// An address that refuses connections: it is bound, so that no other test is given it, and nothing listens.
pub(super) fn refusing_address() -> SocketAddr {
    static BOUND: LazyLock<Socket> = LazyLock::new(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket
    });
    BOUND.local_addr().unwrap().as_socket().unwrap()
}
