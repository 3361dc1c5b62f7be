//! What every decision is told by.

use super::*;
use crate::decide::event::{Action, Event, Figure};
use crate::decide::guard::aspect::Aspect;
use crate::decide::rollout::state::Pause;
use crate::describe::decision::pause as held_for;
use crate::describe::numbers::numbers;

/// Ticks like this one, until so many decisions were made; fails after ten minutes.
fn decisions(canary: &Canary, state: &mut RolloutState, seen: &Observation, count: usize) -> Vec<Event> {
    let mut events = Vec::new();
    for second in 1..600 {
        let step = step(&view(canary), state, &Input::Tick(seen.clone()), NOW.plus(Millis(second * 1000)));
        events.extend(step.events);
        *state = step.next;
        if events.len() >= count {
            return events;
        }
    }
    panic!("only {events:?}");
}

fn number(event: &Event, name: &str) -> String {
    let found = numbers(&event.reason).into_iter().find(|(known, _)| known == name);
    match found.map(|(_, figure)| figure) {
        Some(Figure::Number(number)) => number.to_string(),
        Some(Figure::Text(text)) => text,
        Some(Figure::Nothing) => "-".to_owned(),
        None => panic!("no {name} in {event:?}"),
    }
}

/// Whether it has everything that a decision is told by, users included.
fn check_complete(event: &Event) {
    for arm in ["canary", "stable"] {
        for name in ["requests", "failures", "error_rate", "error_rate_low", "error_rate_high"] {
            number(event, &format!("{arm}_{name}"));
        }
    }
    for name in ["counted", "seconds", "evidence", "bound", "tolerated_ratio", "would_change"] {
        number(event, name);
    }
    let users = ["stable_users_failing", "canary_users_failing"].map(|name| number(event, name));
    assert_eq!(users, ["2", "7"], "{event:?}");
}

fn observed(canary: (u64, u64), stable: (u64, u64)) -> Observation {
    Observation { users: [2, 7], ..seen(canary, stable) }
}

#[test]
fn promotions_and_the_end_are_told_by_what_would_have_held_them() {
    let canary = canary();
    let mut state = at_share(85);
    let events = decisions(&canary, &mut state, &observed((0, 200), (0, 35)), 2);
    let actions: Vec<&str> = events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["promote", "complete"]);
    events.iter().for_each(check_complete);
    let [promote, complete] = [&events[0], &events[1]];
    // Five of two hundred may be 5.05%, four no more than 4.4%.
    assert_eq!(
        number(promote, "would_change"),
        "5 more failures of the canary would have kept the share by their rate alone; evidence above 1 also would have"
    );
    assert_eq!(["limit", "answered"].map(|name| number(promote, name)), ["5", "200"]);
    assert_eq!(number(complete, "would_change"), "one more failure of the canary would have prevented the completion");
}

#[test]
fn a_regression_is_told_alike_whatever_follows_from_it() {
    for (follows, action) in [
        (OnRegression::Rollback, Action::Rollback),
        (OnRegression::Hold, Action::Hold),
        (OnRegression::StepBack, Action::StepBack),
    ] {
        let canary = Canary { on_regression: follows, ..canary() };
        let events = decisions(&canary, &mut at_share(40), &observed((20, 40), (0, 60)), 1);
        assert_eq!(events[0].action, action);
        check_complete(&events[0]);
        assert_eq!(["rule", "counted"].map(|name| number(&events[0], name)), ["worse", "failures"]);
        let change = number(&events[0], "would_change");
        // Nobody would ignore a canary that fails half of its requests.
        assert!(change.starts_with("about ") && !change.contains("ignore_below"), "{change}");
    }
}

#[test]
fn a_confirmation_is_told_at_both_of_its_ends() {
    let mut canary = canary();
    canary.guard.constants.confirm_seconds = 5.0;
    let mut state = at_share(100);
    let confirm = &decisions(&canary, &mut state, &observed((20, 100), (0, 0)), 1)[0];
    assert_eq!((&confirm.action, state.in_force), (&Action::Confirm, percent(50)));
    check_complete(confirm);
    assert_eq!(["suspicion_bound", "limit"].map(|name| number(confirm, name)), ["12", "0.5"]);
    let confirming = state.clone();
    let confirmed = &decisions(&canary, &mut state, &observed((0, 50), (0, 50)), 1)[0];
    assert_eq!((&confirmed.action, state.in_force), (&Action::Confirmed, percent(100)));
    check_complete(confirmed);
    // It ends as well where stable goes down, which nothing of the canary would have changed.
    let mut down = observed((0, 50), (50, 50));
    if let Some(tick) = &mut down.tick {
        tick.stable.successes = 0.0;
    }
    let given_up = &decisions(&canary, &mut confirming.clone(), &down, 1)[0];
    assert_eq!(given_up.action, Action::GiveUp);
    assert!(!numbers(&given_up.reason).iter().any(|(name, _)| name == "would_change"), "{given_up:?}");
    assert_eq!(number(given_up, "stable_users_failing"), "2");
}

/// Seconds in which so many of so many requests of the canary were worse, in this aspect; stable's were all well.
fn seconds(aspect: Aspect, events: &[f64], requests: u64) -> Vec<Observation> {
    let second = |events: &f64| {
        let mut seen = observed((0, requests), (0, 4 * requests));
        if let Some(tick) = &mut seen.tick {
            tick.canary.events[aspect as usize] = *events;
            if aspect == Aspect::Failing {
                tick.canary.successes -= events;
            }
        }
        seen
    };
    events.iter().map(second).collect()
}

