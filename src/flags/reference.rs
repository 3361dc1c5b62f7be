//! References in a text: `${NAME}` and `${file:/path}`, told apart from what stands around them.
//!
//! Takes texts apart and follows nothing: where a reference leads is found out in
//! [`environment`](super::environment), and whether it names anything at all as well.

/// A piece of a text with references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    Literal(&'t str),
    /// What stands between the braces.
    Reference(&'t str),
    /// A `${` without its end, up to the end of the text.
    Open,
}

/// A text, taken apart into what stands in it and what it refers to.
pub(super) fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let Some(inside) = rest.strip_prefix("${") else {
            let (literal, behind) = rest.split_at(rest.find("${").unwrap_or(rest.len()));
            rest = behind;
            return (!literal.is_empty()).then_some(Part::Literal(literal));
        };
        let Some((name, behind)) = inside.split_once('}') else {
            rest = "";
            return Some(Part::Open);
        };
        rest = behind;
        Some(Part::Reference(name))
    })
}
