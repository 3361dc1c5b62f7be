//! Requests without output in words and numbers.
//!
//! What is told are the counts of the moment at which the run was long enough. Times of day are of UTC, as everywhere in
//! the history. Where stable's answers to probes stood in for its traffic the words say so.

use super::words::{count, time};
use crate::decide::guard::silent::Silence;
use crate::decide::guard::waiting::Kind;
use crate::decide::policy::Guard;
use crate::decide::stamp::Stamp;
use crate::decide::units::{Millis, UnixMillis};

/// What was found, in a sentence.
pub(super) fn cause(silence: &Silence, guard: &Guard, now: UnixMillis) -> String {
    let Silence { unanswered, longest, shortest, evidence, .. } = silence;
    let waited = match (time(*shortest), time(*longest)) {
        (shortest, longest) if shortest == longest => longest,
        (_, longest) if *shortest < 1.0 => format!("up to {longest}"),
        (shortest, longest) => format!("{shortest} to {longest}"),
    };
    format!(
        "{} sent since {} have had no output for {waited}; {} (evidence {evidence:.1}, bound {})",
        requests(silence, *unanswered),
        since(silence, now),
        stable(silence),
        guard.constants.down_evidence,
    )
}

/// That nothing is judged while stable answers nothing either.
#[must_use]
pub fn shared(silence: &Silence) -> String {
    format!(
        "stable to answer again: neither provider does ({} sent to the canary without output, {})",
        requests(silence, silence.unanswered),
        stable(silence)
    )
}

pub(super) fn numbers(silence: &Silence, guard: &Guard, put: &mut impl FnMut(&str, String)) {
    put("unanswered", count(silence.unanswered));
    let kind = silence.kind.map_or("all", |kind| if kind == Kind::Streamed { "streamed" } else { "whole" });
    put("kind", kind.to_owned());
    put("waited_seconds", format!("{:.0}", silence.longest));
    put("waited_seconds_at_least", format!("{:.0}", silence.shortest));
    let stable = if silence.probed { "stable_probes" } else { "stable" };
    put(&format!("{stable}_answered"), count(silence.stable_answered));
    put(&format!("{stable}_unanswered"), count(silence.stable_unanswered));
    put("silent_evidence", format!("{:.1}", silence.evidence));
    put("silent_bound", guard.constants.down_evidence.to_string());
}

pub(super) fn would_change(silence: &Silence, now: UnixMillis) -> String {
    format!("output of the canary for one request sent since {} would have ended the run", since(silence, now))
}

fn requests(silence: &Silence, number: f64) -> String {
    let of = match silence.kind {
        None => "",
        Some(Kind::Streamed) => "streamed ",
        Some(Kind::Whole) => "whole ",
    };
    format!("{} {of}request{}", count(number), if number > 1.0 { "s" } else { "" })
}

fn stable(silence: &Silence) -> String {
    let (answered, all) = (silence.stable_answered, silence.stable_answered + silence.stable_unanswered);
    if silence.probed {
        return format!("stable answered {} of {} probes", count(answered), count(all));
    }
    format!("stable answered {} of {} sent in the same seconds", count(answered), count(all))
}

/// The time of day at which the first was sent.
fn since(silence: &Silence, now: UnixMillis) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
    let waited = Millis((silence.longest * 1000.0) as u64);
    let stamp = Stamp(UnixMillis(now.0.saturating_sub(waited.0))).to_string();
    format!("{}Z", stamp.get(11..19).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_247_762_000);

    #[test]
    fn a_run_is_told_by_its_counts_and_its_times() {
        let silence = Silence {
            unanswered: 17.0,
            stable_answered: 40.0,
            stable_unanswered: 1.0,
            longest: 20.0,
            shortest: 8.0,
            evidence: 50.93,
            down: true,
            ..Silence::default()
        };
        let told = cause(&silence, &Guard::default(), NOW);
        let expected = "17 requests sent since 07:55:42Z have had no output for 8s to 20s; stable answered 40 of 41 sent \
                        in the same seconds (evidence 50.9, bound 23)";
        assert_eq!(told, expected);
        let alone = Silence { kind: Some(Kind::Whole), probed: true, shortest: 20.0, ..silence };
        let told = cause(&alone, &Guard::default(), NOW);
        assert!(
            told.starts_with("17 whole requests sent since 07:55:42Z have had no output for 20s; stable"),
            "{told}"
        );
        assert!(told.contains("stable answered 40 of 41 probes"), "{told}");
    }
}
