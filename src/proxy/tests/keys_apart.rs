//! No request of one provider carries another's credential, whatever fails and whoever is asked next.
//!
//! Thousands of requests over real sockets, each by a file and answers drawn by chance: fallbacks, repeats, keys in
//! turn, questions to stable after a refusal, every way to send a key. Each provider looks at all that it is sent.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::recovery::{CHAT, error};
use super::support::*;
use crate::decide::policy::{Auth, Fallback, First, KeyOrder, Policy, Secret};
use crate::decide::units::{Millis, Percent, ProviderId};

const CASES: usize = 5_000;
/// Requests by one file.
const ROUND: usize = 50;
const PROVIDERS: usize = 3;
/// What the application sends of its own.
const OF_APP: &str = "credential-of-the-app";

/// The keys of a provider all begin so.
fn mark(provider: usize) -> String {
    format!("credential-of-{provider}-")
}

/// A provider that answers by chance, and tells if it was sent what it must not see.
fn suspicious(
    index: usize,
    chance: Arc<Mutex<fastrand::Rng>>,
    sees_app: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    leaks: Arc<Mutex<Vec<String>>>,
) -> Scripted {
    Scripted::new(move |mut client| {
        while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
            let message = client.message();
            asked.fetch_add(1, Relaxed);
            let text = format!("{}\n{}", message.head, String::from_utf8_lossy(&message.body));
            let of_others = (0..PROVIDERS).filter(|other| *other != index).any(|other| text.contains(&mark(other)));
            if of_others || (text.contains(OF_APP) && !sees_app.load(Relaxed)) {
                leaks.lock().unwrap().push(format!("provider {index} was sent {text}"));
            }
            let draw = chance.lock().unwrap().u8(..);
            let answer = match draw % 12 {
                0..=2 => completion("well"),
                3 => error(401, ""),
                4 => json(403, "", r#"{"error":{"message":"invalid api key"}}"#),
                5 => error(429, "retry-after: 0\r\n"),
                6 => json(429, "", r#"{"error":{"code":"insufficient_quota"}}"#),
                7 => error(500, ""),
                8 => json(400, "", r#"{"error":{"message":"unsupported parameter: 'x'"}}"#),
                9 => error(404, ""),
                10 => json(302, "location: http://elsewhere.test/v1\r\n", ""),
                _ => return,
            };
            client.send(answer);
        }
    })
}

fn file(
    chance: &mut fastrand::Rng,
    addresses: [std::net::SocketAddr; PROVIDERS],
    sees_app: &[Arc<AtomicBool>],
) -> Policy {
    let mut policy = policy(addresses[0], addresses[1]);
    policy.providers.push(Arc::new(provider("third", addresses[2])));
    for (index, sees) in sees_app.iter().enumerate() {
        // Without keys of its own stable gets the application's, and the others get none.
        let keys = chance.usize(if index == 0 { 0..4 } else { 1..4 });
        with_provider(&mut policy, index, |provider| {
            provider.api_keys = (0..keys).map(|key| Secret::new(format!("{}{key}-0123456789", mark(index)))).collect();
            provider.auth = match chance.u8(0..4) {
                0 => Auth::Header("x-api-key".to_owned()),
                1 => Auth::Header("api-key".to_owned()),
                2 => Auth::Query("key".to_owned()),
                _ => Auth::Bearer,
            };
            if chance.bool() {
                provider.set_headers = vec![("x-team-key".to_owned(), Secret::new(format!("{}header", mark(index))))];
            }
            if chance.bool() {
                provider.query = vec![("sig".to_owned(), Secret::new(format!("{}query", mark(index))))];
            }
            provider.keys.order = if chance.bool() { KeyOrder::Spread } else { KeyOrder::First };
            provider.keys.rotate_every = chance.bool().then_some(Millis(1));
            if chance.bool() {
                provider.keys.accounts = vec![Some("one".to_owned()); keys];
            }
        });
        sees.store(index == 0, Relaxed);
    }
    with_rollout(&mut policy, |rollout| {
        rollout.fallback = match chance.u8(0..3) {
            0 => Fallback::OtherArm,
            1 => Fallback::List(vec![ProviderId(2), ProviderId(1), ProviderId(0)]),
            _ => Fallback::List(vec![ProviderId(1), ProviderId(2)]),
        };
        rollout.retry.attempts = 3;
        rollout.retry.budget = Percent::ALL;
        rollout.retry.backoff.from = Millis(1);
        rollout.retry.backoff.to = Millis(1);
        rollout.retry.first = if chance.bool() { First::Same } else { First::Other };
    });
    policy
}

#[test]
fn no_provider_is_sent_another_s_credential() {
    let seed = 20_261_130;
    let shared = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
    let mut chance = fastrand::Rng::with_seed(seed + 1);
    let (asked, leaks) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let sees_app: [Arc<AtomicBool>; PROVIDERS] = std::array::from_fn(|_| Arc::default());
    let providers: [Scripted; PROVIDERS] = std::array::from_fn(|index| {
        let (shared, sees) = (Arc::clone(&shared), Arc::clone(&sees_app[index]));
        suspicious(index, shared, sees, Arc::clone(&asked), Arc::clone(&leaks))
    });
    let addresses = std::array::from_fn(|index| providers[index].address);
    for _ in 0..CASES / ROUND {
        let percent = Percent::from_hundredths(chance.u16(0..=10_000)).unwrap();
        let sidecar = Sidecar::start(file(&mut chance, addresses, &sees_app), percent);
        for request in 0..ROUND {
            let user = chance.u16(..);
            let credential = match chance.u8(0..4) {
                0 => format!("authorization: Bearer {OF_APP}\r\n"),
                1 => format!("x-api-key: {OF_APP}\r\n"),
                2 => format!("cookie: session={OF_APP}\r\n"),
                _ => String::new(),
            };
            let path = if chance.bool() { CHAT.to_owned() } else { format!("{CHAT}?key={OF_APP}") };
            let body = format!(r#"{{"model":"m{}","user":"user-{user}"}}"#, request % 3);
            let reply = sidecar.ask(&post(&path, &credential, &body));
            let all = format!("{}{}", reply.message.head, String::from_utf8_lossy(&reply.message.body));
            assert!(!all.contains("credential-of-"), "{all}");
        }
        sidecar.settle();
    }
    assert_eq!(leaks.lock().unwrap().first(), None);
    let asked = asked.load(Relaxed);
    assert!(asked > CASES * 3 / 2, "{asked} attempts: too little was tried to be of use");
}
