//! What gateways are compared by: sixteen ways in which a provider misbehaves, each met in three set-ups: with every
//! key at its default, with short limits and answers that are buffered, and on a plain route.
//!
//! A client that reads with care must get a whole answer or a plain error, soon, and the failing provider must not be
//! hammered. Every scenario is tried in one piece and streamed, and after it the same sidecar serves the next request.
//! Times are the real ones, so the scenarios run side by side.

use std::time::Duration;

use serin::clock;

use crate::support::api::{Api, difference, events};
use crate::support::client::{Broken, Client};
use crate::support::eventually::{SOON, eventually};
use crate::support::faults::answer;
use crate::support::faults::fault::{Cut, Fault, MALFORMED, Refusal};
use crate::support::harness::{Flags, Harness, series};
use crate::support::scripted::Scripted;
use crate::support::sidecar::Workspace;

/// What a careful client makes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Got {
    /// All of it, in this provider's words.
    Whole(&'static str),
    /// An error that no client takes for an answer.
    Error,
}

/// What stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SetUp {
    /// Nothing but what has no default. Who fails is the canary.
    Defaults,
    /// The same, with limits of ten seconds; streams go out once they are whole.
    Buffered,
    /// No rollout: who fails is the only provider of a route, and `fallback` names the other.
    PlainRoute,
}

/// One way to misbehave and what must come of it.
struct Scenario {
    name: &'static str,
    /// What the failing provider does, request by request; the last of them for ever.
    does: Vec<Fault>,
    /// In one piece, and streamed.
    whole: Got,
    streamed: Got,
    /// The longest that may take.
    within: Duration,
    /// How often the failing provider is asked for one request, and how often the other is.
    asked: (usize, usize),
}

const CANARY: Got = Got::Whole("newcorp");
const STABLE: Got = Got::Whole("oldcorp");
const AT_ONCE: Duration = Duration::from_secs(8);
/// A little more than the limits of [`SetUp::Buffered`].
const LIMITED: Duration = Duration::from_secs(15);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn scenario(name: &'static str, does: Vec<Fault>, got: Got, asked: (usize, usize)) -> Scenario {
    Scenario { name, does, whole: got, streamed: got, within: AT_ONCE, asked }
}

fn scenarios() -> Vec<Scenario> {
    let refuses = Fault::Refuses;
    let throttled = |retry_after| refuses(Refusal::Throttled { retry_after });
    let broken = |status| refuses(Refusal::Broken(status));
    let cut = || vec![Fault::CutAtEvent(40, Cut::Close)];
    vec![
        scenario("throttled once, with a time to wait", vec![throttled(Some(2)), Fault::Healthy], STABLE, (1, 1)),
        scenario("throttled again and again", vec![throttled(None)], STABLE, (1, 1)),
        scenario("one server error", vec![broken(500), Fault::Healthy], STABLE, (1, 1)),
        scenario("overloaded", vec![broken(503)], STABLE, (1, 1)),
        scenario("reset before the head", vec![Fault::ResetBeforeHeaders, Fault::Healthy], STABLE, (1, 1)),
        slow_first_token(),
        // In one piece nothing tells that it broke off but its length; it was held, and could be recovered.
        Scenario { whole: STABLE, ..scenario("cut in the middle", cut(), Got::Error, (1, 0)) },
        Scenario {
            whole: STABLE,
            ..scenario("ended in the middle", vec![Fault::CutAtEvent(40, Cut::CleanEnd)], Got::Error, (1, 0))
        },
        Scenario {
            whole: STABLE,
            within: seconds(35),
            ..scenario("silent in the middle", vec![Fault::StallAndClose(20, seconds(30))], Got::Error, (1, 0))
        },
        scenario("one event is no JSON", vec![Fault::MalformedEvent], CANARY, (1, 0)),
        scenario("no [DONE]", vec![Fault::MissingDone], CANARY, (1, 0)),
        scenario("too long for its context", vec![refuses(Refusal::ContextLength)], STABLE, (1, 1)),
        scenario("refused by policy", vec![refuses(Refusal::ContentFilter)], Got::Error, (1, 0)),
    ]
}

fn slow_first_token() -> Scenario {
    let does = vec![Fault::FirstTokenAfter(seconds(20))];
    Scenario { within: seconds(24), ..scenario("a slow first token", does, CANARY, (1, 0)) }
}

impl SetUp {
    fn stage(self, stable: &Scripted, canary: &Scripted) -> Harness {
        let limits = "timeouts: { headers: 10s, first_output: 10s, idle: 10s }";
        let keys = if self == SetUp::Buffered { limits } else { "" };
        let flags =
            Flags::new().provider("oldcorp", &stable.base_url(), keys).provider("newcorp", &canary.base_url(), keys);
        Harness::start(&match self {
            SetUp::Defaults => flags.chat("percent: 100%"),
            SetUp::Buffered => flags.chat("percent: 100%, stream_mode: buffered"),
            SetUp::PlainRoute => flags.plainly("name: chat, stable: newcorp, fallback: [oldcorp]"),
        })
    }

