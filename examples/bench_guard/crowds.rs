//! Users who are not alike: one who fails for ever, and some who fail more often than others.

use serin::simulate::rollout::Span;
use serin::simulate::tally::Tally;
use serin::simulate::traffic::Traffic;
use serin::simulate::users::{Crowd, Everybody};

use crate::bench::{Bench, DAY, HOUR, head, rows, tick};
use crate::cells::{found, percent, time};
use crate::contenders::{ARGO, Contender, FLAGGER, LABELS, NAIVE, RELATIVE, SAFE_TEST};
use crate::page::Page;

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
    page.heading("Users who are not alike");
    page.words(&format!(
        "Request by request: users stay on their provider, the user of rank k sends in proportion to 1/k, 10 % of them are \
         the canary's. Where the canary is healthy, the cells say how many of {runs} runs took it back, and the median time; \
         else what the tables above say.",
    ));
    let contenders: [Contender; 6] = [NAIVE, FLAGGER, ARGO, SAFE_TEST, LABELS, RELATIVE];
    let mut table = Vec::new();
    for Case { name, crowd, seconds } in cases() {
        let healthy = crowd.traffic.fault_at.is_none();
        // Where nothing is at fault, the time counts from the start.
        let span = Span { seconds, fault_at: crowd.traffic.fault_at.or(Some(0.0)) };
        let tallies = bench.together(name, runs, &contenders, 0.1, &span, |seed| crowd.visits(Everybody, seed));
        let cell = |tally: &Tally| match tally.seconds.median() {
            Some(median) if healthy => format!("{}; {}", percent(tally.found_part()), time(median)),
            None if healthy => "0".to_owned(),
            _ => found(tally),
        };
        let row = rows(&contenders, &[tallies], cell).into_iter().map(|mut row| row.remove(1));
        table.push(std::iter::once(name.to_owned()).chain(row).collect());
    }
    page.table(&head("", contenders.iter().map(|contender| contender.name.to_owned())), &table);
}
