//! Every sentence about a decision, from the values that it was made by.
//!
//! Pure, and for everybody who shows something: the log, the history, status, the API, the command line. What is decided
//! is decided elsewhere; nothing here changes a number or judges one. A sentence says what is so, and what mends it where
//! something can. Texts that came from outside (a reason, an error of the system) go in as they are: whoever shows them
//! makes them safe for the place.

pub mod advice;
pub mod anonymous;
pub mod cause;
pub mod command;
pub mod decision;
pub mod ephemeral;
pub mod event;
pub mod exposure;
pub mod in_force;
pub mod notice;
pub mod numbers;
pub mod outlook;
pub mod silence;
pub mod stable_fault;
pub mod unserved;
pub mod warning;
pub mod words;
