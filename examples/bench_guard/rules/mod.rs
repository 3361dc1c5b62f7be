//! Rules from the literature, to compare with: not part of Serin, so they live here and not in its binary.

pub(crate) mod cusum;
pub(crate) mod labels;
pub(crate) mod msprt;
pub(crate) mod safe_test;
mod share;
pub(crate) mod wilson;
