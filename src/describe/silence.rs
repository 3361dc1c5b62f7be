//! Requests without output, in words.
//!
//! What is told are the counts of the moment at which the run was long enough. Times of day are of UTC, as everywhere in
//! the history. Where stable's answers to probes stood in for its traffic the words say so.

use super::words::{count, time};
use crate::decide::guard::silent::Silence;
use crate::decide::guard::waiting::Kind;
use crate::decide::stamp::Stamp;
use crate::decide::units::UnixMillis;

/// For how long the canary's requests have waited: `8s to 20s`.
#[must_use]
pub fn waited(shortest: f64, longest: f64) -> String {
    match (time(shortest), time(longest)) {
        (least, most) if least == most => most,
        (_, most) if shortest < 1.0 => format!("up to {most}"),
        (least, most) => format!("{least} to {most}"),
    }
}

/// That nothing is judged while stable answers nothing either.
#[must_use]
pub fn shared(silence: &Silence) -> String {
    let Silence { kind, unanswered, probed, stable_answered, stable_unanswered, .. } = *silence;
    format!(
        "stable to answer again: neither provider does ({} sent to the canary without output, {})",
        requests(kind, unanswered),
        stable(probed, stable_answered, stable_unanswered)
    )
}

pub(super) fn requests(kind: Option<Kind>, number: f64) -> String {
    let of = match kind {
        None => "",
        Some(Kind::Streamed) => "streamed ",
        Some(Kind::Whole) => "whole ",
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
    format!("{}Z", Stamp(at).to_string().get(11..19).unwrap_or_default())
}
