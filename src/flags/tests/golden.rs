//! Every kind of bad input with the very message that it gives: `tests/golden/flags/NAME.yaml` and `NAME.txt`.
//!
//! `SERIN_GOLDEN=write cargo test golden` writes the messages anew, for review in the diff.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::flags::compile::compile;
use crate::flags::{Environment, read, render};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/flags")
}

fn environment() -> Environment {
    let variables = [
        ("A_KEY", "resolved-key-a"),
        ("BAD_ADDRESS", "resolved-address"),
        ("BLANK", " "),
        ("A_PATH", "chat/completions"),
    ];
    Environment::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

#[test]
fn every_kind_of_bad_input_has_its_message() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(golden()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        seen += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let message = match read(&path, &environment()).result {
            Ok(compiled) => {
                let warnings = compiled.warnings.iter().map(|warning| format!("warning: {warning}\n"));
                let notes = compiled.notes.iter().map(|note| format!("note: {note}\n"));
                format!("accepted\n{}", warnings.chain(notes).collect::<String>())
            }
            Err(errors) => render(&errors, &name),
        };
        let expected = path.with_extension("txt");
        if std::env::var_os("SERIN_GOLDEN").is_some_and(|value| value == "write") {
            fs::write(&expected, &message).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != message {
            wrong.push(format!("--- {name}\n{message}"));
        }
    }
    assert!(seen > 40, "only {seen} golden files");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_secret_is_in_no_message() {
    for entry in fs::read_dir(golden()).unwrap() {
        let path = entry.unwrap().path();
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        if path.extension().is_some_and(|extension| extension == "txt") {
            for secret in ["resolved-", "s3cr3t", "sk-live"] {
                assert!(!text.contains(secret), "{} tells {secret}", path.display());
            }
        }
    }
}

#[test]
fn what_nobody_writes_by_hand_is_told_with_its_bound() {
    let messages_of = |text: &str| {
        let errors = compile(text, &Environment::without_secrets()).unwrap_err();
        (errors[0].path.clone(), errors[0].problem.clone())
    };
    let says = |path: &str, problem: &str| (path.to_owned(), problem.to_owned());
    let keys = |count: usize| (0..count).map(|n| format!("k{n}: v, ")).collect::<String>();
    let provider = |key: &str| format!("providers: {{ a: {{ base_url: http://localhost, {key} }} }}");
    assert!(compile(&provider(&format!("models: {{ {} }}", keys(1000))), &Environment::without_secrets()).is_ok());
    assert_eq!(
        messages_of(&provider(&format!("models: {{ {} }}", keys(1001)))),
        says("providers.a.models", "there are 1001 entries, and at most 1000 are allowed")
    );
    assert_eq!(
        messages_of(&provider(&format!("api_keys: [{}]", "k, ".repeat(1001)))),
        says("providers.a.api_keys", "there are 1001 entries, and at most 1000 are allowed")
    );
    assert_eq!(
        messages_of(&provider(&format!("probe_path: /{}", "x".repeat(8192)))),
        says("providers.a.probe_path", "this text is longer than 8192 bytes")
    );
    assert_eq!(
        messages_of(&provider(&format!("models: {{ ? {} : v }}", "x".repeat(8193)))).1,
        "this name is longer than 8192 bytes"
    );
    assert_eq!(messages_of(&"- a\n".repeat(250_001)).1, "the file has more than 250000 values");
    let variables = BTreeMap::from([("LONG".to_owned(), "x".repeat(60_000))]);
    let errors = compile(&provider("auth: \"${LONG}${LONG}\""), &Environment::of(variables)).unwrap_err();
    assert_eq!(errors[0].problem, "references that make a text longer than 64 KiB");
}

#[test]
fn a_secret_that_is_a_number_is_in_no_message() {
    for value in ["7391048265", "0739104826", "-7391048265", "7391.048265", "[7391048265]", "[[7391048265]]"] {
        for place in [
            "providers: { a: { base_url: http://localhost, api_keys: KEY } }",
            "providers: { a: { base_url: http://localhost, set_headers: { x-team: KEY } } }",
            "providers: { a: { base_url: http://localhost, query: { sig: KEY } } }",
            "clients: [{ name: a, key: KEY }]",
            "admin: { tokens: [{ name: a, token: KEY, may: read }] }",
            "rollouts: [{ name: a, stable: a, force: { header: x, token: KEY } }]",
        ] {
            let text = format!("{}\nworkers: many\n", place.replace("KEY", value));
            let message = render(&compile(&text, &environment()).unwrap_err(), "flags.yaml");
            assert!(!message.contains("7391") && !message.contains("48265"), "{message}");
        }
    }
}

#[test]
fn a_secret_in_a_device_or_a_fifo_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for place in ["/dev/zero", &fifo.display().to_string()] {
        let text = format!(
            "providers: {{ a: {{ base_url: http://localhost, api_keys: '${{file:{place}}}', tls: {{ ca_file: {place} }} }} }}"
        );
        let compiled = compile(&text, &Environment::of(BTreeMap::new())).unwrap();
        let problem = format!("{place} is not a regular file");
        assert_eq!(compiled.policy.providers[0].unusable.as_deref(), Some(problem.as_str()));
        assert_eq!(compiled.warnings.iter().filter(|warning| warning.contains(&problem)).count(), 2);
    }
}

#[test]
fn files_that_no_repository_should_hold() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.yaml");
    let message = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let errors = read(&path, &Environment::of(BTreeMap::new())).result.unwrap_err();
        render(&errors, "flags.yaml")
    };
    assert_eq!(
        message(&vec![b'#'; 10 * 1024 * 1024]),
        "flags.yaml: 1 error\n\nflags.yaml: the file is larger than 1 MiB\n      = check that this is the right file\n"
    );
    assert_eq!(
        message(b"providers:\n  caf\xe9: 1\n"),
        "flags.yaml: 1 error\n\nflags.yaml:2:6: the byte 0xe9 is not UTF-8\n    2 |   caf\u{fffd}: 1\n      |      ^\n      = save the file as UTF-8\n"
    );
    assert_eq!(
        message(b"\xff\xfep\0"),
        "flags.yaml: 1 error\n\nflags.yaml:1:1: the file is UTF-16\n    1 | \u{fffd}\u{fffd}p?\n      | ^\n      = save it as UTF-8\n"
    );
    let wide: Vec<u8> = "providers: {}".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert!(message(&wide).contains("the file is UTF-16 or UTF-32"), "without a byte-order mark");
    assert!(message(b"\xff\xfe\0\0p\0\0\0").contains("UTF-32"));
    assert!(message(b"providers: {}\n\0").contains(":2:1: a NUL byte, which a text cannot contain"));
    for empty in [&b""[..], b"\xef\xbb\xbf", b" \n\n"] {
        assert!(message(empty).contains("the file is empty"));
    }
    fs::remove_file(&path).unwrap();
    let errors = read(&path, &Environment::of(BTreeMap::new())).result.unwrap_err();
    assert!(errors[0].to_string().contains("cannot be read: No such file"), "{}", errors[0]);
    fs::create_dir(&path).unwrap();
    let errors = read(&path, &Environment::of(BTreeMap::new())).result.unwrap_err();
    assert!(errors[0].to_string().contains("it is not a regular file"), "{}", errors[0]);
}
