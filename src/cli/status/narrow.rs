//! The status of one provider: its row, and the rollouts that move to it or from it.
//!
//! Takes away from replies and changes nothing else in them. A provider that no process has is an error with the name
//! that was probably meant, since an empty status would look like one without rollouts.

use crate::app::api::StatusReply;
use crate::cli::Failure;
use crate::decide::suggest::nearest;

/// Leaves of each reply what concerns this provider, and of the replies those that have it.
pub(super) fn narrow(replies: &mut Vec<StatusReply>, provider: &str) -> Result<(), Failure> {
    let known = || replies.iter().flat_map(|reply| &reply.providers).map(|provider| provider.name.as_str());
    if !replies.is_empty() && !known().any(|name| name == provider) {
        let remedy = match nearest(provider, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", known().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
        };
        return Err(Failure::usage(format!("--provider: no provider `{provider}` is in force; {remedy}")));
    }
    replies.retain(|reply| reply.providers.iter().any(|known| known.name == provider));
    for reply in replies {
        reply.providers.retain(|known| known.name == provider);
        reply.rollouts.retain(|rollout| rollout.stable == provider || rollout.canary.as_deref() == Some(provider));
    }
    Ok(())
}
