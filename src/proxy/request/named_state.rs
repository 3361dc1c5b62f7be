//! The state that a request names, and who keeps it.
//!
//! Finds the ids in path, query and body, and looks them up. A request that can name none costs a look at its path or
//! at a few words. Decides nothing: where such a request goes is [`by_state`](crate::decide::route::by_state)'s.
//! Invariant: what a request goes on from decides before what it only uses, known or not.

use std::borrow::Cow;

use super::read::ReadRequest;
use crate::clock;
use crate::decide::state_at::StateAt;
use crate::decide::units::ProviderId;
use crate::proxy::core::{Core, InUse};
use crate::state::state_ids::StateKey;
use crate::wire::body::Peek;
use crate::wire::dialect::Dialect;
use crate::wire::path;
use crate::wire::state_ids::{body_names, counts_tokens, in_path, in_query, in_request};

/// The ids that a request names, the more specific first: none for nearly every request.
#[derive(Debug, Default)]
pub(crate) struct NamedState {
    pub(crate) keys: Vec<StateKey>,
    /// Whether the first of them is what the path ends with: a DELETE removes it.
    pub(crate) is_target: bool,
    /// Whether the first of them is in the path.
    pub(crate) in_path: bool,
    /// Where that is, by what is known now.
    pub(crate) state: StateAt,
    /// The id by which that is known.
    pub(crate) decided_by: Option<StateKey>,
    /// Who keeps something less specific: it is asked first where stable does not have the rest.
    pub(crate) likely: Option<ProviderId>,
}

impl NamedState {
    pub(super) fn of(request: &ReadRequest, core: &Core, in_use: &InUse, peek: Option<&Peek<'_>>) -> NamedState {
        let prepared = &in_use.prepared.state;
        let mut named = NamedState::default();
        if !prepared.is_split || request.grpc.is_some() {
            return named;
        }
        let below = if request.dialect == Dialect::Plain { path::plain(request.below()) } else { Cow::Borrowed("") };
        // What counts tokens has the body of a message.
        let dialect = if counts_tokens(&below) { Dialect::Messages } else { request.dialect };
        // Whether the request goes on from what the first id stands for.
        let mut goes_on = false;
        if let Some(found) = in_path(&below) {
            named.keys.push(core.state_ids.key(found.id));
            (goes_on, named.in_path, named.is_target) = (true, true, found.last);
        } else if let Some(id) = in_query(&below, request.parts.uri.query()) {
            named.keys.push(core.state_ids.key(id));
            goes_on = true;
        }
        let bears = peek.is_some_and(Peek::is_state_bearing);
        if let Some(whole) = request.held.whole.as_ref().filter(|whole| whole.boundary.is_none())
            && (dialect != Dialect::Plain || body_names(&below))
            && prepared.needles.may_name(dialect, bears, &whole.bytes)
        {
            in_request(dialect, &whole.bytes, |id, is_of_thread| {
                goes_on |= named.keys.is_empty() && is_of_thread;
                named.keys.push(core.state_ids.key(id));
            });
        }
        named.locate(core, in_use, goes_on);
        named
    }

    fn locate(&mut self, core: &Core, in_use: &InUse, goes_on: bool) {
        if self.keys.is_empty() {
            return;
        }
        self.state = StateAt::Unknown;
        if core.state_ids.is_empty() {
            return;
        }
        let now = clock::unix();
        let owner = |key: &StateKey| Some((*key, in_use.prepared.state.provider(core.state_ids.find(*key, now)?)?));
        let Some((key, id)) = self.keys.iter().find_map(owner) else { return };
        if goes_on && self.keys.first() != Some(&key) {
            self.likely = Some(id);
        } else {
            (self.state, self.decided_by) = (StateAt::Provider(id), Some(key));
        }
    }
}
