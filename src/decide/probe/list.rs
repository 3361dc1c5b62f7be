//! What a provider answers where its list of models is expected, and whether that is an API at all.
//!
//! Owns the telling of a list from a login page, a gateway's error page and an address that lacks a part of its path.
//! Says nothing of single models ([`model`](super::model)). Invariant: only an answer of another kind than an API's is
//! doubted; a provider without a list is one that does not tell its models.

use serde::Serialize;

use crate::wire::model_list::{ListForm, ModelPage, NoList};
use crate::wire::shape::Shape;

/// What came where a list was expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListReport {
    /// The path that was asked, without a query.
    pub path: String,
    #[serde(flatten)]
    pub kind: ListKind,
    /// The address that has a list, where this one has none.
    pub base_url: Option<String>,
}

/// The same, by kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "list", rename_all = "snake_case")]
pub enum ListKind {
    /// A list.
    Told {
        form: ListDialect,
        models: usize,
        /// Whether all of it was read.
        whole: bool,
    },
    /// A web page with a success: a login, or a site.
    WebPage { status: u16 },
    /// An error page of what stands before the provider.
    Gateway { status: u16 },
    /// A success that is something else than a list.
    Other { status: u16, what: String },
    /// There is no such path.
    Absent { status: u16 },
    /// The answer leads elsewhere.
    Redirected { status: u16, to: Option<String> },
    /// No list, for this reason.
    NotTold { why: String },
}

/// Whose form a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ListDialect {
    OpenAi,
    Anthropic,
    Other,
}

impl From<ListForm> for ListDialect {
    fn from(form: ListForm) -> ListDialect {
        match form {
            ListForm::OpenAi => ListDialect::OpenAi,
            ListForm::Anthropic => ListDialect::Anthropic,
            ListForm::Other => ListDialect::Other,
        }
    }
}

/// What an answer is that was read as a page of a list. `location`: where a redirect leads.
#[must_use]
pub fn judge_list(status: u16, page: &Result<ModelPage, NoList>, location: Option<String>) -> ListKind {
    match (status, page) {
        (200..=299, Ok(page)) => ListKind::Told {
            form: page.form.into(),
            models: page.ids.len(),
            whole: !page.cut && page.next_after.is_none(),
        },
        (200..=299, Err(NoList::Foreign(Shape::Html))) => ListKind::WebPage { status },
        (200..=299, Err(NoList::OtherJson)) => {
            ListKind::Other { status, what: "JSON that is no list of models".to_owned() }
        }
        (200..=299, Err(NoList::Foreign(shape))) => ListKind::Other { status, what: shape.words().to_owned() },
        (300..=399, _) => ListKind::Redirected { status, to: location },
        (404 | 405 | 410 | 501, _) => ListKind::Absent { status },
        // Whatever stands before the provider writes such pages, and no API does.
        (_, Err(NoList::Foreign(Shape::Html | Shape::Xml))) => ListKind::Gateway { status },
        (502..=504 | 520..=530, Err(NoList::Foreign(_))) => ListKind::Gateway { status },
        (status, _) => ListKind::NotTold { why: status.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::model_list::read_model_page;

    fn judged(status: u16, body: &str) -> ListKind {
        judge_list(status, &read_model_page(body.as_bytes(), true), None)
    }

    #[test]
    fn a_list_a_page_and_a_gateway_are_told_apart() {
        let told = |form, models, whole| ListKind::Told { form, models, whole };
        let page = "<!doctype html><title>Sign in</title>";
        for (status, body, kind) in [
            (200, r#"{"object":"list","data":[{"id":"a"}]}"#, told(ListDialect::OpenAi, 1, true)),
            (
                200,
                r#"{"data":[{"type":"model","id":"a"}],"has_more":true,"last_id":"a"}"#,
                told(ListDialect::Anthropic, 1, false),
            ),
            (200, page, ListKind::WebPage { status: 200 }),
            (200, "{}", ListKind::Other { status: 200, what: "JSON that is no list of models".into() }),
            (200, "OK", ListKind::Other { status: 200, what: "text".into() }),
            (404, page, ListKind::Absent { status: 404 }),
            (403, page, ListKind::Gateway { status: 403 }),
            (502, page, ListKind::Gateway { status: 502 }),
            (503, "upstream connect error", ListKind::Gateway { status: 503 }),
            (503, r#"{"error":{"message":"overloaded"}}"#, ListKind::NotTold { why: "503".into() }),
            (401, "{}", ListKind::NotTold { why: "401".into() }),
        ] {
            assert_eq!(judged(status, body), kind, "{status} {body}");
        }
        let to = Some("https://login.example/".to_owned());
        let page = Err(NoList::Foreign(Shape::Empty));
        assert_eq!(judge_list(302, &page, to.clone()), ListKind::Redirected { status: 302, to });
    }
}
