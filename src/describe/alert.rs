//! Sentences for faults of the process and for their end.
//!
//! Status and the history use the same sentence. Errors of the operating system are inserted unchanged. When a notice
//! is shown is decided elsewhere.

use super::{certificate, key};
use crate::decide::event::Alert;

#[must_use]
pub fn sentence(notice: &Alert) -> String {
    match notice {
        Alert::Text { text } => text.clone(),
        Alert::Certificate { warning } => certificate::sentence(warning),
        Alert::Unwritable { dir, error } => {
            format!("state in {dir} cannot be written ({error}): changes made now are lost when this process ends")
        }
        Alert::Writable { dir } => format!("state in {dir} can be written again"),
        Alert::LocksUnread { dir, error, lasting } => {
            let then =
                if *lasting { "every canary is at 0% until they can be read" } else { "existing locks stay in force" };
            format!("the locks in {dir}/locks cannot be read ({error}): {then}")
        }
        Alert::LocksRead { dir } => format!("the locks in {dir}/locks can be read again"),
        Alert::SamplesLost { lost, most } => format!(
            "the guard missed {lost} requests, failures, refusals and response times: they came faster than it reads \
             them, {most} of a core between two checks. It judges by fewer than there were, and has dropped its list \
             of waiting requests"
        ),
        Alert::KeySpent { provider, key, rest } => format!(
            "the quota behind {} of {provider} is spent: it rests for {rest}, and four times as long after each further \
             refusal, up to 1h; add money or raise the limit there",
            key::name(key)
        ),
        Alert::KeyOld { provider, key, age } => key::old(provider, key, *age),
        Alert::NobodyAnswers { rollout, canary, stable } => format!(
            "{canary}, the canary of {rollout}, answers no request while {stable} is not reachable: no user is moved, \
             and stable's requests go to {stable} first again"
        ),
        Alert::StableSilent { rollout, canary, stable, waits } => format!(
            "{stable}, the stable of {rollout}, accepts requests and answers none of them while {canary} answers: no \
             user is moved, and each request waits {waits} for {stable} before the next candidate of `fallback`"
        ),
    }
}
