//! `serin demo`: the first thing that a newcomer runs.
//!
//! Arguments in, the demo's own options out; the demo itself lives in [`crate::demo`]. It needs no key, no network and
//! no file, and it ends with Ctrl-C, or by itself with `--once`. With `--provider` one of its providers alone is run,
//! to try Serin against.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::output;
use crate::cli::{Exit, Failure, Outcome};
use crate::decide::units::{Millis, Percent};
use crate::demo;
use crate::demo::provider::{Behaviour, Draw, Failure as Fault, Provider};

/// Run two embedded providers, traffic and a sidecar in one process: a rollout is promoted, fails, is rolled back and
/// recovers.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  serin demo\n  serin demo --fast --once\n  \
    serin demo --provider --port 9001 --name holysheep --fail 50%")]
pub struct DemoArgs {
    /// Shorten every time and pause: the demo ends within seconds.
    #[arg(long)]
    pub fast: bool,
    /// Exit at the end of the script: exit code 0, or 1 if the script did not reach its end.
    #[arg(long)]
    pub once: bool,
    /// The proxy port; the admin port is the next one. 0: any two [default: 7171, or any two where it is taken]. With
    /// --provider its port [default: any].
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Keep the flags file and the state in this directory [default: a new one, removed at the end].
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Run one provider alone, for tests with Serin: it has the OpenAI and Anthropic APIs, needs no key, prints its
    /// base_url, and runs until it is stopped.
    #[arg(long, conflicts_with_all = ["fast", "once", "dir"])]
    provider: bool,
    #[command(flatten, next_help_heading = "With --provider")]
    behaviour: BehaviourArgs,
}

/// How a provider behaves.
#[derive(Clone, Debug, clap::Args)]
struct BehaviourArgs {
    /// The name in its responses.
    #[arg(long, value_name = "NAME", default_value = "provider", requires = "provider")]
    name: String,
    /// Share of the generating requests that fail.
    #[arg(long, value_name = "RATE", default_value = "0%", requires = "provider")]
    fail: Percent,
    /// Kind of failure: a status, reset, silent, cut, stall or error-event.
    #[arg(long, value_name = "FAILURE", default_value = "500", requires = "provider")]
    failure: Fault,
    /// Seed for random failures; without it failures are spread evenly.
    #[arg(long, value_name = "N", requires = "provider")]
    seed: Option<u64>,
    /// Milliseconds before a response begins.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "provider")]
    latency_ms: u64,
    /// Milliseconds between two events of a stream.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "provider")]
    gap_ms: u64,
    /// Minimum number of words in a response.
    #[arg(long, value_name = "N", default_value_t = 8, requires = "provider")]
    words: u16,
}

/// Runs the demo, or one of its providers alone.
pub fn run(args: &DemoArgs) -> Outcome {
    if args.provider {
        return provide(args);
    }
    let options = demo::Options { fast: args.fast, once: args.once, port: args.port, dir: args.dir.clone() };
    match demo::run(&options) {
        Ok(()) => Ok(Exit::Done),
        Err(error) => Err(Failure::failed(error.to_string())),
    }
}

fn provide(args: &DemoArgs) -> Outcome {
    let given = &args.behaviour;
    let behaviour = Behaviour {
        failures: given.fail,
        failure: given.failure,
        draw: given.seed.map_or(Draw::Even, Draw::Seeded),
        latency: Millis(given.latency_ms),
        gap: Millis(given.gap_ms),
        words: given.words,
    };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port.unwrap_or(0)));
    let provider = Provider::start_on(&given.name, listen, behaviour)
        .map_err(|error| Failure::failed(format!("{listen}: {error}; choose another `--port`")))?;
    output::print(&format!("{}\n", provider.base_url()));
    loop {
        std::thread::park();
    }
}
