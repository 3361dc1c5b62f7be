//! In what two good answers to one request differ.
//!
//! Each [`Aspect`] is looked at by itself, and only where both answers have it. Two runs of one model differ in some of
//! these as well, so that a difference is a figure for people, and no fault. Invariant: an answer never differs from
//! itself.

use serde::{Deserialize, Serialize};

use super::digest::Digest;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// Both succeeded, or not.
    Status,
    /// Why it ended.
    Finish,
    /// Whether the text is JSON where it has to be.
    Json,
    /// Whether it has the shape that was asked for.
    Schema,
    /// The names of the tools that it calls.
    Tools,
    /// The keys of their arguments.
    Arguments,
    /// The script of the text.
    Script,
    /// Whether one is more than twice as long as the other.
    Length,
}

/// Texts shorter than this differ in length by chance.
const SHORT: usize = 40;

impl Aspect {
    pub const ALL: [Aspect; 8] = [
        Aspect::Status,
        Aspect::Finish,
        Aspect::Json,
        Aspect::Schema,
        Aspect::Tools,
        Aspect::Arguments,
        Aspect::Script,
        Aspect::Length,
    ];

    /// The word in metrics and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Aspect::Status => "status",
            Aspect::Finish => "finish",
            Aspect::Json => "json",
            Aspect::Schema => "schema",
            Aspect::Tools => "tools",
            Aspect::Arguments => "arguments",
            Aspect::Script => "script",
            Aspect::Length => "length",
        }
    }
}

/// Whether two good answers are alike in each aspect; `None`: there is nothing to compare.
#[must_use]
pub fn compare(stable: &Digest, canary: &Digest) -> [Option<bool>; Aspect::ALL.len()] {
    // A canary that breaks what stable breaks as well is no worse.
    let no_worse = |stable: Option<bool>, canary: Option<bool>| Some(canary? || !stable?);
    let names = |digest: &Digest| digest.calls.keys().cloned().collect::<Vec<_>>();
    let called = !stable.calls.is_empty() || !canary.calls.is_empty();
    let same_tools = names(stable) == names(canary);
    Aspect::ALL.map(|aspect| match aspect {
        Aspect::Status => Some(true),
        Aspect::Finish => Some(stable.finish? == canary.finish?),
        Aspect::Json => no_worse(stable.json, canary.json),
        Aspect::Schema => no_worse(stable.fits_schema, canary.fits_schema),
        Aspect::Tools => called.then_some(same_tools),
        Aspect::Arguments => (called && same_tools).then(|| stable.calls == canary.calls),
        Aspect::Script => Some(stable.script? == canary.script?),
        Aspect::Length => {
            let (short, long) = (stable.length.min(canary.length), stable.length.max(canary.length));
            (long >= SHORT).then_some(short * 2 >= long)
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decide::comparison::request::Expected;
    use crate::wire::finish::Finish;
    use crate::wire::structure::{Structure, ToolCall};

    fn digest(text: &str, calls: &[(&str, &str)], finish: Finish) -> Digest {
        let calls = calls
            .iter()
            .map(|(name, arguments)| ToolCall { name: (*name).to_owned(), arguments: (*arguments).to_owned() });
        let structure = Structure { text: text.to_owned(), calls: calls.collect() };
        Digest::of(&structure, Some(finish), &Expected { json: true, schema: None })
    }

    fn differs_in(stable: &Digest, canary: &Digest) -> Vec<Aspect> {
        let all = Aspect::ALL.into_iter().zip(compare(stable, canary));
        all.filter(|(_, alike)| *alike == Some(false)).map(|(aspect, _)| aspect).collect()
    }

    #[test]
    fn each_difference_shows_in_its_own_aspect() {
        let plain = |text: &str| digest(text, &[], Finish::Stop);
        let long = "A fairly long sentence of an answer, with some words.";
        assert_eq!(differs_in(&plain("{}"), &plain("no")), [Aspect::Json]);
        assert_eq!(differs_in(&plain("no"), &plain("{}")), [], "better is no difference");
        assert_eq!(differs_in(&plain(long), &plain("Too short an answer.")), [Aspect::Length]);
        assert_eq!(differs_in(&plain(long), &plain("Довольно длинное предложение, и слова в нём.")), [Aspect::Script]);
        assert_eq!(differs_in(&plain("{}"), &digest("{}", &[], Finish::Length)), [Aspect::Finish]);
        let called = |name: &str, arguments: &str| digest("", &[(name, arguments)], Finish::ToolCalls);
        assert_eq!(differs_in(&called("f", "{}"), &called("g", "{}")), [Aspect::Tools]);
        assert_eq!(differs_in(&called("f", r#"{"a":1}"#), &called("f", r#"{"b":1}"#)), [Aspect::Arguments]);
        assert_eq!(differs_in(&called("f", r#"{"a":1}"#), &called("f", r#"{"a":2}"#)), []);
    }

    proptest! {
        #[test]
        fn an_answer_never_differs_from_itself(text in ".{0,80}", name in "[a-c]{0,2}", arguments in ".{0,20}") {
            let one = digest(&text, &[(&name, &arguments)], Finish::Stop);
            prop_assert!(differs_in(&one, &one).is_empty());
        }
    }
}
