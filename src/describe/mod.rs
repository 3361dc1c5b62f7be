//! Every sentence about a decision, an outcome or a cause, from typed values, and the charts of a page.
//!
//! Pure, and used by the log, the history, status, the API and the command line. Nothing here decides anything or
//! changes a number. A sentence states a fact, and a remedy where there is one. Texts from outside (a reason, an error
//! of the system) are inserted unchanged; the caller escapes them for its output.

pub mod abilities;
pub mod alert;
pub mod anonymous;
pub mod cause;
pub mod certificate;
pub mod command;
pub mod comparison;
pub mod decision;
pub mod dry_run;
pub mod ephemeral;
pub mod event;
pub mod exposure;
pub mod flag;
pub mod format;
pub mod in_force;
pub mod incident;
pub mod incompatibility;
pub mod kept_state;
pub mod key;
pub mod notification;
pub mod numbers;
pub mod page;
pub mod plan;
pub mod probe;
pub mod promotion;
pub mod retirement;
pub mod rollback_ready;
pub mod silent;
pub mod stable_fault;
pub mod unusable_stable;
pub mod verdict;
pub mod warning;
