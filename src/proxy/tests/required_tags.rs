//! No request of a rollout with `require` reaches a provider that lacks one of its tags, whatever happens to it.
//!
//! Random files, judged by an oracle that shares no code with Serin: a file is accepted exactly if no request could
//! leave the tags, and then none does, in the plan and over sockets.

mod cases;
mod copies;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use super::support::*;
use crate::decide::fallback::fallback_candidates;
use crate::decide::policy::{Fallback, Policy};
use crate::decide::route::by_state::other_owners;
use crate::decide::route::{Facts, Purpose, RouteShare, plan, wanted_fields};
use crate::decide::state_at::{Bound, StateAt};
use crate::decide::units::{Percent, ProviderId};
use crate::flags::Environment;
use crate::flags::compile::compile;
use crate::wire::body::peek;
use cases::{Body, File, Request, Tags};

const SEED: u64 = 0x5e21;

fn compiled(text: &str) -> Result<Arc<Policy>, String> {
    let compiled = compile(text, &Environment::without_secrets());
    compiled.map(|compiled| compiled.policy).map_err(|errors| crate::flags::render(&errors, text))
}

/// Random files that are accepted, and how many were refused.
fn accepted(count: usize, at: impl Fn(usize) -> std::net::SocketAddr) -> (Vec<(File, Arc<Policy>)>, usize) {
    let mut rng = fastrand::Rng::with_seed(SEED);
    let (mut files, mut refused) = (Vec::new(), 0);
    while files.len() < count {
        let file = File::random(&mut rng);
        let text = file.text(&at, &mut rng);
        match compiled(&text) {
            Ok(policy) => {
                assert!(file.is_sound(), "accepted, and a request could leave its tags:\n{text}");
                files.push((file, policy));
            }
            Err(error) => {
                assert!(!file.is_sound(), "refused without a reason: {error}");
                assert!(error.contains("tag"), "{error}");
                refused += 1;
            }
        }
    }
    (files, refused)
}

/// Whoever could be asked for a request: the provider of the plan, the other candidates, and stable after a refusal.
fn asked(policy: &Policy, request: &Request, percent: u16, rng: &mut fastrand::Rng) -> Vec<ProviderId> {
    let text = request.text();
    let mut headers = http::HeaderMap::new();
    for (name, value) in request.headers() {
        headers.insert(name, value.parse().unwrap());
    }
    let wanted = wanted_fields(policy);
    let read = peek(text.as_bytes(), &wanted).ok().filter(|_| request.method == "POST");
    assert_eq!(read.is_none(), request.method != "POST" || request.body == Body::Unreadable);
    let path = format!("/{}", request.path);
    let state = match rng.u8(0..4) {
        0 => StateAt::Unknown,
        1 => StateAt::Provider(ProviderId(rng.u16(0..u16::try_from(policy.providers.len()).unwrap()))),
        _ => StateAt::Nowhere,
    };
    let facts = Facts {
        purpose: Purpose::of(&request.method.parse().unwrap(), false),
        path: &path,
        query: None,
        headers: &headers,
        body: read.as_ref(),
        bytes: Some(text.as_bytes()),
        state,
    };
    let share =
        RouteShare { percent: Percent::from_hundredths(percent).unwrap(), buckets_only: rng.bool() || percent == 0 };
    let Ok(plan) = plan(policy, |_| share, &facts, || rng.u16(0..10_000)) else { return Vec::new() };
    let mut asked = vec![plan.provider];
    if plan.bound == Bound::Unknown {
        asked.extend(other_owners(policy, &plan));
    }
    asked.extend(fallback_candidates(
        policy,
        &plan,
        Some(share),
        &path,
        read.as_ref().and_then(crate::wire::body::Peek::model),
    ));
    if let Some(id) = plan.rollout {
        let rollout = &policy.rollouts[usize::from(id.0)];
        if rollout.fallback_4xx && rollout.fallback != Fallback::Nobody {
            asked.push(rollout.stable);
        }
    }
    asked
}

