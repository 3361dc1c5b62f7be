//! What a client proves who it is by, on the wire of the APIs that Serin stands before.
//!
//! One table, of which the documents hold a copy: where a credential stands, under which name, and where that is
//! written down. A [`Kind::Key`] lets its holder in; a [`Kind::Account`] says whom to charge, or who is logged in, and
//! is of no use without a key. Names that end in `*` are the beginnings of names. Nothing here knows who a credential
//! was meant for. Invariant: names are in lower case.

/// Where in a request a credential stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialLocation {
    /// A header's value.
    Header,
    /// The value of a parameter in the query.
    Query,
    /// An item of `sec-websocket-protocol`, which begins with the name: the one header that a page can give to a
    /// WebSocket.
    Subprotocol,
}

/// What a credential is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It lets its holder in.
    Key,
    /// It says whom to charge, or who is logged in.
    Account,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Where it stands.
    pub place: CredentialLocation,
    /// Its name there, in lower case; with a `*` at its end what its name begins with.
    pub name: &'static str,
    /// What it is good for.
    pub kind: Kind,
    /// Whose API knows it.
    pub of: &'static str,
    /// Where that is written down.
    pub source: &'static str,
}

const fn key(place: CredentialLocation, name: &'static str, of: &'static str, source: &'static str) -> Credential {
    Credential { place, name, kind: Kind::Key, of, source }
}

const fn account(place: CredentialLocation, name: &'static str, of: &'static str, source: &'static str) -> Credential {
    Credential { place, name, kind: Kind::Account, of, source }
}

const OPENAI: &str = "https://platform.openai.com/docs/api-reference/authentication";
const REALTIME: &str = "https://platform.openai.com/docs/guides/realtime-websocket";
const AZURE: &str = "https://learn.microsoft.com/azure/ai-foundry/openai/reference";
const AZURE_REALTIME: &str = "https://learn.microsoft.com/azure/ai-foundry/openai/how-to/realtime-audio-websockets";
const APIM: &str = "https://learn.microsoft.com/azure/api-management/api-management-subscriptions";
const GOOGLE: &str = "https://cloud.google.com/docs/authentication/api-keys-use";
const GOOGLE_PARAMETERS: &str = "https://cloud.google.com/apis/docs/system-parameters";
const AWS: &str = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html";

/// Every credential that is known by its name.
pub const TABLE: [Credential; 18] = [
    key(CredentialLocation::Header, "authorization", "all that take a bearer token, AWS", "RFC 9110, RFC 6750"),
    key(CredentialLocation::Header, "x-api-key", "Anthropic", "https://docs.anthropic.com/en/api/overview"),
    key(CredentialLocation::Header, "api-key", "Azure OpenAI", AZURE),
    key(CredentialLocation::Header, "ocp-apim-subscription-key", "Azure API Management", APIM),
    key(CredentialLocation::Header, "x-goog-api-key", "Google", GOOGLE),
    key(CredentialLocation::Header, "x-amz-*", "AWS Signature Version 4", AWS),
    key(CredentialLocation::Query, "key", "Google", GOOGLE),
    key(CredentialLocation::Query, "access_token", "Google, RFC 6750", GOOGLE_PARAMETERS),
    key(CredentialLocation::Query, "api-key", "Azure OpenAI, realtime", AZURE_REALTIME),
    key(CredentialLocation::Query, "subscription-key", "Azure API Management", APIM),
    key(CredentialLocation::Query, "x-amz-*", "AWS Signature Version 4, presigned", AWS),
    key(CredentialLocation::Subprotocol, "openai-insecure-api-key.*", "OpenAI, realtime", REALTIME),
    account(CredentialLocation::Header, "cookie", "any", "RFC 6265"),
    account(CredentialLocation::Header, "openai-organization", "OpenAI", OPENAI),
    account(CredentialLocation::Header, "openai-project", "OpenAI", OPENAI),
    account(CredentialLocation::Header, "x-goog-user-project", "Google", GOOGLE_PARAMETERS),
    account(CredentialLocation::Subprotocol, "openai-organization.*", "OpenAI, realtime", REALTIME),
    account(CredentialLocation::Subprotocol, "openai-project.*", "OpenAI, realtime", REALTIME),
];

/// Whether the name of a header or parameter, in lower case, says that what is behind it is a secret.
#[must_use]
pub fn suggests_secret(name: &str) -> bool {
    ["auth", "key", "token", "secret", "cookie", "password"].iter().any(|word| name.contains(word))
}

/// Whether the name in the table is this one: equal, or its beginning where the table says so.
#[must_use]
pub fn is_named(pattern: &str, name: &str) -> bool {
    let (fixed, exact) = match pattern.strip_suffix('*') {
        Some(begin) => (begin, false),
        None => (pattern, true),
    };
    let begins = name.as_bytes().get(..fixed.len()).is_some_and(|start| start.eq_ignore_ascii_case(fixed.as_bytes()));
    begins && (!exact || name.len() == fixed.len())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_in_their_place_and_in_lower_case() {
        let names: HashSet<_> = TABLE.iter().map(|row| (row.place, row.name)).collect();
        assert_eq!(names.len(), TABLE.len());
        assert!(TABLE.iter().all(|row| !row.name.bytes().any(|byte| byte.is_ascii_uppercase())));
        assert!(TABLE.iter().all(|row| row.place != CredentialLocation::Subprotocol || row.name.ends_with(".*")));
    }

    #[test]
    fn a_name_fits_whole_or_by_its_beginning() {
        for (pattern, name, fits) in [
            ("x-api-key", "X-Api-Key", true),
            ("x-api-key", "x-api-keys", false),
            ("x-api-key", "x-api", false),
            ("x-amz-*", "X-Amz-Security-Token", true),
            ("x-amz-*", "x-amzn-trace-id", false),
            ("x-amz-*", "x-amz", false),
            ("openai-project.*", "openai-project.p", true),
        ] {
            assert_eq!(is_named(pattern, name), fits, "{pattern} {name}");
        }
    }
}
