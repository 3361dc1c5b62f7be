//! A page that is one file: its texts, its style, the numbers of its charts, and the script that draws them.
//!
//! It can be saved and sent, and asks no network for anything. The script is the one of the dashboard's charts; the
//! page's policy allows exactly that script and that style, by their hashes. The caller escapes what it puts into the
//! body, and says in it what the charts show, since a reader may run no script. Invariant: whatever a text or a number
//! says, nothing of it is executed, and the same content gives the same page.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::wire::printable::html;

const SCRIPT: &str = concat!(include_str!("page/chart.js"), include_str!("page/bars.js"), include_str!("page/draw.js"));
const CHART_STYLE: &str = include_str!("page/chart.css");

/// What a page is made of.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    pub title: &'a str,
    /// The page's own rules; those of the charts come before them.
    pub style: &'a str,
    /// Markup, with a `data-chart` for the place of each chart.
    pub body: &'a str,
    /// What each chart shows, as `chart.js` and `bars.js` take it.
    pub charts: &'a [Value],
}

impl Page<'_> {
    /// The file, and the policy that is in it.
    #[must_use]
    pub fn write(&self) -> (String, String) {
        let style = format!("{CHART_STYLE}{}", self.style);
        let policy = format!(
            "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
            hash(&style),
            hash(SCRIPT)
        );
        let page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"content-security-policy\" content=\"{policy}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
             <style>{style}</style>\n</head>\n<body>\n{}\
             <script type=\"application/json\" id=\"data\">{}</script>\n<script type=\"module\">{SCRIPT}</script>\n\
             </body>\n</html>\n",
            html(self.title),
            self.body,
            data(self.charts)
        );
        (page, policy)
    }
}

/// The place of the chart of this number.
#[must_use]
pub fn place(number: usize) -> String {
    format!("<div class=\"plot\" data-chart=\"{number}\"></div>")
}

/// A sentence as markup: escaped, and what stands between two backticks as code.
#[must_use]
pub fn prose(text: &str) -> String {
    let mut markup = String::new();
    let mut parts = html(text).split('`').map(str::to_owned).collect::<Vec<_>>().into_iter();
    markup.extend(parts.next());
    while let Some(part) = parts.next() {
        match parts.next() {
            Some(rest) => markup.extend(["<code>", &part, "</code>", &rest]),
            // One that is alone is a backtick.
            None => markup.extend(["`", &part]),
        }
    }
    markup
}

/// JSON that ends no script, and no line of one.
fn data(charts: &[Value]) -> String {
    let text = Value::from(charts).to_string();
    text.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// `sha256-...`, as a policy names a script or a style.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_of_a_text_is_executed_or_ends_what_it_stands_in() {
        let hostile = "</script><script>alert(1)</script><!--\u{2028}\u{2029}";
        let charts = [json!({"title": hostile, "lines": [{"name": hostile}]})];
        let (page, policy) = Page { title: hostile, style: "", body: "", charts: &charts }.write();
        assert_eq!((page.matches("<script").count(), page.matches("</script").count()), (2, 2), "{page}");
        assert!(!page.contains("<!--") && !page.contains(['\u{2028}', '\u{2029}']));
        let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
        assert_eq!(serde_json::from_str::<Value>(data).unwrap(), Value::from(&charts[..]));
        assert!(page.contains(&format!("content=\"{policy}\"")));
    }

    #[test]
    fn what_stands_between_backticks_is_code_and_nothing_of_it_is_markup() {
        for (text, markup) in [
            ("see `serin why`", "see <code>serin why</code>"),
            ("`a` and `<b>`.", "<code>a</code> and <code>&lt;b&gt;</code>."),
            ("a ` alone", "a ` alone"),
            ("`a` and `", "<code>a</code> and `"),
            ("", ""),
        ] {
            assert_eq!(prose(text), markup);
        }
    }

    #[test]
    fn the_policy_allows_exactly_the_style_and_the_script_that_are_in_it() {
        let (page, policy) = Page { title: "t", style: "p{margin:0}", body: "<p>b</p>\n", charts: &[] }.write();
        let between = |begin: &str, end: &str| page.split(begin).nth(1).unwrap().split(end).next().unwrap();
        let script = between("<script type=\"module\">", "</script>");
        let style = between("<style>", "</style>");
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
                hash(style),
                hash(script)
            )
        );
        assert!(style.ends_with("p{margin:0}") && script.contains("export function chart("));
        assert!(script.find("export function chart(") < script.find("export function bars("));
    }
}
