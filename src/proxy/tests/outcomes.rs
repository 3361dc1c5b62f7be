//! The golden table of outcomes, played: providers send what real ones send, and all that see it must agree.
//!
//! Each case is a rollout of its own with providers of its own, so that many run side by side on one sidecar and each
//! has its counters to itself. Compared are the attempts by outcome, the guard's evidence, what the breaker remembers,
//! who was asked with which key, and what the client got to its last byte.

mod stage;
mod table;
mod wire;

use super::support::*;
use crate::decide::breaker::CircuitState;
use crate::decide::outcome::Judged;
use crate::decide::outcome::Outcome;
use crate::decide::units::Arm;
use crate::state::evidence::ArmTotals;
use crate::state::provider::BreakerKind as Kept;
use crate::state::snapshot::Snapshot;
use stage::{Stage, Staged, user_of};
use table::{Breaker, Case, Gets, Next, Place, Verdict, row};
use wire::{Parsed, Source, parse};

/// So many run side by side; each takes some sockets.
const AT_ONCE: usize = 48;

/// Says where what was seen differs from what a case expects.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn expect<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, expected: T, seen: T) {
        if expected != seen {
            self.0.push(format!("{what}: {seen:?} instead of {expected:?}"));
        }
    }
}

fn table() -> Vec<Case> {
    Outcome::ALL.into_iter().flat_map(row).collect()
}

fn is_cut_by_serin(case: &Case) -> bool {
    case.breaks_off.as_ref().is_some_and(|it| it.by == Breaker::Serin)
}

#[test]
fn every_row_has_its_cases() {
    for outcome in Outcome::ALL {
        assert!(row(outcome).len() >= 6, "{}", outcome.as_str());
    }
}

