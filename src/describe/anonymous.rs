//! The sentence for a rollout in which many requests carry no user id.
//!
//! It names the places where the id is looked for, the arm of a request without one, and the syntax for another place.
//! The limit for "many" is decided elsewhere.

use crate::decide::policy::{Anonymous, UserSource};

/// The sentence for the rollout with this name.
#[must_use]
pub fn no_user_id(rollout: &str, sources: &[UserSource], anonymous: Anonymous) -> String {
    let places: Vec<String> = sources.iter().map(place).collect();
    let then = match anonymous {
        Anonymous::Conversation => "are split by conversation, so one user may get both providers",
        Anonymous::Random => "are split at random, so one user gets both providers",
        Anonymous::Stable => "stay on stable",
    };
    format!(
        "the id is looked for in {}; requests without one {then}. Send it there, or set its place in \
         rollouts[{rollout}].user: `header:NAME`, `cookie:NAME`, `query:NAME` or `body:path.to.field`",
        places.join(", ")
    )
}

/// The place in the syntax of flags.yaml.
fn place(source: &UserSource) -> String {
    match source {
        UserSource::Header(name) => format!("header:{name}"),
        UserSource::Cookie(name) => format!("cookie:{name}"),
        UserSource::Query(name) => format!("query:{name}"),
        UserSource::Body(path) => format!("body:{}", path.join(".")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_named_as_the_file_writes_it() {
        let body = UserSource::Body(vec!["metadata".into(), "user_id".into()]);
        let sources = [
            UserSource::Header("x-user-id".into()),
            UserSource::Cookie("uid".into()),
            UserSource::Query("user".into()),
            body,
        ];
        assert_eq!(
            no_user_id("chat", &sources, Anonymous::Stable),
            "the id is looked for in header:x-user-id, cookie:uid, query:user, body:metadata.user_id; requests \
             without one stay on stable. Send it there, or set its place in rollouts[chat].user: `header:NAME`, \
             `cookie:NAME`, `query:NAME` or `body:path.to.field`"
        );
        assert!(no_user_id("chat", &sources, Anonymous::Conversation).contains("one user may get both providers"));
    }
}
