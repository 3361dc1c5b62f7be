//! Attempts: which candidate is asked, what came of it, and where that is reported.
//!
//! In: a plan and a request that can be sent. Out: an answer that may go to the client, or a problem; and one record
//! for every attempt and every request. Files in the order in which they are met: [`failover`] (one attempt after
//! another), [`candidates`] (their order), [`send`] (one attempt), [`open`] (what is known of it so far), [`breaker`],
//! [`withdrawal`] and [`deadline`] (when it is given up), [`cause`] and [`refusal`] (why it failed), [`pause`] (when
//! the next one begins), [`permit`] (what it holds of a limit), [`earlier_plans`] (attempts of earlier plans). The
//! request's [`account`] makes a [`record`] of an attempt's end and a [`request_record`] of the request's, which go to
//! the [`sinks`]; the guard's part is [`guard_report`]. Invariant: an attempt is recorded exactly once.

pub(crate) mod account;
mod breaker;
mod candidates;
pub(crate) mod cause;
pub(crate) mod deadline;
pub(crate) mod earlier_plans;
pub(crate) mod failover;
pub(crate) mod guard_report;
pub(crate) mod key_choice;
mod lookup;
pub(crate) mod open;
mod pause;
pub(crate) mod permit;
pub(crate) mod record;
pub(crate) mod refusal;
pub(crate) mod request_record;
pub(crate) mod send;
pub(crate) mod sinks;
pub(crate) mod withdrawal;
