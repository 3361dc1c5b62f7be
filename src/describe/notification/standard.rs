//! The body of a Standard Webhooks message: `{type, timestamp, data}`.
//!
//! The signature covers these bytes, and is made by who sends them. Everything that a program may want is a member of
//! `data`, beside the sentences. Invariant: the body is below 20,000 bytes.

use serde_json::{Map, Value, json};

use super::{LARGEST, Letter, affected, causes, command, kind, title, why};
use crate::decide::event::Figure;
use crate::decide::notification::{Subject, Transition};
use crate::decide::timestamp::Timestamp;
use crate::describe::numbers::numbers;

/// The body.
#[must_use]
pub fn body(letter: &Letter<'_>) -> String {
    let notification = letter.notification;
    let mut data = Map::new();
    data.insert("summary".to_owned(), title(notification).into());
    data.insert("reason".to_owned(), why(notification).into());
    match &notification.subject {
        Subject::Transition(transition) => of_transition(transition, &mut data),
        Subject::Digest(digest) => drop(data.insert("rollouts".to_owned(), super::digest::values(digest))),
        Subject::Test => {}
    }
    data.insert("command".to_owned(), command(notification).into());
    data.insert("others".to_owned(), notification.others.into());
    let links: Map<_, _> = letter.links().into_iter().map(|(name, url)| (name.to_owned(), url.into())).collect();
    data.insert("links".to_owned(), links.into());
    let mut message = json!({
        "type": kind(notification),
        "timestamp": Timestamp(notification.at),
        "data": data,
    });
    // What is longest and least needed first.
    for name in ["numbers", "causes", "rollouts", "reason"] {
        if message.to_string().len() < LARGEST {
            break;
        }
        if let Some(data) = message["data"].as_object_mut() {
            data.remove(name);
        }
    }
    message.to_string()
}

fn of_transition(transition: &Transition, data: &mut Map<String, Value>) {
    let event = &transition.event;
    data.insert("rollout".to_owned(), event.rollout.clone().into());
    data.insert("action".to_owned(), event.action.as_str().into());
    data.insert("actor".to_owned(), event.actor.as_str().into());
    if event.rollout.is_some() {
        data.insert("from".to_owned(), event.from.as_f64().into());
        data.insert("to".to_owned(), event.to.as_f64().into());
    }
    if let Some(pair) = &transition.pair {
        data.insert("stable".to_owned(), pair.stable.as_str().into());
        data.insert("canary".to_owned(), pair.canary.as_str().into());
        data.insert("attempt".to_owned(), pair.attempt.into());
    }
    data.insert("generation".to_owned(), event.generation.into());
    data.insert("affected".to_owned(), affected(transition).into());
    data.insert("causes".to_owned(), causes(transition).into());
    let numbers = numbers(&event.reason).into_iter().map(|(name, figure)| (name, value(figure)));
    data.insert("numbers".to_owned(), numbers.collect::<Map<_, _>>().into());
    data.insert("incident".to_owned(), transition.incident.clone().into());
}

fn value(figure: Figure) -> Value {
    match figure {
        Figure::Nothing => Value::Null,
        Figure::Text(text) => text.into(),
        Figure::Number(number) => number.into(),
    }
}
