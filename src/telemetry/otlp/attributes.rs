//! Attributes of spans, by their names in OpenTelemetry's semantic conventions.
//!
//! Owns the ways in which a value becomes one, and the name by which the conventions know a provider. What has no value
//! gets no attribute: an unknown is never a zero. Invariant: names that are not the conventions' begin with `serin.`.

use super::proto::{AnyValue, ArrayValue, KeyValue, Value};

/// The attributes of one span.
#[derive(Default)]
pub(super) struct Attributes(pub(super) Vec<KeyValue>);

impl Attributes {
    fn add(&mut self, key: &str, value: Value) {
        self.0.push(KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) });
    }

    pub(super) fn text<'a>(&mut self, key: &str, value: impl Into<Option<&'a str>>) {
        if let Some(value) = value.into() {
            self.add(key, Value::Text(value.to_owned()));
        }
    }

    pub(super) fn whole(&mut self, key: &str, value: impl Into<Option<u64>>) {
        if let Some(value) = value.into() {
            self.add(key, Value::Whole(i64::try_from(value).unwrap_or(i64::MAX)));
        }
    }

    pub(super) fn seconds(&mut self, key: &str, millis: Option<f64>) {
        if let Some(millis) = millis {
            self.add(key, Value::Number(millis / 1000.0));
        }
    }

    pub(super) fn switch(&mut self, key: &str, value: bool) {
        self.add(key, Value::Switch(value));
    }

    /// A list of one text.
    pub(super) fn list(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            let values = vec![AnyValue { value: Some(Value::Text(value.to_owned())) }];
            self.add(key, Value::List(ArrayValue { values }));
        }
    }
}

/// What the conventions call the provider at this host; `None`: they have no name for it.
pub(super) fn provider_at(host: &str) -> Option<&'static str> {
    const HOSTS: [(&str, &str); 9] = [
        ("api.openai.com", "openai"),
        ("api.anthropic.com", "anthropic"),
        ("api.deepseek.com", "deepseek"),
        ("api.mistral.ai", "mistral_ai"),
        ("api.groq.com", "groq"),
        ("api.x.ai", "x_ai"),
        ("api.cohere.com", "cohere"),
        ("api.perplexity.ai", "perplexity"),
        ("generativelanguage.googleapis.com", "gcp.gemini"),
    ];
    let known = HOSTS.iter().find(|(known, _)| *known == host).map(|(_, name)| *name);
    known.or_else(|| host.ends_with(".openai.azure.com").then_some("azure.ai.openai"))
}
