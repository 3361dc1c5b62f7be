//! The provider and the load of `make bench`, each a process of its own on one core.
//!
//! `bench-kit provider PORT...` answers chat completions, whole and streamed. The other commands print one JSON object:
//! `load` measures one proxy, `pair` measures two addresses in turns, `switch` watches which provider answers, and
//! `hold` keeps connections open until its input ends. Times are of the wall clock, since two processes compare them.
//! Nothing here knows which proxy it measures.

mod accounting;
mod arguments;
mod call;
mod histogram;
mod hold;
mod load;
mod message;
mod pair;
mod provider;
mod switch;

use std::process::ExitCode;

use arguments::Arguments;

const USAGE: &str = "\
bench-kit provider PORT...
bench-kit load   port=P [stream=yes] [conns=64] [rate=0] [secs=2] [warm=0.5] [pace=20] [events=50] [pids=1,2]
bench-kit pair   port=P direct=P [stream=yes] [rounds=40] [each=100]
bench-kit switch port=P secs=S
bench-kit hold   port=P conns=N [stream=yes]
  `rate` is of requests a second, sent whether or not earlier ones are answered; 0 sends as soon as one is answered.
  `pids` are the processes whose CPU time is read. BENCH_HEADERS adds `name: value|name: value` to each request,
  BENCH_PATH replaces /v1/chat/completions.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            let (command, rest) = words.split_first().ok_or(USAGE)?;
            match command.as_str() {
                "provider" => provider::run(rest).await,
                "load" => load::run(&Arguments::parse(rest)?).await,
                "pair" => pair::run(&Arguments::parse(rest)?).await,
                "switch" => switch::run(&Arguments::parse(rest)?).await,
                "hold" => hold::run(&Arguments::parse(rest)?).await,
                _ => Err(USAGE.to_owned()),
            }
        })
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
