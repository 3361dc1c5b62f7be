//! The engine: one unit per rollout. An input goes in, effects come out.
//!
//! Inputs come from the event loop: ticks, commands, files, lock files, signals. Effects go out: events, writes for the
//! outbox, the snapshot and the status. Does no I/O and reads no clock.
//!
//! In the order in which an input meets the files: [`bootstrap`] starts the engine. [`plan`] compares a new file,
//! [`reload`] checks it ([`unusable_stable`]) and [`apply_policy`] puts it in force. [`commands`] takes operators'
//! commands, and [`dry_run`] says what they would do. [`feedback`] takes the application's verdicts, and
//! [`notifications`] the answers of those who are notified. [`dispatch`] hands each [`input`] to an [`entry`] of the
//! file, whose [`rollout`] answers with [`effects`]. [`context`] is what rollouts share.

mod apply_policy;
mod availability;
pub mod bootstrap;
mod certificate;
pub(super) mod commands;
pub(super) mod committed;
mod comparisons;
pub(super) mod context;
mod copies_seen;
pub(super) mod digest;
mod digest_schedule;
pub mod dispatch;
mod dry_run;
pub(super) mod effects;
pub(super) mod entry;
mod feedback;
mod forecast;
mod hard;
mod incidents;
pub(super) mod input;
mod keys;
mod limits;
mod notifications;
mod plan;
pub(super) mod providers;
mod reload;
mod retirement_watch;
mod retirements;
pub(super) mod rollout;
pub(super) mod stable_readiness;
mod stable_watch;
pub(super) mod unusable_stable;