    /// What must come of it here. Before anything has gone out whatever takes too long or breaks off is recovered.
    fn of(self, scenario: Scenario) -> Scenario {
        if self != SetUp::Buffered {
            return scenario;
        }
        match scenario.does[0] {
            Fault::FirstTokenAfter(_) | Fault::StallAndClose(..) | Fault::Silence => {
                Scenario { whole: STABLE, streamed: STABLE, within: LIMITED, asked: (1, 1), ..scenario }
            }
            Fault::CutAtEvent(..) | Fault::MalformedEvent => Scenario { streamed: STABLE, ..scenario },
            _ => scenario,
        }
    }
}

fn stage(stable: &Scripted, canary: &Scripted) -> Harness {
    SetUp::Defaults.stage(stable, canary)
}

/// Plays the faults in turn, and the last of them from then on.
fn playing(does: &[Fault]) -> Scripted {
    let last = does.last().unwrap().clone();
    let provider = Scripted::start("newcorp", move |_| last.clone());
    provider.queue(does[..does.len() - 1].iter().cloned());
    provider
}

/// What this is to a client that reads with care. Half an answer that looks like a whole one is neither.
fn got(received: &Broken, api: Api, stream: bool) -> Result<Got, String> {
    let (answer, text) = (&received.answer, received.answer.text());
    if answer.status != 200 {
        let error = answer.json()["error"]["message"].is_string();
        return if error { Ok(Got::Error) } else { Err(format!("{} without an error: {text:.300}", answer.status)) };
    }
    if received.end.is_err() {
        return Ok(Got::Error);
    }
    let whole = |provider| if stream { answer::stream(api, provider).concat() } else { answer::whole(api, provider) };
    // Clients read on over one event that is no JSON, and need no `[DONE]`.
    let read = text.replace(MALFORMED, "");
    for provider in ["newcorp", "oldcorp"] {
        let whole = whole(provider);
        if read == whole || (stream && api == Api::Chat && format!("{read}data: [DONE]\n\n") == whole) {
            return Ok(Got::Whole(provider));
        }
    }
    let (events, rest) = events(&text);
    match events.last() {
        Some(last) if rest.is_empty() && api.look_at_error_event(last).is_ok() => Ok(Got::Error),
        _ => Err(format!("neither whole nor an error: {}", difference(&text, &whole("newcorp")).unwrap_or_default())),
    }
}

/// By a client that waits for as long as any scenario takes.
fn patiently(stage: &Harness, api: Api, stream: bool) -> Result<Broken, String> {
    let mut client = Client::connect(stage.listen).map_err(|error| error.to_string())?;
    client.raw().set_read_timeout(Some(seconds(90))).map_err(|error| error.to_string())?;
    client.ask(api.path(), &[], &api.ask("m", stream)).map_err(|error| error.to_string())
}

fn play(set_up: SetUp, scenario: &Scenario, api: Api, stream: bool) -> Result<(), String> {
    let (stable, canary) = (Scripted::healthy("oldcorp"), playing(&scenario.does));
    let stage = set_up.stage(&stable, &canary);
    let began = clock::instant();
    let response = patiently(&stage, api, stream)?;
    let took = began.elapsed();
    let expected = if stream { scenario.streamed } else { scenario.whole };
    let got = got(&response, api, stream)?;
    if got != expected {
        return Err(format!("{got:?}, not {expected:?}: {:.300}", response.answer.text()));
    }
    if took > scenario.within {
        return Err(format!("it took {took:.1?}"));
    }
    // What was recovered had somebody else to answer it.
    let others = if expected == STABLE { scenario.asked.1.max(1) } else { scenario.asked.1 };
    let asked = (canary.count(), stable.count());
    if asked != (scenario.asked.0, others) {
        return Err(format!("they were asked {asked:?} times"));
    }
    canary.choose(|_| Fault::Healthy);
    let after = stage.ask(api.path(), &[], &api.ask("m", stream))?;
    let whole = if stream { answer::stream(api, "newcorp").concat() } else { answer::whole(api, "newcorp") };
    difference(&after.answer.text(), &whole).map_or(Ok(()), |difference| Err(format!("the next request: {difference}")))
}

/// All of them, in each of these APIs.
fn play_all(set_up: SetUp, apis: &[(Api, bool)]) {
    let scenarios: Vec<Scenario> = scenarios().into_iter().map(|scenario| set_up.of(scenario)).collect();
    let cases: Vec<_> =
        scenarios.iter().flat_map(|scenario| apis.iter().map(move |(api, stream)| (scenario, api, stream))).collect();
    // Few at a time: each is a process.
    let queue = std::sync::Mutex::new(cases.iter());
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut wrong = Vec::new();
                    loop {
                        let Some((scenario, api, stream)) = queue.lock().unwrap().next() else { return wrong };
                        if let Err(error) = play(set_up, scenario, **api, **stream) {
                            wrong.push(format!("{}, {api}, stream: {stream}: {error}", scenario.name));
                        }
                    }
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{set_up:?}:\n{}", wrong.join("\n"));
}

