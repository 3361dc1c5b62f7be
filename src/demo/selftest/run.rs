//! A selftest from its first line to its last: providers, a sidecar, every request, the measurements.
//!
//! Owns the order and the time: what is not done when it is over is told as not run. The sidecar is the one that
//! `serin run` starts. Judges nothing itself. Invariant: what it started is gone when it returns.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use super::case::{self, Case};
use super::client;
use super::fault::{Fault, Form, Promise};
use super::judge::judge;
use super::latency::{self, Latency};
use super::place::{self, Place};
use super::providers::Providers;
use super::verdict::Verdict;
use crate::app;
use crate::clock;
use crate::decide::units::Millis;
use crate::demo::provider::{Behaviour, Provider};
use crate::demo::signals::Signals;

/// Requests that are under way at one time.
const AT_ONCE: usize = 24;
/// The longest that a client waits: several times what Serin's limits add up to.
const PATIENCE: Duration = Duration::from_secs(15);
/// After this no further request is begun.
const LONGEST: Duration = Duration::from_secs(30);

/// Why there was no selftest.
#[derive(Debug, thiserror::Error)]
pub enum SelftestError {
    #[error("{place}: {source}")]
    Io { place: &'static str, source: io::Error },
    #[error("the sidecar did not start: {0}")]
    Start(#[from] app::StartError),
    #[error("ended by a signal; nothing is known")]
    Left,
}

fn at(place: &'static str) -> impl FnOnce(io::Error) -> SelftestError {
    move |source| SelftestError::Io { place, source }
}

/// The three columns of the scoreboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Score {
    Wrong,
    Honest,
    Recovered,
}

/// What came of one request.
#[derive(Clone, Debug)]
pub struct CaseResult {
    pub fault: String,
    pub api: &'static str,
    pub form: Form,
    /// Whether no other provider was left.
    pub alone: bool,
    pub score: Score,
    /// The least that was promised.
    pub promised: Score,
    /// What the client received, as a sentence.
    pub seen: String,
    pub took: Millis,
}

/// What a selftest found.
#[derive(Clone, Debug)]
pub struct Report {
    pub cases: Vec<CaseResult>,
    /// Requests for which there was no time.
    pub not_run: usize,
    /// Faults that this system cannot have, and why.
    pub skipped: Vec<String>,
    pub latency: Latency,
    pub took: Millis,
}

/// Runs it. `done` is told how far it is, from 0 to 1.
///
/// # Errors
/// Where its own providers or its sidecar do not start.
pub fn run(done: impl Fn(f64)) -> Result<Report, SelftestError> {
    run_below(&place::usual(), done)
}

/// The same with its files below the first of these directories that takes them.
pub(super) fn run_below(below: &[PathBuf], done: impl Fn(f64)) -> Result<Report, SelftestError> {
    let began = clock::now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(at("starting the selftest's own runtime"))?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::watched().map_err(at("watching signals"))?
    };
    let mut random = fastrand::Rng::new();
    let mut cases = case::cases(|| random.u64(..));
    let providers = Providers::start(cases.clone()).map_err(at("starting the providers"))?;
    let quick = |name| Provider::start(name, Behaviour::default()).map_err(at("starting the providers"));
    let quick = [quick("latency0")?, quick("latency1")?];
    let addresses =
        providers.addresses(quick.each_ref().map(Provider::base_url)).map_err(at("starting the providers"))?;
    let text = case::flags_text(&cases, &addresses);
    let place = Place::with(&text, below).map_err(at("writing flags.yaml"))?;
    let sidecar = app::start(place.options())?;
    let mut skipped = Vec::new();
    if addresses.blackhole.is_none() {
        cases.retain(|case| case.fault != Fault::Blackhole);
        skipped.push(format!("{}: this system refuses connections that it cannot take", Fault::Blackhole));
    }
    let work = async {
        let asked = ask_all(sidecar.proxy, cases, &providers, PATIENCE, |part| done(part * 0.8)).await;
        let latency = latency::measure(quick[1].addr(), sidecar.proxy, |part| done(0.8 + part * 0.2)).await;
        (asked, latency)
    };
    let worked = LocalSet::new().block_on(&runtime, async {
        tokio::select! {
            worked = work => Some(worked),
            () = signals.any() => None,
        }
    });
    sidecar.request_drain();
    // It was asked to end: how it did so changes nothing any more.
    let _ = sidecar.wait();
    let (asked, latency) = worked.ok_or(SelftestError::Left)?;
    let not_run = asked.iter().filter(|result| result.is_none()).count();
    let cases = asked.into_iter().flatten().collect();
    Ok(Report { cases, not_run, skipped, latency, took: clock::now().since(began) })
}

/// Every result in the order of the requests; `None` where there was no time.
pub(super) async fn ask_all(
    proxy: SocketAddr,
    cases: Vec<Case>,
    providers: &Providers,
    patience: Duration,
    done: impl Fn(f64),
) -> Vec<Option<CaseResult>> {
    let began = clock::instant();
    let turns = Rc::new(Semaphore::new(AT_ONCE));
    let answered = Rc::new(Cell::new(0_usize));
    let all = cases.len();
    let tasks: Vec<_> = cases
        .into_iter()
        .map(|case| {
            let (turns, answered) = (Rc::clone(&turns), Rc::clone(&answered));
            tokio::task::spawn_local(async move {
                let _turn = turns.acquire().await;
                if began.elapsed() > LONGEST {
                    return None;
                }
                let received = client::ask(proxy, &case, patience).await;
                answered.set(answered.get() + 1);
                Some((case, received))
            })
        })
        .collect();
    let mut results = Vec::with_capacity(all);
    for task in tasks {
        let result = task.await.ok().flatten();
        done(answered.get() as f64 / all as f64);
        results.push(result.map(|(case, received)| {
            let verdict = judge(&case.expected(), &received, &providers.sent(&case.question));
            result_of(&case, &verdict, received.took)
        }));
    }
    results
}

fn result_of(case: &Case, verdict: &Verdict, took: Millis) -> CaseResult {
    let score = match verdict {
        Verdict::Recovered(_) => Score::Recovered,
        Verdict::Honest(_) => Score::Honest,
        Verdict::Wrong(_) => Score::Wrong,
    };
    let promised = match case.promise() {
        Promise::Recovered => Score::Recovered,
        Promise::Honest => Score::Honest,
    };
    CaseResult {
        fault: case.fault.to_string(),
        api: case.api(),
        form: case.form,
        alone: case.alone,
        score,
        promised,
        seen: verdict.to_string(),
        took,
    }
}
