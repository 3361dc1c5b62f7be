//! Serin moves an application's traffic from one provider to another without anybody noticing.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod control;
pub mod decide;
pub mod demo;
pub mod flags;
pub mod proxy;
pub mod state;
pub mod store;
pub mod telemetry;
pub mod wire;