const BOTH: [(Api, bool); 2] = [(Api::Chat, false), (Api::Chat, true)];

#[test]
fn a_careful_client_gets_a_whole_answer_or_an_error() {
    let streams = [(Api::Responses, true), (Api::Messages, true)];
    play_all(SetUp::Defaults, &[BOTH, streams].concat());
}

#[test]
fn with_short_limits_and_buffered_answers_it_gets_a_whole_one() {
    let buffered = scenarios().into_iter().map(|scenario| SetUp::Buffered.of(scenario));
    for scenario in buffered.filter(|scenario| !matches!(scenario.does[0], Fault::Refuses(Refusal::ContentFilter))) {
        assert!(scenario.whole != Got::Error && scenario.streamed != Got::Error, "{}", scenario.name);
    }
    play_all(SetUp::Buffered, &BOTH);
}

#[test]
fn a_plain_route_is_helped_by_its_fallback() {
    play_all(SetUp::PlainRoute, &BOTH);
}

#[test]
fn a_provider_that_never_answers_is_asked_once() {
    let never = || scenario("no answer", vec![Fault::Silence], STABLE, (1, 1));
    std::thread::scope(|scope| {
        for (set_up, within) in [(SetUp::Defaults, 40), (SetUp::Buffered, 15), (SetUp::PlainRoute, 70)] {
            scope.spawn(move || {
                let scenario = set_up.of(Scenario { within: seconds(within), ..never() });
                play(set_up, &scenario, Api::Chat, true).unwrap_or_else(|error| panic!("{set_up:?}: {error}"));
            });
        }
    });
}

// Some gateways go on in the middle with the other provider, which may not take half an answer as a question.
#[test]
fn nobody_is_asked_to_go_on_where_another_broke_off() {
    let stable = Scripted::start("oldcorp", |seen| {
        let prefilled = seen.json()["messages"].to_string().contains("assistant");
        if prefilled { Fault::Refuses(Refusal::UnsupportedParameter) } else { Fault::Healthy }
    });
    let canary = playing(&[Fault::CutAtEvent(40, Cut::Close)]);
    let stage = stage(&stable, &canary);
    let answer = stage.ask(Api::Chat.path(), &[], &Api::Chat.ask("m", true)).unwrap();
    assert_eq!(got(&answer, Api::Chat, true), Ok(Got::Error));
    assert_eq!((canary.count(), stable.count()), (1, 0));
}

#[test]
fn an_outage_is_served_by_the_other_and_ends_with_the_provider_in_use_again() {
    let stable = Scripted::start("oldcorp", |_| Fault::Refuses(Refusal::Broken(503)));
    let other = Scripted::healthy("newcorp");
    // A plain route, which no guard leads away from its provider; the time that a breaker stays open is the only key.
    let flags = Flags::new().provider("oldcorp", &stable.base_url(), "breaker: { open_for: 1s }").provider(
        "newcorp",
        &other.base_url(),
        "",
    );
    let workspace = Workspace::new(&format!("{flags}  - {{ name: chat, stable: oldcorp, fallback: [newcorp] }}\n"));
    let sidecar = workspace.start();
    let mut client = sidecar.client();
    let mut ask = || client.post(Api::Chat.path(), &[], &Api::Chat.ask("m", false)).unwrap();
    for number in 0..40 {
        let answer = ask();
        let seen = (answer.status, answer.header("x-serin-provider"));
        assert_eq!(seen, (200, "newcorp"), "request {number}: {}", answer.text());
    }
    let asked = stable.count();
    assert!((5..=10).contains(&asked), "it was asked {asked} times in an outage");
    stable.choose(|_| Fault::Healthy);
    eventually("the provider is in use again", SOON, || {
        let answer = ask();
        assert_eq!(answer.status, 200);
        (answer.header("x-serin-provider") == "oldcorp").then_some(())
    });
}

#[test]
fn what_the_other_answered_is_charged_to_the_other() {
    let (stable, canary) = (Scripted::healthy("oldcorp"), playing(&[Fault::Refuses(Refusal::Broken(503))]));
    let stage = stage(&stable, &canary);
    for stream in [false, true] {
        let response = stage.ask(Api::Chat.path(), &[], &Api::Chat.ask("m", stream)).unwrap();
        assert_eq!(got(&response, Api::Chat, stream), Ok(STABLE));
        assert_eq!(response.answer.header("x-serin-provider"), "oldcorp");
        assert!(stream || response.answer.json()["usage"]["total_tokens"].is_u64(), "{}", response.answer.text());
    }
    stage.expect_attempts("chat", &[("newcorp", "server_error", 2), ("oldcorp", "ok", 2)]).unwrap();
    let tokens = series(&stage.metrics(), "serin_tokens_total");
    let of = |provider: &str| -> u64 {
        tokens.iter().filter(|(labels, _)| labels["provider"] == provider).map(|(_, count)| count).sum()
    };
    assert!(of("newcorp") == 0 && of("oldcorp") > 0, "{tokens:?}");
}
