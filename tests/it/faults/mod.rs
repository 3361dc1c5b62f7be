//! What an app sees when its provider fails: nothing, as long as nothing was sent on, and the truth after that.
//!
//! One file for each part of the promise; the first shows that the failing provider itself does what it is told to.

mod after;
mod before;
mod both_ways;
mod bytes;
mod credentials;
mod flapping;
mod provider;
mod reach;
mod refusals;
mod scenarios;
