//! What the file says of the access log.
//!
//! Reads its keys; without any of them there is no log. Whether a file can be written is found out when the first line
//! comes: the directory may not be there yet. Invariant: a log that is asked for has a place.

use std::path::PathBuf;

use super::findings::Findings;
use crate::decide::policy::{AccessLog, AccessLogOnly, AccessLogTo};
use crate::decide::units::Percent;
use crate::flags::place::At;
use crate::flags::scalar::{Wrong, rate, size, whole, wrong};
use crate::flags::{defaults, raw};

/// A file that is put aside more often than this holds next to nothing.
const LEAST_BYTES: u64 = 64 * 1024;

/// Reads it.
pub(super) fn access_log(raw: Option<&raw::AccessLog>, at: &At, findings: &mut Findings<'_>) -> Option<AccessLog> {
    let raw = raw?;
    let only = |text: &str| match text {
        "all" => Ok(AccessLogOnly::All),
        "failures" => Ok(AccessLogOnly::Failures),
        _ => wrong("is no choice of requests", "write `all` or `failures`"),
    };
    let most = |text: &str| match size(text)? {
        bytes if bytes >= LEAST_BYTES => Ok(bytes),
        _ => wrong("is less than 64KiB", "write a size such as `100MiB`"),
    };
    let to = findings.given(&at.key("to"), raw.to.as_ref().map(|text| text.0.as_str()), place);
    let given = |text: &'_ Option<crate::flags::kinds::Text>| text.as_ref().map(|text| text.0.clone());
    let asked = AccessLog {
        to: to.clone().unwrap_or(AccessLogTo::Stdout),
        only: findings.value(&at.key("only"), given(&raw.only).as_deref(), AccessLogOnly::All, only),
        sample: findings.value(&at.key("sample"), raw.sample.as_ref().map(|text| text.0.as_str()), Percent::ALL, rate),
        max_per_second: findings.value(
            &at.key("max_per_second"),
            raw.max_per_second.as_ref().map(|text| text.0.as_str()),
            defaults::ACCESS_LOG_PER_SECOND,
            |text| whole(text, 1, 1_000_000),
        ),
        max_bytes: findings.value(
            &at.key("max_bytes"),
            raw.max_bytes.as_ref().map(|text| text.0.as_str()),
            defaults::ACCESS_LOG_BYTES,
            most,
        ),
    };
    if asked.sample == Percent::ZERO {
        findings.error(
            &at.key("sample"),
            "a sample of nothing",
            "write a share such as `10%`, or take `access_log` out",
        );
    }
    to.map(|_| asked)
}

fn place(text: &str) -> Result<AccessLogTo, Wrong> {
    match text.trim() {
        "" => wrong("is no place", "write `stdout`, or the path of a file"),
        "stdout" => Ok(AccessLogTo::Stdout),
        "stderr" => wrong("is where Serin's own log goes", "write `stdout`, or the path of a file"),
        path if path.ends_with('/') => wrong("is a directory", "add the name of a file to it"),
        path => Ok(AccessLogTo::File(PathBuf::from(path))),
    }
}