/// In which of these seconds something was done about the canary, and how that is told.
fn regression(canary: &Canary, seconds: &[Observation]) -> Option<(usize, Event)> {
    let mut state = at_share(20);
    for (place, seen) in seconds.iter().enumerate() {
        let now = NOW.plus(Millis((place as u64 + 1) * 1000));
        let step = step(&view(canary), &state, &Input::Tick(seen.clone()), now);
        let acted = |event: &Event| matches!(event.action, Action::Rollback | Action::Hold);
        if let Some(event) = step.events.into_iter().find(acted) {
            return Some((place, event));
        }
        state = step.next;
    }
    None
}

/// The last of these seconds with so many events less, as far back as it takes.
fn with_fewer(events: &[f64], mut fewer: f64) -> Vec<f64> {
    let mut events = events.to_vec();
    for left in events.iter_mut().rev() {
        let taken = fewer.min(*left);
        *left -= taken;
        fewer -= taken;
    }
    events
}

// What is told of another course holds: with so many events less nothing is done by then.
#[test]
fn so_many_fewer_would_have_changed_it() {
    const WORSE: [(f64, u64); 6] = [(1.0, 20), (2.0, 20), (5.0, 20), (8.0, 100), (15.0, 30), (40.0, 60)];
    let canary = canary();
    let answers = ["3", "3", "8", "17", "38", "113"];
    for (aspect, expected) in [
        (Aspect::Failing, ["3", "3", "10", "19", "40", "75"]),
        (Aspect::Slow, ["38", "8", "7", "16", "37", "72"]),
        (Aspect::Empty, answers),
        (Aspect::Length, answers),
        (Aspect::Filtered, answers),
    ] {
        for ((events, requests), expected) in WORSE.into_iter().zip(expected) {
            let events = vec![events; 60];
            let (place, event) = regression(&canary, &seconds(aspect, &events, requests)).unwrap();
            let change = number(&event, "would_change");
            assert!(change.starts_with(&format!("about {expected} ")), "{aspect:?}, {}: {change}", events[0]);
            let fewer = with_fewer(&events[..=place], expected.parse().unwrap());
            assert!(regression(&canary, &seconds(aspect, &fewer, requests)).is_none(), "{aspect:?}: {change}");
        }
    }
}

// What is held for one thing hides nothing that is found later, and each is told once.
#[test]
fn whoever_is_held_is_told_what_comes_besides() {
    let actions = |canary: &Canary, mut state: RolloutState, ticks: &[Observation]| {
        let mut events = Vec::new();
        for (second, seen) in (1..).zip(ticks) {
            let now = NOW.plus(Millis(second * 1000));
            let step = step(&view(canary), &state, &Input::Tick(seen.clone()), now);
            events.extend(step.events);
            state = step.next;
        }
        let found_actions = events.iter().map(|event| (event.action.to_string(), number(event, "rule")));
        (found_actions.collect::<Vec<_>>(), state)
    };
    let cut = seconds(Aspect::Length, &[15.0; 60], 30);
    let failing = seconds(Aspect::Failing, &[15.0; 60], 30);
    let slow = seconds(Aspect::Slow, &[20.0; 60], 30);
    let both = [cut.clone(), failing.clone()].concat();
    let hold = |rule: &str| ("hold".to_owned(), rule.to_owned());
    let canary = Canary { on_regression: OnRegression::Hold, ..canary() };
    let (decided, state) = actions(&canary, at_share(20), &both);
    assert_eq!(decided, [hold("length"), hold("worse")]);
    let pause = state.paused.unwrap();
    assert!(
        pause.regression && held_for(&pause).contains("length limit within") && held_for(&pause).contains("failed"),
        "{pause:?}"
    );

    // The same trouble is told again where it is worse, and only there.
    let worse = [slow.clone(), failing.clone(), slow, failing].concat();
    assert_eq!(actions(&canary, at_share(20), &worse).0, [hold("slower"), hold("worse")]);

    // A human's pause stays his, and stays when the canary is taken back.
    let human = Pause {
        at: NOW,
        actor: "ana".into(),
        reason: "lunch".into(),
        regression: false,
        rules: Vec::new(),
        found: Vec::new(),
    };
    let paused = || RolloutState { paused: Some(human.clone()), ..at_share(20) };
    let (decided, state) = actions(&canary, paused(), &cut);
    assert_eq!(decided, [hold("length")]);
    let pause = state.paused.unwrap();
    assert_eq!((pause.actor.as_str(), pause.reason.as_str(), pause.regression), ("ana", "lunch", false));
    let back = Canary { on_regression: OnRegression::Rollback, ..canary };
    let (decided, state) = actions(&back, paused(), &both);
    assert_eq!(decided, [hold("length"), ("rollback".to_owned(), "worse".to_owned())]);
    assert_eq!(state.paused.map(|pause| pause.actor), Some("ana".to_owned()));
}

#[test]
fn doubt_about_answers_holds_a_promotion() {
    let canary = canary();
    let mut seen = observed((0, 200), (0, 800));
    if let Some(tick) = &mut seen.tick {
        tick.canary.events[Aspect::Length as usize] = 8.0;
        tick.stable.events[Aspect::Length as usize] = 8.0;
    }
    let mut state = at_share(20);
    let promoted = (1..40).any(|second| {
        let step = step(&view(&canary), &state, &Input::Tick(seen.clone()), NOW.plus(Millis(second * 1000)));
        state = step.next;
        let doubts = state.analysis.result(&canary.guard, 0).of(Aspect::Length).is_suspect();
        doubts && step.events.iter().any(|event| event.action == Action::Promote)
    });
    assert!(!promoted);
    assert!(state.analysis.result(&canary.guard, 0).of(Aspect::Length).is_suspect(), "{state:?}");
}
