//! What the file says of the access log.
//!
//! Reads its keys; without any of them there is no log. Whether a file can be written is found out when the first line
//! comes: the directory may not be there yet. Invariant: a log that is asked for has a place.

use std::path::PathBuf;

use super::findings::Findings;
use crate::decide::policy::{AccessLog, AccessLogOnly, AccessLogTo};
use crate::decide::units::Percent;
use crate::flags::place::At;
use crate::flags::scalar::{Wrong, rate, size, wrong};

/// A file that is put aside more often than this holds next to nothing.
const LEAST_BYTES: u64 = 64 * 1024;

/// Reads it.
pub(super) fn access_log(at: &At, findings: &mut Findings<'_>) -> Option<AccessLog> {
    if !at.fits() {
        return None;
    }
    let most = |text: &str| match size(text)? {
        bytes if bytes >= LEAST_BYTES => Ok(bytes),
        _ => wrong("is less than 64KiB", "write a size such as `100MiB`"),
    };
    let only = [("all", AccessLogOnly::All), ("failures", AccessLogOnly::Failures)];
    let to = findings.given(&at.key("to"), place);
    let asked = AccessLog {
        to: to.clone().unwrap_or(AccessLogTo::Stdout),
        only: findings.choice(&at.key("only"), "is not a choice of requests", &only),
        sample: findings.value(&at.key("sample"), rate),
        max_per_second: findings.whole(&at.key("max_per_second")),
        max_bytes: findings.value(&at.key("max_bytes"), most),
    };
    if asked.sample == Percent::ZERO {
        findings.error(
            &at.key("sample"),
            "a sample of 0% logs nothing",
            "write a share such as `10%`, or remove `access_log`",
        );
    }
    to.map(|_| asked)
}

fn place(text: &str) -> Result<AccessLogTo, Wrong> {
    match text.trim() {
        "" => wrong("is not a destination", "write `stdout`, or the path of a file"),
        "stdout" => Ok(AccessLogTo::Stdout),
        "stderr" => wrong("is where Serin's own log goes", "write `stdout`, or the path of a file"),
        path if path.ends_with('/') => wrong("is a directory", "add the name of a file to it"),
        path => Ok(AccessLogTo::File(PathBuf::from(path))),
    }
}
