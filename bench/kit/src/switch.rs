//! When the last request was sent that the earlier provider answered.
//!
//! Sixteen connections ask without a pause while somebody changes a setting. Prints which providers answered, how many
//! requests each, and when its first and last request were sent. Requests under way do not count: they were sent before.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use crate::accounting;
use crate::arguments::Arguments;
use crate::call::Caller;
use crate::message::request;

const CONNECTIONS: usize = 16;

/// By provider: how many, and when the first and the last were sent.
type Answered = Rc<RefCell<BTreeMap<u64, (u64, u64, u64)>>>;

pub async fn run(asked: &Arguments) -> Result<(), String> {
    let port = asked.port("port")?;
    let (answered, errors) = (Answered::default(), Rc::new(RefCell::new(0_u64)));
    for user in 0..CONNECTIONS {
        tokio::task::spawn_local(ask(port, request(user, None), Rc::clone(&answered), Rc::clone(&errors)));
    }
    println!("READY");
    sleep(Duration::from_secs_f64(asked.number("secs", 2.0)?)).await;
    let by_provider: BTreeMap<_, _> = answered
        .borrow()
        .iter()
        .map(|(provider, (count, first, last))| {
            (provider.to_string(), json!({ "count": count, "first_ns": first, "last_ns": last }))
        })
        .collect();
    println!("{}", json!({ "by_provider": by_provider, "errors": *errors.borrow() }));
    Ok(())
}

async fn ask(port: u16, request: Vec<u8>, answered: Answered, errors: Rc<RefCell<u64>>) {
    let mut caller = None;
    loop {
        let kept = match caller.take() {
            Some(kept) => Ok(kept),
            None => Caller::connect(port).await,
        };
        let Ok(mut kept) = kept else {
            *errors.borrow_mut() += 1;
            sleep(Duration::from_millis(5)).await;
            continue;
        };
        let sent = accounting::now();
        match kept.call(&request, Instant::now()).await {
            Ok(called) if called.status == 200 => {
                let mut answered = answered.borrow_mut();
                let known = answered.entry(called.provider).or_insert((0, sent, sent));
                known.0 += 1;
                known.2 = known.2.max(sent);
                caller = Some(kept);
            }
            _ => *errors.borrow_mut() += 1,
        }
    }
}
