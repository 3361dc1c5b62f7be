//! The keys that cannot be asked now, a row for each provider that has one.
//!
//! Keys are named by their position and last four characters. Nothing where all are usable, as they should be. Pure: a
//! reply and the time in, rows out. Decides nothing about keys.

use crate::app::api::{Provider, ProviderKey};
use crate::cli::output::{Style, row, span};
use crate::decide::event::KeyName;
use crate::decide::units::UnixMillis;
use crate::describe::key::name;

pub(super) fn rows(text: &mut String, providers: &[Provider], now: UnixMillis, style: Style) {
    for provider in providers {
        let impaired: Vec<String> = provider.keys.iter().filter_map(|key| sentence(key, now)).collect();
        if impaired.is_empty() {
            continue;
        }
        let usable = provider.keys.len() - impaired.len();
        let head = format!("{}: {usable} of {} usable", provider.name, provider.keys.len());
        let paint = if usable == 0 { Style::red } else { Style::yellow };
        row(text, "keys", &paint(style, &head));
        impaired.iter().for_each(|sentence| row(text, "", &paint(style, sentence)));
    }
}

/// Nothing where it is usable.
fn sentence(key: &ProviderKey, now: UnixMillis) -> Option<String> {
    let named = name(&KeyName { position: key.key, tail: key.last_four.clone() });
    let left = key.until.filter(|until| until.0 > now).map(|until| span(until.0.since(now)));
    let rests = left.as_ref().map_or("until the next request".to_owned(), |left| format!("for {left} more"));
    Some(match (key.state.as_str(), key.reason.as_deref()) {
        ("usable", _) => return None,
        ("refused", _) => {
            let status = key.status.map_or_else(String::new, |status| format!(" with status {status}"));
            let next = left.map_or("the next request tries it".to_owned(), |left| format!("the next try is in {left}"));
            format!("{named} is refused{status}, {next}")
        }
        (_, Some("quota")) => format!("{named} rests {rests}: its quota is spent"),
        (_, _) => match key.models {
            Some(models @ 2..) => format!("{named} rests {rests}: asked too often for {models} models"),
            _ => format!("{named} rests {rests}: asked too often"),
        },
    })
}
