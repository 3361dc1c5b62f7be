//! Every kind of bad input with the very message that it gives: `tests/golden/flags/NAME.yaml` and `NAME.txt`.
//!
//! `SERIN_GOLDEN=write cargo test golden` writes the messages anew, for review in the diff.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::flags::{Environment, read, render};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/flags")
}

fn environment() -> Environment {
    let variables = [("A_KEY", "resolved-key-a"), ("BAD_ADDRESS", "resolved-address"), ("BLANK", " ")];
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
                format!("accepted\n{}", compiled.warnings.iter().map(|w| format!("warning: {w}\n")).collect::<String>())
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
