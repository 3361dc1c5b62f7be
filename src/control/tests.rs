//! Control against a store that can fail, a prober that answers as told, and virtual time. No sockets.

mod committed;
mod earlier;
mod evidence;
mod harness;
mod health;
mod kept_over_reloads;
mod locks;
mod proposals;
mod recent_traffic;
mod reloads;
mod start;
mod trace;
