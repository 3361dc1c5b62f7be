//! Comparing two answers to one request: stable's, which a user got, and that of a copy, which nobody gets.
//!
//! Owns which requests are copied ([`eligible`], [`request`]), how many and for how much ([`pace`], [`spending`]), what
//! an answer is for a comparison ([`digest`]), what is found ([`defect`], [`difference`]), its counts ([`tally`]), and
//! what a rehearsal concludes from them ([`rehearsal`]). Sends nothing and keeps no text. Invariant: a copy is never
//! evidence for the guard, and what is counted of it is kept apart from what users met.

pub mod defect;
pub mod difference;
pub mod digest;
pub mod eligible;
pub mod funnel;
pub mod mode;
pub mod pace;
pub mod rehearsal;
pub mod request;
mod schema;
mod script;
pub mod spending;
pub mod tally;
