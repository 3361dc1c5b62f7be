//! What providers say when all is well, and the ways in which they fail: scripts for [`super::scripted`].

pub(crate) mod answer;
pub(crate) mod fault;
