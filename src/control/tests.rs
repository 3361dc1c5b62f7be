//! Control with a store that can fail, a scripted prober and virtual time. No sockets.

mod committed;
mod dry_run;
mod earlier;
mod evidence;
mod fixture_dirs;
mod hard;
mod harness;
mod health;
mod kept_over_reloads;
mod keys;
mod locks;
mod notify;
mod plan;
mod proposals;
mod recent_traffic;
mod reloads;
mod retirements;
mod stable_readiness;
mod start;
mod trace;
