//! The state that a request names, and who keeps it.
//!
//! Finds the ids in path, query and body, and looks them up. A request that can name none costs a look at its path or at
//! a few words. Decides nothing: where such a request goes is [`by_state`](crate::decide::route::by_state)'s. Invariant: of several ids the most specific that is known decides.

use std::borrow::Cow;

use super::read::ReadRequest;
use crate::clock;
use crate::decide::state_at::StateAt;
use crate::proxy::core::{Core, InUse};
use crate::state::state_ids::StateKey;
use crate::wire::body::Peek;
use crate::wire::dialect::Dialect;
use crate::wire::path;
use crate::wire::state_ids::{body_names, in_path, in_query, in_request};

/// The ids that a request names, the more specific first: none for nearly every request.
#[derive(Debug, Default)]
pub(crate) struct NamedState {
    pub(crate) keys: Vec<StateKey>,
    /// Whether the first of them is what the path ends with: a DELETE removes it.
    pub(crate) is_target: bool,
    /// Whether the first of them is in the path.
    pub(crate) in_path: bool,
    /// Whether it goes on from something, as far as can be told.
    is_bound: bool,
}

impl NamedState {
    pub(super) fn of(request: &ReadRequest, core: &Core, in_use: &InUse, peek: Option<&Peek<'_>>) -> NamedState {
        let prepared = &in_use.prepared.state;
        let mut named = NamedState::default();
        if !prepared.is_split {
            return named;
        }
        let below = if request.dialect == Dialect::Plain { path::plain(request.below()) } else { Cow::Borrowed("") };
        if let Some(found) = in_path(&below) {
            named.keys.push(core.state_ids.key(found.id));
            (named.in_path, named.is_target) = (true, found.last);
        } else if let Some(id) = in_query(&below, request.parts.uri.query()) {
            named.keys.push(core.state_ids.key(id));
        }
        named.is_bound = peek.is_some_and(Peek::is_state_bearing);
        if let Some(whole) = request.held.whole.as_ref().filter(|whole| whole.boundary.is_none())
            && (request.dialect != Dialect::Plain || body_names(&below))
            && prepared.needles.may_name(request.dialect, named.is_bound, &whole.bytes)
        {
            in_request(&whole.bytes, |id| named.keys.push(core.state_ids.key(id)));
        }
        named.is_bound |= !named.keys.is_empty();
        named
    }

    /// Where that is, by what is known now.
    pub(super) fn at(&self, core: &Core, in_use: &InUse) -> StateAt {
        if !self.is_bound {
            return StateAt::Nowhere;
        }
        if core.state_ids.is_empty() {
            return StateAt::Unknown;
        }
        let now = clock::unix();
        let keeper = |key: &StateKey| {
            let id = in_use.prepared.state.provider(core.state_ids.find(*key, now)?)?;
            (!in_use.snapshot.is_state_moved(id)).then_some(id)
        };
        self.keys.iter().find_map(keeper).map_or(StateAt::Unknown, StateAt::Provider)
    }
}
