//! Control against a store that can fail, a prober that answers as told, and virtual time. No sockets.

mod bench;
mod course;
mod earlier;
mod evidence;
mod figures;
mod files;
mod health;
mod kept;
mod locks;
mod proposals;
mod reloads;
mod traces;
