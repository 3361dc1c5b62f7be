//! A rollout or a plain route: which requests it takes, how users are found, and who answers them.
//!
//! Shapes only. The route of a request is decided by [`decide::route`](crate::decide::route) and its other candidates by
//! [`decide::fallback`](crate::decide::fallback). Invariant: a rollout without a canary moves no user.

use std::collections::{BTreeMap, BTreeSet};

use super::canary::Canary;
use super::retry::Retry;
use super::secret::Secret;
use crate::decide::units::{Arm, Millis, ProviderId};

/// A named move from one provider to another, or (without `canary`) a plain route.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// `[A-Za-z0-9._-]`, unique; also its label in metrics.
    pub name: String,
    /// Which requests it takes.
    pub matches: Match,
    /// Who serves the stable arm.
    pub stable: ProviderId,
    /// The move, if there is one.
    pub canary: Option<Canary>,
    /// Where the user id is looked for: the first that is present.
    pub user: Vec<UserSource>,
    /// What happens to a request without a user id.
    pub anonymous: Anonymous,
    /// Put before the user id when hashing; empty: none.
    pub salt: String,
    /// Users whose arm is fixed.
    pub pins: BTreeMap<String, Arm>,
    /// How a tester chooses the arm.
    pub force: Option<Force>,
    /// Who else may answer when the chosen provider fails.
    pub fallback: Fallback,
    /// Whether stable is asked when the canary refuses a request that may be sound.
    pub fallback_4xx: bool,
    /// How long the first byte of a streamed canary answer may take while another provider can answer.
    pub give_up_after: Millis,
    /// How long the frames before an answer's first output are held back at most.
    pub hold: Millis,
    /// When the same provider is asked again.
    pub retry: Retry,
    /// Whether a streamed answer is passed on as it comes.
    pub stream_mode: StreamMode,
    /// What a client is told when every candidate failed; `None`: the failure.
    pub last_resort: Option<String>,
    /// Tags that stable, canary, every fallback and whoever takes unmatched requests have.
    pub require: BTreeSet<String>,
}

impl Rollout {
    /// Whether this is the provider that users are moved from: what one of them makes it do must move no other.
    #[must_use]
    pub fn moves_from(&self, provider: ProviderId) -> bool {
        self.canary.is_some() && self.stable == provider
    }

    /// Whether this is the provider that users are moved to.
    #[must_use]
    pub fn moves_to(&self, provider: ProviderId) -> bool {
        self.canary.as_ref().is_some_and(|canary| canary.provider == provider)
    }
}

/// Who else may answer a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// No user.
    Nobody,
    /// The provider of the other arm.
    OtherArm,
    /// These, in turn.
    List(Vec<ProviderId>),
}

/// Whether a streamed answer is passed on as it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamMode {
    /// As soon as there is output.
    Live,
    /// Once it is whole, so that a cut or a stall can still be recovered.
    Buffered,
}

/// Which requests a rollout takes; every part that is present must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Paths below the mount, without a leading slash: `chat/completions`.
    pub endpoints: Vec<String>,
    /// Pattern of the model's name.
    pub model: Option<Pattern>,
    /// Patterns of header values by lower-case header name.
    pub headers: BTreeMap<String, Pattern>,
    /// Pattern of the path below the mount, with its leading slash; replaces `endpoints` when present.
    pub path: Option<Pattern>,
}

/// A text in which `*` stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(pub String);

/// Where a user id may be found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UserSource {
    /// `header:x-user-id`, in lower case.
    Header(String),
    /// `cookie:uid`.
    Cookie(String),
    /// `query:user`.
    Query(String),
    /// `body:metadata.user_id`, taken apart at the dots.
    Body(Vec<String>),
}

/// What happens to a request without a user id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// Hashed by the first system and first user message as sent; stable where there are none.
    Conversation,
    /// Drawn anew for every request.
    Random,
    /// Always stable.
    Stable,
}

/// How a tester chooses the arm: this header, with this value.
#[derive(Clone, Debug)]
pub struct Force {
    /// In lower case; never forwarded.
    pub header: String,
    /// `TOKEN` or `TOKEN:canary` forces the canary, `TOKEN:stable` stable; anything else is ignored.
    pub token: Secret,
}