#[test]
fn no_plan_leaves_the_tags_and_no_file_is_refused_without_need() {
    let nowhere = |_| std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let (files, refused) = accepted(1000, nowhere);
    assert!(refused > 500, "only {refused} files were refused");
    let mut rng = fastrand::Rng::with_seed(SEED + 1);
    let (mut strict, mut with_others) = (0, 0);
    for (file, policy) in &files {
        for _ in 0..50 {
            let request = Request::random(&mut rng);
            let required = required(file, &request);
            let percent = [0, 5000, 10_000][rng.usize(0..3)];
            let asked = asked(policy, &request, percent, &mut rng);
            for id in &asked {
                let tags = &file.providers[usize::from(id.0)];
                assert!(required.is_subset(tags), "{request:?} requires {required:?}, asked is {id:?} of {tags:?}");
            }
            strict += usize::from(!required.is_empty() && !asked.is_empty());
            with_others += usize::from(!required.is_empty() && asked.len() > 1);
        }
    }
    assert!(strict > 5000 && with_others > 2000, "only {strict} requests required a tag, {with_others} had others");
}

fn required(file: &File, request: &Request) -> Tags {
    // A request without a body has no model that could not be read.
    let read = if request.method == "POST" { *request } else { Request { body: Body::Json(None), ..*request } };
    file.required(&read)
}

/// Which provider saw which request.
type Seen = Arc<Mutex<Vec<(usize, usize)>>>;

/// Answers at random, mostly with failures, and remembers whose requests it saw.
fn moody(index: usize, seen: &Seen) -> Scripted {
    let (seen, rng) = (Arc::clone(seen), Mutex::new(fastrand::Rng::with_seed(SEED + 10 + index as u64)));
    let answers = [
        completion("hi"),
        json(500, "", "{}"),
        json(503, "", "{}"),
        json(429, "", "{}"),
        json(401, "", "{}"),
        json(400, "", r#"{"error":{"message":"no","code":"x"}}"#),
        json(404, "", r#"{"error":{"message":"not found"}}"#),
        json(422, "", "{}"),
        BREAK.to_string(),
    ];
    Scripted::new(move |mut client| {
        while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
            let message = client.message();
            if let Some(case) = message.header("x-case") {
                seen.lock().unwrap().push((index, case.parse().unwrap()));
            }
            let answer = answers[rng.lock().unwrap().usize(0..answers.len())].clone();
            client.send(answer.trim_end_matches(BREAK));
            if answer.ends_with(BREAK) {
                return;
            }
        }
    })
}

#[test]
fn no_request_leaves_the_tags_over_sockets() {
    let seen = Seen::default();
    let providers: Vec<Scripted> = (0..6).map(|index| moody(index, &seen)).collect();
    let (files, _) = accepted(150, |index| providers[index].address);
    let mut rng = fastrand::Rng::with_seed(SEED + 2);
    let mut allowed: BTreeMap<usize, (Tags, usize)> = BTreeMap::new();
    for (number, (file, policy)) in files.iter().enumerate() {
        let percent = Percent::from_hundredths([0, 5000, 10_000][number % 3]).unwrap();
        let sidecar = Sidecar::start(Policy::clone(policy), percent);
        let mut client = sidecar.client();
        for _ in 0..120 {
            let (request, case) = (Request::random(&mut rng), allowed.len());
            allowed.insert(case, (required(file, &request), number));
            let mut headers = format!("x-case: {case}\r\n");
            for (name, value) in request.headers() {
                let _ = write!(headers, "{name}: {value}\r\n");
            }
            let path = format!("/v1/{}", request.path);
            client.send(match request.method {
                "POST" => post(&path, &headers, &request.text()),
                method => format!("{method} {path} HTTP/1.1\r\nhost: sidecar\r\n{headers}\r\n"),
            });
            let reply = client.reply();
            if reply.header("connection").as_deref() == Some("close") {
                client = sidecar.client();
            }
        }
    }
    let seen = seen.lock().unwrap();
    let mut strict: BTreeMap<usize, usize> = BTreeMap::new();
    for (provider, case) in seen.iter() {
        let (required, file) = &allowed[case];
        let tags = &files[*file].0.providers[*provider];
        assert!(required.is_subset(tags), "a request that requires {required:?} was seen by one of {tags:?}");
        if !required.is_empty() {
            *strict.entry(*case).or_default() += 1;
        }
    }
    let asked_again = strict.values().filter(|times| **times > 1).count();
    assert!(allowed.len() >= 5000 && seen.len() > 5000, "{} requests, {} attempts", allowed.len(), seen.len());
    assert!(strict.len() > 5000 && asked_again > 800, "{} required a tag, {asked_again} went on", strict.len());
}
