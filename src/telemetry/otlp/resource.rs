//! What the spans of this process are spans of: `service.name` and what the environment adds.
//!
//! Reads `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` as OpenTelemetry's specification says, since operators of
//! Kubernetes set them for every container alike. Invariant: there is always a `service.name`.

use percent_encoding::percent_decode_str;

use super::attributes::Attributes;
use super::proto::Resource;

/// More attributes than this are not taken.
const MOST: usize = 64;

/// Made of these variables.
pub(super) fn resource(variable: impl Fn(&str) -> Option<String>) -> Resource {
    let set = |name: &str| variable(name).filter(|text| !text.trim().is_empty());
    let mut attributes = Attributes::default();
    let mut names: Vec<String> = Vec::new();
    let mut add = |key: &str, value: &str| {
        if !key.is_empty() && !names.iter().any(|known| known == key) {
            names.push(key.to_owned());
            attributes.text(key, value);
        }
    };
    if let Some(name) = set("OTEL_SERVICE_NAME") {
        add("service.name", name.trim());
    }
    let given = set("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    for (key, value) in given.split(',').take(MOST).filter_map(|pair| pair.split_once('=')) {
        add(key.trim(), &percent_decode_str(value.trim()).decode_utf8_lossy());
    }
    add("service.name", "serin");
    add("service.version", env!("CARGO_PKG_VERSION"));
    Resource { attributes: attributes.0 }
}

#[cfg(test)]
mod tests {
    use super::super::proto::Value;
    use super::*;

    fn made(name: Option<&str>, attributes: Option<&str>) -> Vec<(String, String)> {
        let variable = |asked: &str| {
            let text = if asked == "OTEL_SERVICE_NAME" { name } else { attributes };
            text.map(str::to_owned)
        };
        let texts = resource(variable).attributes.into_iter().map(|pair| {
            let Some(Value::Text(text)) = pair.value.and_then(|value| value.value) else { panic!("a text") };
            (pair.key, text)
        });
        texts.filter(|(key, _)| key != "service.version").collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_environment_names_the_service() {
        assert_eq!(made(None, None), pairs(&[("service.name", "serin")]));
        assert_eq!(made(Some(" "), Some("")), pairs(&[("service.name", "serin")]));
        let attributes = Some("service.name=shop, k8s.pod.name = shop-1,team=a%2Cb,odd,=x,team=c");
        let rest = [("k8s.pod.name", "shop-1"), ("team", "a,b")];
        assert_eq!(made(None, attributes), pairs(&[&[("service.name", "shop")][..], &rest].concat()));
        assert_eq!(made(Some("web"), attributes), pairs(&[&[("service.name", "web")][..], &rest].concat()));
    }
}
