//! Whether a provider has a model that it would be asked for: by its list, and where that is not conclusive by name.
//!
//! A list may lack names that work (aliases, wildcards of a gateway), so that a model is absent only where the provider
//! says so of this very name. Owns this rule, and which listed name may have been meant. Asks nobody.

use serde::Serialize;

use super::wanted::WantedModel;
use crate::decide::suggest;

/// Names that are compared for a suggestion, at most.
const COMPARED: usize = 5_000;

/// A model that a provider would be asked for, and whether it has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelReport {
    #[serde(flatten)]
    pub wanted: WantedModel,
    #[serde(flatten)]
    pub presence: Presence,
}

/// Whether it has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "presence", rename_all = "snake_case")]
pub enum Presence {
    /// It stands in the list.
    Listed,
    /// It does not stand there, and is known by name.
    Known,
    /// The provider does not know it.
    Absent {
        /// A name of the list that may be meant.
        near: Option<String>,
    },
    /// It does not stand in the list, and the provider does not say more.
    Unlisted {
        near: Option<String>,
    },
    NotTold,
}

/// What the question for one name showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByName {
    Known,
    /// An error that says so.
    Unknown,
    /// A not-found that may be about the path.
    NotFound,
    /// Anything else, or it was not asked.
    NotTold,
}

/// The names that a provider lists, and whether these are all.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    pub ids: &'a [String],
    pub whole: bool,
}

impl Listed<'_> {
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.ids.iter().any(|id| id == name)
    }
}

/// Whether the provider has a model. `list`: what it lists; `None`: it tells no list, or an empty one.
/// `answers_names`: whether the question for a name that is listed was answered.
#[must_use]
pub fn presence(name: &str, list: Option<Listed<'_>>, by_name: ByName, answers_names: bool) -> Presence {
    if list.is_some_and(|list| list.has(name)) {
        return Presence::Listed;
    }
    let near = || list.and_then(|list| near(name, list.ids));
    match (by_name, list) {
        (ByName::Known, _) => Presence::Known,
        (ByName::Unknown, _) => Presence::Absent { near: near() },
        (ByName::NotFound, Some(_)) if answers_names => Presence::Absent { near: near() },
        (ByName::NotFound | ByName::NotTold, Some(list)) if list.whole => Presence::Unlisted { near: near() },
        _ => Presence::NotTold,
    }
}

/// The listed name that may be meant: a slip of the hand, or the same name with something before or behind it.
fn near(name: &str, ids: &[String]) -> Option<String> {
    let compared = || ids.iter().take(COMPARED).map(String::as_str);
    let longer = |id: &&str| {
        let behind = id.strip_suffix(name).is_some_and(|before| before.ends_with('/'));
        behind || id.strip_prefix(name).is_some_and(|rest| rest.starts_with(['-', ':', '@', '.']))
    };
    let shorter = |id: &&str| name.strip_suffix(*id).is_some_and(|before| before.ends_with('/'));
    let found =
        suggest::nearest(name, compared()).or_else(|| compared().find(longer)).or_else(|| compared().find(shorter));
    found.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Vec<String> {
        ["deepseek-chat", "deepseek/deepseek-r1", "claude-3-5-sonnet-20241022", "llama"].map(str::to_owned).to_vec()
    }

    fn of(name: &str, whole: bool, by_name: ByName, answers_names: bool) -> Presence {
        presence(name, Some(Listed { ids: &ids(), whole }), by_name, answers_names)
    }

    #[test]
    fn only_what_the_provider_says_of_the_name_itself_makes_a_model_absent() {
        let none = None;
        assert_eq!(of("llama", true, ByName::NotTold, false), Presence::Listed);
        assert_eq!(of("latest", true, ByName::Known, false), Presence::Known);
        assert_eq!(of("other-thing", true, ByName::Unknown, false), Presence::Absent { near: none.clone() });
        assert_eq!(of("other-thing", true, ByName::NotFound, true), Presence::Absent { near: none.clone() });
        assert_eq!(of("other-thing", true, ByName::NotFound, false), Presence::Unlisted { near: none.clone() });
        assert_eq!(of("other-thing", true, ByName::NotTold, true), Presence::Unlisted { near: none.clone() });
        assert_eq!(of("other-thing", false, ByName::NotFound, false), Presence::NotTold);
        assert_eq!(presence("x", None, ByName::NotFound, false), Presence::NotTold);
        assert_eq!(presence("x", None, ByName::Unknown, false), Presence::Absent { near: none });
        assert_eq!(presence("x", None, ByName::Known, false), Presence::Known);
    }

    #[test]
    fn a_name_that_may_be_meant_is_offered() {
        for (written, meant) in [
            ("deepseek-caht", Some("deepseek-chat")),
            ("deepseek-r1", Some("deepseek/deepseek-r1")),
            ("claude-3-5-sonnet", Some("claude-3-5-sonnet-20241022")),
            ("meta/llama", Some("llama")),
            ("gpt-4o", None),
        ] {
            let Presence::Unlisted { near } = of(written, true, ByName::NotTold, false) else { unreachable!() };
            assert_eq!(near.as_deref(), meant, "{written}");
        }
    }
}
