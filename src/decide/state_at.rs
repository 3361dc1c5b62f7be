//! Where the state is that a request names, as far as it is known, and what follows for the request.
//!
//! Values only: [`by_state`](super::route::by_state) decides with them, and who keeps what is remembered elsewhere.
//! Invariant: a request that names no state is bound to nobody.

use super::units::ProviderId;

/// What is known of the state that a request names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StateAt {
    /// It names none.
    #[default]
    Nowhere,
    /// Nobody is known to keep it.
    Unknown,
    /// This provider keeps it.
    Provider(ProviderId),
}

/// Whether a request is bound to a provider by the state that it names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bound {
    #[default]
    No,
    /// To stable, since nobody else is known to keep it.
    Unknown,
    /// To stable, since a hand chose it: nobody else is asked.
    Stable,
    /// To its owner.
    Known,
}

impl Bound {
    #[must_use]
    pub const fn is_bound(self) -> bool {
        !matches!(self, Bound::No)
    }
}
