//! Secrets that are replaced by something of no use, while a version of the file is in force.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use crate::decide::exposure::Sockets;
use crate::decide::policy::Policy;
use crate::flags::compile::{Compiled, compile};
use crate::flags::{Environment, render};

const FILES: [&str; 8] = ["api", "client", "other", "admin", "force", "header", "plain", "proxy"];

/// What each of them holds first.
fn first(name: &str) -> String {
    if name == "proxy" { "http://me:first@127.0.0.1:3128".to_owned() } else { format!("first-value-of-{name}") }
}

/// A file that refers to all of them.
fn text(dir: &Path, percent: &str) -> String {
    let file = |name: &str| format!("'${{file:{}}}'", dir.join(name).display());
    let [api, client, other, admin, force, header, plain, proxy] = FILES.map(file);
    format!(
        "admin: {{ tokens: [{{ name: ops, token: {admin}, may: change }}] }}\n\
         clients: [{{ name: app, key: {client} }}, {{ name: other, key: {other} }}]\nproxy: {proxy}\nproviders:\n  \
         a: {{ base_url: 'http://a.test', api_keys: {api}, set_headers: {{ x-key: {header}, x-plain: {plain} }},\n      \
         query: {{ key: {header} }} }}\n  b: {{ base_url: 'http://b.test' }}\n\
         rollouts: [{{ name: r, stable: a, canary: b, percent: {percent}, force: {{ header: x-f, token: {force} }} }}]\n"
    )
}

/// All secrets of a policy, in one text.
fn secrets(policy: &Policy) -> String {
    let a = &policy.providers[0];
    let values = a.api_keys.iter().chain(a.set_headers.iter().chain(&a.query).map(|(_, value)| value));
    let values = values.chain(policy.clients.iter().map(|client| &client.key));
    let values = values.chain(policy.tokens.iter().map(|token| &token.token)).chain(&policy.egress);
    let values = values.chain(policy.rollouts[0].force.iter().map(|force| &force.token));
    values.map(|secret| secret.reveal()).collect::<Vec<_>>().join("\n")
}

fn write(dir: &Path) {
    FILES.iter().for_each(|name| std::fs::write(dir.join(name), first(name)).unwrap());
}

/// The environment of a process that strangers reach.
fn open() -> Environment {
    let open: SocketAddr = "0.0.0.0:1".parse().unwrap();
    let sockets = Sockets { listen: Some(open), admin: Some(open), ..Sockets::default() };
    Environment::of(BTreeMap::new()).with_sockets(sockets)
}

/// The same, and what it began with.
fn begun(dir: &Path) -> (Environment, Compiled) {
    write(dir);
    let environment = open();
    let begun = compile(&text(dir, "50%"), &environment).unwrap_or_else(|errors| panic!("{}", render(&errors, "")));
    (environment, begun)
}

