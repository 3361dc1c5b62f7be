//! Sentences for requests without output.
//!
//! The counts are those of the moment at which the run was long enough. Times of day are in UTC, as in the history. If
//! stable's responses to probes replaced its traffic, the sentence contains that.

use super::format::{count, time};
use crate::decide::guard::silent::SilentRun;
use crate::decide::guard::waiting::ResponseKind;
use crate::decide::timestamp::Timestamp;
use crate::decide::units::UnixMillis;

/// How long the canary's requests have waited: `8s to 20s`.
#[must_use]
pub fn waited(shortest: f64, longest: f64) -> String {
    match (time(shortest), time(longest)) {
        (least, most) if least == most => most,
        (_, most) if shortest < 1.0 => format!("up to {most}"),
        (least, most) => format!("{least} to {most}"),
    }
}

/// The sentence for a silence of both providers.
#[must_use]
pub fn shared(silence: &SilentRun) -> String {
    let SilentRun { kind, unanswered, probed, stable_answered, stable_unanswered, .. } = *silence;
    format!(
        "stable to answer again: neither provider does ({} sent to the canary without output, {})",
        requests(kind, unanswered),
        stable(probed, stable_answered, stable_unanswered)
    )
}

pub(super) fn requests(kind: Option<ResponseKind>, number: f64) -> String {
    let of = match kind {
        None => "",
        Some(ResponseKind::Streamed) => "streamed ",
        Some(ResponseKind::Whole) => "whole ",
    };
    format!("{} {of}request{}", count(number), if number > 1.0 { "s" } else { "" })
}

pub(super) fn stable(probed: bool, answered: f64, unanswered: f64) -> String {
    let (answered, all) = (count(answered), count(answered + unanswered));
    if probed {
        return format!("stable answered {answered} of {all} probes");
    }
    format!("stable answered {answered} of {all} sent in the same seconds")
}

/// A time of day: `07:55:42Z`.
pub(super) fn time_of_day(at: UnixMillis) -> String {
    format!("{}Z", Timestamp(at).to_string().get(11..19).unwrap_or_default())
}
