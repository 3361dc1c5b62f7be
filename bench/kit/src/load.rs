//! Load on one proxy, with its CPU time over the same seconds.
//!
//! Closed: each connection asks again as soon as it is answered. Open (`rate`): requests are due at fixed times, and the
//! time of one counts from when it was due, so that a stall shows in all that had to wait for it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{sleep, sleep_until};

use crate::accounting::CpuTime;
use crate::arguments::Arguments;
use crate::call::{Called, Caller};
use crate::histogram::Histogram;
use crate::message::{Stream, request};

const USERS: usize = 10_000;

/// What was seen while it was measured.
struct Seen {
    measuring: bool,
    first: Histogram,
    ages: Histogram,
    done: u64,
    events: u64,
    errors: u64,
    not_200: u64,
    /// Responses by another provider than the same user's response before.
    moved: u64,
    /// By provider; 0: not asked yet.
    provider_of: Vec<u64>,
}

/// Requests that are due, for connections that are free.
#[derive(Default)]
struct Due {
    queue: RefCell<std::collections::VecDeque<Instant>>,
    more: Notify,
}

pub async fn run(asked: &Arguments) -> Result<(), String> {
    let (port, pids) = (asked.port("port")?, asked.pids());
    let (connections, rate) = (asked.count("conns", 64)?, asked.number("rate", 0.0)?);
    let stream = stream(asked)?;
    let requests: Rc<Vec<Vec<u8>>> = Rc::new((0..USERS).map(|user| request(user, stream)).collect());
    let seen = Rc::new(RefCell::new(Seen::new()));
    let due = Rc::new(Due::default());
    for at in 0..connections {
        let due = (rate > 0.0).then(|| Rc::clone(&due));
        tokio::task::spawn_local(keep_calling(port, at, Rc::clone(&requests), Rc::clone(&seen), due));
    }
    if rate > 0.0 {
        tokio::task::spawn_local(make_due(rate, due));
    }
    sleep(Duration::from_secs_f64(asked.number("warm", 0.5)?)).await;
    seen.borrow_mut().begin();
    let (cpu, began) = (CpuTime::of(&pids), Instant::now());
    sleep(Duration::from_secs_f64(asked.number("secs", 2.0)?)).await;
    let (used, took) = (CpuTime::of(&pids).since(cpu), began.elapsed().as_secs_f64());
    let seen = seen.borrow();
    let mut result = json!({
        "done": seen.done, "secs": took, "rps": seen.done as f64 / took, "events": seen.events,
        "errors": seen.errors, "not_200": seen.not_200, "moved": seen.moved,
        "p50": seen.first.quantile(0.5), "p99": seen.first.quantile(0.99), "p999": seen.first.quantile(0.999),
        "age50": seen.ages.quantile(0.5), "age99": seen.ages.quantile(0.99),
    });
    if let (Some(result), Some(used)) = (result.as_object_mut(), used.as_object()) {
        result.extend(used.clone());
    }
    println!("{result}");
    Ok(())
}

/// The stream that was asked for, if one was.
pub fn stream(asked: &Arguments) -> Result<Option<Stream>, String> {
    let stream = Stream { pace_ms: asked.count("pace", 20)? as u64, events: asked.count("events", 50)? };
    Ok(asked.is_set("stream").then_some(stream))
}

impl Seen {
    fn new() -> Seen {
        Seen {
            measuring: false,
            first: Histogram::new(),
            ages: Histogram::new(),
            done: 0,
            events: 0,
            errors: 0,
            not_200: 0,
            moved: 0,
            provider_of: vec![0; USERS],
        }
    }

    /// From now on it counts. Who served whom is kept.
    fn begin(&mut self) {
        let provider_of = std::mem::take(&mut self.provider_of);
        *self = Seen { measuring: true, provider_of, ..Seen::new() };
    }

    fn called(&mut self, user: usize, called: &Called) {
        let before = std::mem::replace(&mut self.provider_of[user], called.provider);
        self.moved += u64::from(before != 0 && before != called.provider);
        self.done += 1;
        self.events += called.ages.len() as u64;
        self.not_200 += u64::from(called.status != 200);
        if self.measuring {
            self.first.add(called.first);
            called.ages.iter().for_each(|age| self.ages.add(*age));
        }
    }
}

async fn make_due(rate: f64, due: Rc<Due>) {
    let began = tokio::time::Instant::now();
    let mut made = 0_u64;
    loop {
        let next = began + Duration::from_secs_f64(made as f64 / rate);
        if next > tokio::time::Instant::now() {
            sleep_until(next).await;
        }
        made += 1;
        due.queue.borrow_mut().push_back(next.into_std());
        due.more.notify_one();
    }
}

impl Due {
    async fn next(&self) -> Instant {
        loop {
            if let Some(at) = self.queue.borrow_mut().pop_front() {
                return at;
            }
            self.more.notified().await;
        }
    }
}

/// Calls for ever, on a new connection after one broke.
async fn keep_calling(port: u16, at: usize, requests: Rc<Vec<Vec<u8>>>, seen: Rc<RefCell<Seen>>, due: Option<Rc<Due>>) {
    // Another order of users on each connection, and no request twice in a row.
    let mut user = at.wrapping_mul(7919) % USERS;
    let mut caller = None;
    loop {
        user = (user + 7907) % USERS;
        let since = match &due {
            Some(due) => due.next().await,
            None => Instant::now(),
        };
        let connected = match caller.take() {
            Some(caller) => Ok(caller),
            None => Caller::connect(port).await,
        };
        let called = match connected {
            Ok(mut kept) => kept.call(&requests[user], since).await.map(|called| (kept, called)),
            Err(error) => Err(error),
        };
        match called {
            Ok((kept, called)) => {
                caller = Some(kept);
                seen.borrow_mut().called(user, &called);
            }
            Err(_) => {
                seen.borrow_mut().errors += 1;
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
}