#[test]
fn whatever_providers_send_becomes_what_the_table_says() {
    let mut cases: Vec<Case> = table().into_iter().filter(|case| !is_cut_by_serin(case)).collect();
    // Those that wait go together.
    cases.sort_by_key(|case| !case.takes_time());
    let mut wrong = Vec::new();
    for group in cases.chunks(AT_ONCE) {
        let stage = Stage::set(group);
        std::thread::scope(|scope| {
            let playing: Vec<_> = stage.cases.iter().map(|staged| scope.spawn(|| play(&stage, staged))).collect();
            for (played, staged) in playing.into_iter().zip(&stage.cases) {
                wrong.extend(report(staged, played.join()));
            }
        });
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn what_serin_ends_itself_is_no_failure() {
    let cases: Vec<Case> = table().into_iter().filter(is_cut_by_serin).collect();
    let mut stage = Stage::set(&cases);
    let begun: Vec<(Client, Vec<u8>)> = stage.cases.iter().map(|staged| begin(&stage, staged)).collect();
    stage.cut();
    let mut wrong = Vec::new();
    for (staged, (mut client, mut got)) in stage.cases.iter().zip(begun) {
        got.extend(client.read_to_end());
        wrong.extend(report(staged, Ok(compare(&stage, staged, &parse(&got)))));
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn report(staged: &Staged, played: std::thread::Result<Differences>) -> Option<String> {
    let Differences(list) = played.unwrap_or_else(|_| Differences(vec!["it panicked".to_owned()]));
    (!list.is_empty()).then(|| format!("{}\n    {}", staged.case.title(), list.join("\n    ")))
}

/// Sends the request, and waits until it is to be broken off. Gives what the client has got by then.
fn begin(stage: &Stage, staged: &Staged) -> (Client, Vec<u8>) {
    let case = &staged.case;
    let mut client = Client::connect(stage.address);
    let headers = format!(
        "x-case: {}\r\nx-user-id: {}\r\nauthorization: Bearer sk-of-the-client\r\nconnection: close\r\n",
        staged.index,
        user_of(case.arm())
    );
    let body = format!(r#"{{"model":"gpt-4","messages":[{{"role":"user","content":"Hi"}}],"stream":{}}}"#, case.stream);
    client.send(post(&format!("/v1/{}", case.endpoint), &headers, &body));
    let mut got = Vec::new();
    if let Some(break_off) = &case.breaks_off {
        until("the provider has the request", || staged.judged.as_ref().is_some_and(|it| !it.asked().is_empty()));
        if !break_off.after.is_empty() {
            got.extend(client.read_to(&break_off.after).into_bytes());
        }
    }
    (client, got)
}

fn play(stage: &Stage, staged: &Staged) -> Differences {
    let (mut client, mut got) = begin(stage, staged);
    if staged.case.breaks_off.is_none() {
        got.extend(client.read_to_end());
    }
    drop(client);
    compare(stage, staged, &parse(&got))
}

fn compare(stage: &Stage, staged: &Staged, got: &Parsed) -> Differences {
    let mut differences = Differences::default();
    let snapshot = stage.shared.load();
    let series = &snapshot.rollouts[staged.index].series;
    let (arm, other) = (staged.case.arm(), staged.other_arm());
    let providers = [staged.id(arm), staged.id(other)];
    let requests = |outcome| providers.map(|id| series.of(arm, id).requests(outcome)).iter().sum::<u64>();
    until("the request is accounted for", || Outcome::ALL.into_iter().map(requests).sum::<u64>() == 1);
    for outcome in Outcome::ALL {
        let seen = series.of(arm, providers[0]).attempts(outcome);
        differences.expect(outcome.as_str(), staged.case.attempts(outcome) as u64, seen);
    }
    compare_verdicts(staged, &snapshot, &mut differences);
    compare_asked(staged, &mut differences);
    compare_answer(staged, got, &mut differences);
    differences
}

fn compare_verdicts(staged: &Staged, snapshot: &Snapshot, differences: &mut Differences) {
    let case = &staged.case;
    let evidence = &snapshot.rollouts[staged.index].evidence;
    let one = ArmTotals { dispatched: 1, exposed: [1; 8], ..ArmTotals::default() };
    let expected = match case.guard {
        Verdict::Success => ArmTotals { succeeded: 1, ..one },
        Verdict::Failure => ArmTotals { failed: 1, ..one },
        Verdict::Not => ArmTotals { not_judged: 1, ..one },
        Verdict::None => ArmTotals::default(),
    };
    let totals = evidence.totals(case.arm());
    let (waits, waited) = totals.waits;
    differences.expect("those who wait still", 0, waits.abs_diff(waited));
    differences.expect("the guard's sample", ArmTotals { waits: totals.waits, ..expected }, totals);
    differences.expect("the other arm's sample", ArmTotals::default(), evidence.totals(staged.other_arm()));
    // One failure was reported before; an attempt after a success is the first again.
    let reported = |breaker: Kept| match snapshot.provider(staged.id(case.arm())).circuit(breaker) {
        CircuitState::Closed { failures: 0, .. } => Verdict::Success,
        CircuitState::Closed { failures: 1, .. } => Verdict::Not,
        _ => Verdict::Failure,
    };
    let has_head = case.provider.answers.iter().any(|answer| answer.sends.windows(4).any(|four| four == b"\r\n\r\n"));
    let reach = if has_head { Verdict::Success } else { Verdict::Not };
    match case.arm() {
        Arm::Canary => {
            differences.expect("the breaker", case.breaker, reported(Kept::Failures));
            differences.expect(
                "whether anything counts against its reach",
                false,
                reported(Kept::Reach) == Verdict::Failure,
            );
        }
        // Whatever it does but one thing may be one user's doing.
        Arm::Stable => {
            let reach = if case.attempts(Outcome::Connect) > 0 { Verdict::Failure } else { reach };
            differences.expect("stable's reach", reach, reported(Kept::Reach));
            differences.expect("its breaker of failures", Verdict::Not, reported(Kept::Failures));
            let of_any = match case.outcome.judged_by_breaker() {
                Judged::Success => Verdict::Success,
                Judged::Failure if case.outcome != Outcome::Malformed => Verdict::Failure,
                _ => Verdict::Not,
            };
            differences.expect("what the outcome is to a breaker of failures", case.breaker, of_any);
        }
    }
}

fn compare_asked(staged: &Staged, differences: &mut Differences) {
    let case = &staged.case;
    let asked = || staged.judged.as_ref().map(Source::asked).unwrap_or_default();
    let listens = case.provider.at == Place::Listening;
    let times = if matches!(case.next, Next::AnotherKey | Next::Again) { 2 } else { usize::from(listens) };
    // A provider that is given up quickly may not have come to reading yet.
    until("the provider has read what it was sent", || asked().len() >= times);
    let keys = asked();
    differences.expect("times asked", times, keys.len());
    if let [first, second] = keys.as_slice() {
        differences.expect("the next key", case.next == Next::AnotherKey, first != second);
    }
    let others = staged.other.as_ref().map_or(0, |other| other.asked().len());
    differences.expect("times the other one was asked", usize::from(case.asks_other()), others);
}

fn compare_answer(staged: &Staged, got: &Parsed, differences: &mut Differences) {
    let case = &staged.case;
    let provider = if case.client.gets == Gets::Other { &staged.other } else { &staged.judged };
    let sent = provider.as_ref().map(Source::sent).unwrap_or_default();
    if let Some(status) = case.client.status {
        differences.expect("status", status, got.status);
    }
    differences.expect("label", case.client.error.as_deref(), got.header("x-serin-error"));
    let common = got.body.iter().zip(&sent.body).take_while(|(got, sent)| got == sent).count();
    let added = String::from_utf8_lossy(&got.body[common..]).into_owned();
    match case.client.gets {
        Gets::Nothing => {}
        Gets::All | Gets::Other => {
            let by = staged.id(if case.client.gets == Gets::All { case.arm() } else { staged.other_arm() });
            differences.expect("who answered", Some(format!("p{}", by.0).as_str()), got.header("x-serin-provider"));
            differences.expect(
                "all of the answer, and its end",
                (sent.body.len(), "", true),
                (common, &added, got.whole),
            );
        }
        Gets::ErrorEvent => {
            differences.expect("a proper end", true, got.whole);
            // An unfinished event may have begun as this one does.
            let text = String::from_utf8_lossy(&got.body);
            let last = |text: &str| text.trim_end().rfind("\n\n").map_or(0, |end| end + 2);
            let at = last(&text);
            // A response is said to have failed first.
            let failed = last(&text[..at]);
            let reported = &text[if text[failed..].starts_with("event: response.failed\n") { failed } else { at }..];
            let before = &text.as_bytes()[..text.len() - reported.len()];
            differences.expect("what came before the break", true, sent.body.starts_with(before));
            let raises =
                reported.contains("(from Serin)") && reported.contains("\"error\"") && reported.ends_with("\n\n");
            differences.expect("an event that says that it broke off", true, raises);
        }
        Gets::Abort => differences.expect("what came, and no end", ("", false), (&added, got.whole)),
        Gets::Serin => {
            differences.expect("a whole answer of Serin's", true, got.whole);
            differences.expect("it says so", true, added.contains("(from Serin)"));
        }
    }
}
