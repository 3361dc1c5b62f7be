//! Which questions a file raises, asked of small servers on real sockets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use super::*;
use crate::flags::Environment;
use crate::flags::compile::compile;
use crate::proxy::Reply;
use crate::proxy::tests::support::{Scripted, json};

/// A provider that has these paths, and keeps what it was asked.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn with(paths: &'static [&'static str]) -> Server {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&asked);
        let provider = Scripted::new(move |mut client| {
            let request = client.message();
            let words: Vec<&str> = request.first_line().split(' ').collect();
            let status = match words.as_slice() {
                ["GET", ..] => 200,
                [_, path, _] if paths.contains(path) => 400,
                _ => 404,
            };
            heard.lock().unwrap().push(format!("{} {}", words[0], words[1]));
            client.send(json(status, "connection: close\r\n", "{}"));
        });
        Server { address: provider.address, asked }
    }

    /// What it was asked, each question that may be repeated once.
    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort();
        asked.dedup_by(|one, other| one == other && one.starts_with("GET "));
        asked
    }
}

fn probed(old: &Server, new: &Server, provider: &str, rollouts: &str) -> ProbeResults {
    let text = format!(
        "providers:\n  old: {{ base_url: http://{}/v1 }}\n  new: {{ base_url: http://{}/v2, {provider} }}\n\
         proxy: none\nunmatched: old\nrollouts:\n{rollouts}",
        old.address, new.address
    );
    let policy = compile(&text, &Environment::of(BTreeMap::new())).unwrap().policy;
    let told = RefCell::new(Vec::new());
    let results = probe_all(&policy, &ProbeScope::default(), &|done, all| told.borrow_mut().push((done, all)));
    let (told, all) = (told.into_inner(), endpoints::count(&policy, &ProbeScope::default()) + 2 * provider::STEPS);
    assert!(told.is_sorted() && told.last() == Some(&(all, all)), "{told:?}");
    results
}

#[test]
fn both_arms_are_asked_once_for_each_endpoint_that_is_split() {
    let old = Server::with(&["/v1/chat/completions", "/v1/responses"]);
    let new = Server::with(&["/v2/chat/completions"]);
    let probed = probed(
        &old,
        &new,
        "",
        "  - { name: some, stable: old, canary: new, percent: 0, match: { endpoints: [responses, embeddings], model: m } }\n\
         \x20 - { name: all, stable: old, canary: new, percent: 0 }\n\
         \x20 - { name: pattern, stable: old, canary: new, percent: 0, match: { path: /x/* } }\n\
         \x20 - { name: route, stable: old, match: { endpoints: [y] } }\n",
    );
    assert!(probed.providers.iter().all(|(_, answer)| answer.is_ok()), "{:?}", probed.providers);
    let of =
        |asked: &ComparedEndpoint| (asked.rollout, asked.endpoint.clone(), asked.stable.clone(), asked.canary.clone());
    let expected = [
        (0, "responses", Reply::Speaks(400), Reply::Absent(404)),
        (1, "chat/completions", Reply::Speaks(400), Reply::Speaks(400)),
        (1, "completions", Reply::Absent(404), Reply::Absent(404)),
        (1, "responses", Reply::Speaks(400), Reply::Absent(404)),
        (1, "messages", Reply::Absent(404), Reply::Absent(404)),
    ]
    .map(|(rollout, endpoint, stable, canary)| (rollout, endpoint.to_owned(), stable, canary));
    assert_eq!(probed.endpoints.iter().map(of).collect::<Vec<_>>(), expected);
    let once = ["/chat/completions", "/completions", "/messages", "/responses"];
    let asked = |base: &str| {
        let mut all = vec![format!("GET {base}/models")];
        all.extend(once.iter().map(|path| format!("POST {base}{path}")));
        all
    };
    assert_eq!((old.asked(), new.asked()), (asked("/v1"), asked("/v2")));
}

#[test]
fn a_path_with_a_model_is_asked_for_a_model_that_the_file_names() {
    let (old, new) = (Server::with(&["/v1/chat/completions"]), Server::with(&["/v2/d/big/chat/completions"]));
    let rollout = |model: &str| {
        format!(
            "  - {{ name: r, stable: old, canary: new, percent: 0, match: {{ endpoints: [chat/completions]{model} }} }}\n"
        )
    };
    let template = "path: '/d/{model}/{rest}'";
    let translated = probed(&old, &new, &format!("{template}, models: {{ gpt: big }}"), &rollout(""));
    assert_eq!(translated.endpoints[0].canary, Reply::Speaks(400));
    let matched = probed(&old, &new, template, &rollout(", model: big"));
    assert_eq!(matched.endpoints[0].canary, Reply::Speaks(400));
    let unknown = probed(&old, &new, template, &rollout(", model: 'b*'"));
    assert!(matches!(&unknown.endpoints[0].canary, Reply::Unclear(why) if why.contains("needs a model's name")));
}
