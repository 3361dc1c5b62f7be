//! Users with different traffic: one who fails for ever, and some who fail more often than others.

use serin::simulate::pauses::Pauses;
use serin::simulate::rollout::Span;
use serin::simulate::summary::Summary;
use serin::simulate::traffic::Traffic;
use serin::simulate::users::{Crowd, NoCap};

use crate::bench::{Bench, DAY, HOUR, head, tick};
use crate::cells::{found, percent, time};
use crate::compared_rules::{ARGO, BenchRule, FLAGGER, LABELS, NAIVE, RELATIVE, SAFE_TEST, SERIN};
use crate::page::Page;

const UNPAUSED: BenchRule = BenchRule { name: "Serin, no user paused", ..SERIN };

struct Case {
    name: &'static str,
    crowd: Crowd,
    seconds: f64,
}

fn cases() -> Vec<Case> {
    let crowd = |users: u32, requests: f64, spread: f64, hammer: Option<f64>| Crowd {
        traffic: Traffic::steady(requests, 0.004).ticking(tick(requests)),
        users,
        spread,
        hammer,
        habits: None,
    };
    let faulty = |crowd: Crowd, errors: f64| Crowd { traffic: crowd.traffic.clone().fault(HOUR, errors), ..crowd };
    let case = |name, crowd, seconds| Case { name, crowd, seconds };
    vec![
        case("one user fails every second, 200 users, 5 rps", crowd(200, 5.0, 0.0, Some(1.0)), HOUR),
        case("one user fails every minute, 200 users, 5 rps, 5 days", crowd(200, 5.0, 0.0, Some(60.0)), 5.0 * DAY),
        case("users' own rates differ (sigma 1), 200 users, 5 rps, 4 days", crowd(200, 5.0, 1.0, None), 4.0 * DAY),
        case("users' own rates differ (sigma 2), 200 users, 5 rps, 4 days", crowd(200, 5.0, 2.0, None), 4.0 * DAY),
        case("users' own rates differ (sigma 2), 20 users, 0.5 rps, 14 days", crowd(20, 0.5, 2.0, None), 14.0 * DAY),
        case("fault of 20 %, 200 users, 5 rps", faulty(crowd(200, 5.0, 0.0, None), 0.2), 7.0 * HOUR),
        case("fault of 20 %, 2000 users, 50 rps", faulty(crowd(2000, 50.0, 0.0, None), 0.2), 7.0 * HOUR),
        case("fault of 100 %, 200 users, 5 rps", faulty(crowd(200, 5.0, 0.0, None), 1.0), 7.0 * HOUR),
        case("fault of 20 %, 20 users, 0.5 rps, 2 days", faulty(crowd(20, 0.5, 0.0, None), 0.2), 2.0 * DAY),
    ]
}

pub(crate) fn write(bench: &Bench, page: &mut Page) {
    let runs = bench.few(10);
    page.heading("Users with different traffic");
    page.words(&format!(
        "Request by request: users stay on their provider, the user of rank k sends in proportion to 1/k, 10 % of \
         them are on the canary. Where the canary is healthy, the cells show how many of {runs} runs rolled it back, \
         and the median time; otherwise they show the same as the tables above. Serin pauses users for their \
         failures: a user whose requests always fail counts once in ten seconds, then in forty, up to once a day, so \
         that one user is never counted as the canary's fault. With two users on the canary it cannot be known \
         whether the users or the provider cause the failures.",
    ));
    let rules: [BenchRule; 7] = [NAIVE, FLAGGER, ARGO, SAFE_TEST, LABELS, RELATIVE, UNPAUSED];
    let mut table = Vec::new();
    for Case { name, crowd, seconds } in cases() {
        let healthy = crowd.traffic.fault_at.is_none();
        // Where nothing is at fault, the time counts from the start.
        let span = Span { seconds, fault_at: crowd.traffic.fault_at.or(Some(0.0)) };
        let mut tallies = bench.together(name, runs, &rules, 0.1, &span, |seed| crowd.visits(NoCap, seed));
        let pauses = |seed| crowd.visits(Pauses::default(), seed);
        tallies.extend(bench.together(name, runs, &[SERIN], 0.1, &span, pauses));
        let cell = |tally: &Summary| match tally.seconds.median() {
            Some(median) if healthy => format!("{}; {}", percent(tally.found_part()), time(median)),
            None if healthy => "0".to_owned(),
            _ => found(tally),
        };
        table.push(std::iter::once(name.to_owned()).chain(tallies.iter().map(cell)).collect());
    }
    let names = rules.iter().chain([&SERIN]).map(|rule| rule.name.to_owned());
    page.table(&head("", names), &table);
}
