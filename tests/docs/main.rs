//! README.md and the book in docs/ are true: every reference page is what the code says, every name in the texts
//! exists, nothing that exists is missing, every file passes `serin check`, and every command is run.
//!
//! The texts are compared with what the binary prints (`schema`, `--help`, `check`) and with the lists in the sources.
//! Links and anchors are checked by docs/build.sh. The examples in Python and JavaScript are run by the SDK tests.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot read its subject has failed")]

// The generator itself, so that its pages are compared without building the example first.
#[path = "../../examples/reference_pages/pages/mod.rs"]
mod pages;

mod files;
mod guard_speed;
mod names;
mod reference;
mod shell;
mod status_json;
mod summary;
mod texts;
