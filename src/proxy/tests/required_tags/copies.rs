//! Copies of requests stay within the tags as requests do, and each sample is counted once.

use super::*;
use crate::decide::comparison::funnel::Funnel;
use crate::decide::policy::CopyLimits;
use crate::decide::units::PicoUsd;
use crate::state::copies::gate::CopyGate;
use crate::state::copies::{Copying, Purpose};

/// Has every request of stable copied to the canary, where there is one.
fn copy_everything(sidecar: &Sidecar, percent: Percent) -> Vec<Arc<CopyGate>> {
    let mut gates = Vec::new();
    let now = sidecar.shared.load();
    let mut next = snapshot(now.revision + 1, (*now.policy).clone(), percent, 1);
    for (rollout, in_force) in now.policy.rollouts.iter().zip(next.rollouts.iter_mut()) {
        if rollout.canary.is_some() {
            let gate = Arc::new(CopyGate::default());
            in_force.copies = Some(Box::new(Copying {
                gate: Arc::clone(&gate),
                purpose: Purpose::Comparison,
                share: Percent::ALL,
                limits: CopyLimits { per_minute: u32::MAX, max_cost: PicoUsd(0) },
            }));
            gates.push(gate);
        }
    }
    let revision = next.revision;
    sidecar.shared.publish(next);
    until("every core has acknowledged", || sidecar.shared.seen_by_all(revision));
    gates
}

/// Waits until each sample was skipped or compared, and returns how many were sent.
fn settled(gate: &CopyGate) -> u64 {
    let (mut counted, mut sent) = (Funnel::default(), 0);
    until("each sample is counted once", || {
        let news = gate.take_counts().unwrap_or_default();
        counted.sampled += news.sampled;
        news.skipped.into_iter().for_each(|(why, count)| *counted.skipped.entry(why).or_default() += count);
        let done = gate.look(|record| {
            let funnel = &record.comparison.funnel;
            sent = funnel.sent;
            funnel.compared + funnel.skipped.values().sum::<u64>()
        });
        counted.sampled == done + counted.skipped.values().sum::<u64>()
    });
    sent
}

#[test]
fn no_copy_leaves_the_tags_over_sockets() {
    let seen = Seen::default();
    let providers: Vec<Scripted> = (0..6)
        .map(|index| {
            let seen = Arc::clone(&seen);
            Scripted::new(move |mut client| {
                while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
                    let message = client.message();
                    if let Some(case) = message.header("x-case") {
                        seen.lock().unwrap().push((index, case.parse().unwrap()));
                    }
                    client.send(completion("hi"));
                }
            })
        })
        .collect();
    let (files, _) = accepted(150, |index| providers[index].address);
    let mut rng = fastrand::Rng::with_seed(SEED + 3);
    let mut allowed: BTreeMap<usize, (Tags, usize)> = BTreeMap::new();
    let mut copied = 0;
    for (number, (file, policy)) in files.iter().enumerate() {
        let percent = Percent::from_hundredths([0, 5000][number % 2]).unwrap();
        let sidecar = Sidecar::start(Policy::clone(policy), percent);
        let gates = copy_everything(&sidecar, percent);
        let mut client = sidecar.client();
        for _ in 0..40 {
            let request = Request { method: "POST", path: "chat/completions", ..Request::random(&mut rng) };
            let case = allowed.len();
            allowed.insert(case, (required(file, &request), number));
            let mut headers = format!("x-case: {case}\r\n");
            for (name, value) in request.headers() {
                let _ = write!(headers, "{name}: {value}\r\n");
            }
            client.send(post("/v1/chat/completions", &headers, &request.text()));
            if client.reply().header("connection").as_deref() == Some("close") {
                client = sidecar.client();
            }
        }
        copied += gates.iter().map(|gate| settled(gate)).sum::<u64>();
    }
    for (provider, case) in seen.lock().unwrap().iter() {
        let (required, file) = &allowed[case];
        let tags = &files[*file].0.providers[*provider];
        assert!(required.is_subset(tags), "a copy of what requires {required:?} was seen by one of {tags:?}");
    }
    assert!(copied > 300, "only {copied} copies were sent");
}
