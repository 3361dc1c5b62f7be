//! What is remembered from one look at the models that providers take away to the next.
//!
//! What is near for the status, what was told before, and when to look again. Says nothing of what is near:
//! [`retirements`](super::retirements) looks. Invariant: nothing is told before it is known what was told.

use crate::decide::retirement::Retirement;
use crate::decide::units::Millis;

/// What is near, and what was told of it.
#[derive(Debug, Default)]
pub(super) struct RetirementWatch {
    pub(super) told: Told,
    /// When to look next; `None`: now.
    pub(super) next: Option<Millis>,
    pub(super) near: Vec<Retirement>,
}

/// What the history has of earlier notices.
#[derive(Debug, Default)]
pub(super) enum Told {
    /// The history has not been read.
    #[default]
    Unknown,
    /// It is being read.
    Asked,
    Known(Vec<Retirement>),
}

impl RetirementWatch {
    /// What the status says.
    pub(super) fn near(&self) -> &[Retirement] {
        &self.near
    }

    /// Another file is in force.
    pub(super) fn look_soon(&mut self) {
        self.next = None;
    }
}
