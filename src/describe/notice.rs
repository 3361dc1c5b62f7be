//! What is not as it should be, or is so again, in a sentence.
//!
//! What stays so until somebody mends it is told by the same words in status as in the history. Errors of the system go in
//! as the system words them.

use crate::decide::event::Notice;

/// The sentence.
#[must_use]
pub fn sentence(notice: &Notice) -> String {
    match notice {
        Notice::Text { text } => text.clone(),
        Notice::Unwritable { dir, error } => {
            format!("state in {dir} cannot be written ({error}): nothing that changes now outlives this process")
        }
        Notice::Writable { dir } => format!("state in {dir} can be written again"),
        Notice::LocksUnread { dir, error, lasting } => {
            let then = if *lasting { "every canary is at 0% until they can" } else { "what is locked stays so" };
            format!("the locks in {dir}/locks cannot be read ({error}): {then}")
        }
        Notice::LocksRead { dir } => format!("the locks in {dir}/locks can be read again"),
        Notice::SamplesLost { lost, most } => format!(
            "the guard was not told of {lost} requests, failures, refusals and times of answers: they came faster than it \
             takes them, {most} of a core between two looks, so it judges by fewer than there were, and has forgotten who \
             waits"
        ),
        Notice::NobodyAnswers { rollout, canary, stable } => format!(
            "{canary}, the canary of {rollout}, answers nobody while {stable} cannot be reached: nobody is moved, and the \
             requests of stable are asked of {stable} first again"
        ),
        Notice::StableSilent { rollout, canary, stable, waits } => format!(
            "{stable}, the stable of {rollout}, takes requests and answers none of them while {canary} answers: nobody is \
             moved, and each request waits {waits} for {stable} before another is asked, as `fallback` allows"
        ),
    }
}
