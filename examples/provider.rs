//! A provider to try Serin against: `cargo run --example provider -- --port 9001 --name newcorp --fail 50%`.
//!
//! It speaks the OpenAI and Anthropic shapes, needs no key, prints its base_url, and runs until it is stopped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use clap::Parser;
use serin::decide::units::{Millis, Percent};
use serin::demo::provider::{Behaviour, Draw, Failure, Provider};

/// A provider to try Serin against.
#[derive(Parser)]
struct Args {
    /// Where it listens, on the loopback; 0 takes a free port.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The name that its answers carry.
    #[arg(long, default_value = "provider")]
    name: String,
    /// Share of the generating requests that fail, such as 50%.
    #[arg(long, default_value = "0%", value_parser = percent)]
    fail: Percent,
    /// What a failure looks like: a status, reset, silent, cut, stall or error-event.
    #[arg(long, default_value = "500")]
    failure: Failure,
    /// Draw the failures at random, the same for the same seed, instead of evenly.
    #[arg(long)]
    seed: Option<u64>,
    /// Milliseconds before an answer begins.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Milliseconds between two events of a stream.
    #[arg(long, default_value_t = 0)]
    gap_ms: u64,
    /// Least number of words in an answer.
    #[arg(long, default_value_t = 8)]
    words: u16,
}

fn percent(text: &str) -> Result<Percent, String> {
    let whole = text.trim_end_matches('%').parse::<u16>().ok().and_then(|whole| whole.checked_mul(100));
    whole.and_then(Percent::from_hundredths).ok_or_else(|| "a whole number of percent, 0% to 100%".to_owned())
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let behaviour = Behaviour {
        failures: args.fail,
        failure: args.failure,
        draw: args.seed.map_or(Draw::Even, Draw::Seeded),
        latency: Millis(args.latency_ms),
        gap: Millis(args.gap_ms),
        words: args.words,
    };
    let provider = Provider::start_on(&args.name, SocketAddr::from((Ipv4Addr::LOCALHOST, args.port)), behaviour)?;
    println!("{}", provider.base_url());
    loop {
        std::thread::park();
    }
}
