//! What lasts: the state of every rollout, the append-only history, the last good flags.yaml, and humans' locks.
//!
//! [`open()`] claims a state directory ([`dir`]) and opens its database ([`sqlite`]), which it makes this version's where
//! it is an earlier one's ([`upgrade`]); where that cannot be written the process goes on with what could be read, says
//! so, and tries again with every write ([`retrying`]). The history is looked through once it runs ([`history_check`]).
//! A start that fails takes back what it made ([`created_files`]). Writes are handed over and answered later: a store
//! never makes its caller wait, and is never on a request's path. Locks are kept a second time as plain files
//! ([`locks`]) that work without the database and without a running process. Invariant: what was acknowledged is on the
//! disk; a batch is written whole or not at all.

mod batch;
pub mod created_files;
pub mod dir;
pub mod dir_handle;
mod history_check;
pub mod locks;
pub mod memory;
mod migrate;
pub mod mount;
mod open;
mod opened;
mod retrying;
mod series;
pub mod sqlite;
mod upgrade;

pub use batch::{Batch, Store};
pub use open::open;
pub use opened::OpenedStore;
pub use series::{SeriesBlock, SeriesQuery};