#[test]
fn a_secret_that_turns_into_rubbish_keeps_its_last_value_and_blocks_no_edit() {
    let dir = tempfile::tempdir().unwrap();
    let long = "a-long-enough-secret";
    let rubbish = [
        ("client", format!("{long}\nand-another"), "the secret has more than one line"),
        ("admin", format!("{long}\nand-another"), "the secret has more than one line"),
        ("force", format!("{long}\nand-another"), "the secret has more than one line"),
        ("header", format!("{long}\nand-another"), "the secret has more than one line"),
        ("plain", format!("{long}\nand-another"), "has characters that are not allowed in a header"),
        ("client", format!("{long}\u{7}"), "the secret has characters that are not allowed in a header"),
        ("admin", format!("{long}\u{7}"), "the secret has characters that are not allowed in a header"),
        ("force", format!("{long}\u{7f}"), "the secret has characters that are not allowed in a header"),
        ("api", format!("{long}é"), "the secret has characters that are not allowed in a header"),
        ("header", format!("{long}\u{7}"), "the secret has characters that are not allowed in a header"),
        ("plain", format!("{long}\u{7}"), "has characters that are not allowed in a header"),
        ("admin", "short".to_owned(), "a token of fewer than 16 characters can be guessed"),
        ("force", "short".to_owned(), "a token of fewer than 16 characters can be guessed"),
        ("client", first("other"), "two clients have the same key"),
        ("other", first("client"), "two clients have the same key"),
        ("proxy", "http://me:hunter22@".to_owned(), "${file:"),
        ("proxy", "ftp://me:hunter22@host".to_owned(), "${file:"),
    ];
    for (name, value, expected) in rubbish {
        let (environment, begun) = begun(dir.path());
        std::fs::write(dir.path().join(name), &value).unwrap();
        for percent in ["0", "20%", "0"] {
            let edited = compile(&text(dir.path(), percent), &environment)
                .unwrap_or_else(|errors| panic!("{name} {value:?}: {}", render(&errors, "")));
            assert_eq!(secrets(&edited.policy), secrets(&begun.policy), "{name} {value:?}");
            let kept = edited.warnings.iter().filter(|warning| warning.contains("its last value is kept"));
            let kept: Vec<&String> = kept.collect();
            assert!(
                !kept.is_empty() && kept.iter().all(|warning| warning.contains(expected)),
                "{name} {value:?}: {kept:?}"
            );
            let all = format!("{:?}", edited.warnings);
            assert!(!all.contains("a-long-enough") && !all.contains("hunter22"), "{all}");
        }
        // What is of use is taken again.
        std::fs::write(dir.path().join(name), first(name).replace("first", "again")).unwrap();
        let again = compile(&text(dir.path(), "0"), &environment).unwrap();
        assert!(secrets(&again.policy).contains("again") && again.warnings.is_empty(), "{:?}", again.warnings);
        // A process that begins with it has no value to keep. A provider without its key is no error of the file.
        std::fs::write(dir.path().join(name), &value).unwrap();
        match compile(&text(dir.path(), "0"), &open()) {
            Ok(compiled) => assert!(compiled.policy.providers[0].unusable.is_some(), "{name} {value:?}"),
            Err(errors) => assert!(render(&errors, "").contains(expected), "{name} {value:?}: {}", render(&errors, "")),
        }
    }
}

#[test]
fn clients_whose_keys_are_exchanged_or_turn_into_one_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (environment, begun) = begun(dir.path());
    let keys = |compiled: &Compiled| -> Vec<String> {
        compiled.policy.clients.iter().map(|client| client.key.reveal().to_owned()).collect()
    };
    let put = |name: &str, value: &str| std::fs::write(dir.path().join(name), value).unwrap();
    // Nobody knows whose the new one is.
    put("client", "a-new-value");
    put("other", "a-new-value");
    assert_eq!(keys(&compile(&text(dir.path(), "0"), &environment).unwrap()), keys(&begun));
    // One comes to the place of another that stays where it was.
    put("client", "a-new-value");
    put("other", &first("client"));
    let chained = compile(&text(dir.path(), "0"), &environment).unwrap();
    assert_eq!(keys(&chained), ["a-new-value".to_owned(), first("client")]);
    put("client", &first("client"));
    put("other", "a-new-value");
    let exchanged = compile(&text(dir.path(), "0"), &environment).unwrap();
    assert_eq!((keys(&exchanged), exchanged.warnings.len()), (vec![first("client"), "a-new-value".to_owned()], 0));
}

/// Good by itself, but what is in force refuses it; and its secrets are others.
#[test]
fn a_version_that_is_refused_afterwards_takes_no_secret_away() {
    let dir = tempfile::tempdir().unwrap();
    let (environment, begun) = begun(dir.path());
    let other = "admin: { tokens: [{ name: ops, token: a-token-of-its-own, may: change }] }\n\
                 clients: [{ name: app, key: a-key-of-its-own }]\n\
                 providers: { c: { base_url: 'http://c.test', api_keys: another-key } }\n";
    drop(compile(other, &environment).unwrap());
    // One that a stream still goes by does no harm either.
    let streamed = compile(other, &environment).unwrap();
    std::fs::remove_file(dir.path().join("client")).unwrap();
    std::fs::write(dir.path().join("api"), "").unwrap();
    let edited =
        compile(&text(dir.path(), "0"), &environment).unwrap_or_else(|errors| panic!("{}", render(&errors, "")));
    assert_eq!(secrets(&edited.policy), secrets(&begun.policy));
    drop((begun, edited, streamed));
    // What nobody goes by any more is forgotten.
    let again = compile(&text(dir.path(), "0"), &environment).unwrap_err();
    assert!(render(&again, "").contains("client"), "{}", render(&again, ""));
}
