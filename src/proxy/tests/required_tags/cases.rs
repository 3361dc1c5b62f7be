//! Random files with tags, random requests, and an oracle that knows of a file what a reader would say.
//!
//! The oracle reads the case and not the policy, and shares no code with the compiler or the router: who owns a
//! request, and which tags its owner asks for, is said here a second time.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;

pub(super) const TAGS: [&str; 3] = ["eu", "zero-retention", "hipaa"];
const MODELS: [&str; 2] = ["gpt-4", "claude-3"];
const ENDPOINTS: [&str; 3] = ["chat/completions", "messages", "responses"];

pub(super) type Tags = BTreeSet<&'static str>;

pub(super) struct Route {
    /// `None`: the endpoints that generate.
    pub(super) path: Option<&'static str>,
    model: Option<usize>,
    region: Option<&'static str>,
    pub(super) stable: usize,
    pub(super) canary: Option<usize>,
    /// `None`: the other arm.
    fallback: Option<Vec<usize>>,
    pub(super) require: Tags,
}

/// A file, before it is written.
pub(super) struct File {
    pub(super) providers: Vec<Tags>,
    pub(super) routes: Vec<Route>,
    /// `None`: not said; `Some(None)`: reject.
    unmatched: Option<Option<usize>>,
}

pub(super) fn tags(rng: &mut fastrand::Rng, likely: u32) -> Tags {
    TAGS.into_iter().filter(|_| rng.u32(0..100) < likely).collect()
}

impl File {
    pub(super) fn random(rng: &mut fastrand::Rng) -> File {
        let providers: Vec<Tags> = (0..rng.usize(2..=6)).map(|_| tags(rng, 70)).collect();
        let any = |rng: &mut fastrand::Rng| rng.usize(0..providers.len());
        let count = rng.usize(1..=3);
        let routes = (0..count).map(|_| {
            let stable = any(rng);
            let canary = Some(any(rng)).filter(|canary| *canary != stable);
            let fallback = rng.bool().then(|| {
                let mut list: Vec<usize> = (0..providers.len()).filter(|_| rng.bool()).collect();
                rng.shuffle(&mut list);
                list
            });
            // A plain route does not fall back to itself alone.
            let fallback = fallback.filter(|list| !list.is_empty() && (canary.is_some() || *list != [stable]));
            Route {
                path: rng.bool().then(|| *rng.choice(["/chat/*", "/*esponses", "/files/*"].iter()).unwrap()),
                model: rng.bool().then(|| rng.usize(0..MODELS.len())),
                region: rng.bool().then_some("eu"),
                stable,
                canary,
                fallback,
                require: if rng.u8(0..4) > 0 { tags(rng, 35) } else { Tags::new() },
            }
        });
        let routes = routes.collect();
        let unmatched = [None, Some(None), Some(Some(any(rng)))][rng.usize(0..3)];
        File { providers, routes, unmatched }
    }

    /// Whether it keeps every rollout within its tags, as a reader of the file would say.
    pub(super) fn is_sound(&self) -> bool {
        let unmatched = self.unmatched.unwrap_or(Some(self.routes[0].stable));
        self.routes.iter().all(|route| {
            let asked = [Some(route.stable), route.canary, unmatched].into_iter().flatten();
            let mut asked = asked.chain(route.fallback.iter().flatten().copied());
            asked.all(|id| route.require.is_subset(&self.providers[id]))
        })
    }

    pub(super) fn text(&self, at: impl Fn(usize) -> SocketAddr, rng: &mut fastrand::Rng) -> String {
        let mut text = "providers:\n".to_owned();
        for (index, tags) in self.providers.iter().enumerate() {
            let models = if rng.bool() { ", models: { gpt-4: g }, unmapped: stable" } else { "" };
            let _ = write!(text, "  p{index}: {{ base_url: \"http://{}/v1\"{models}", at(index));
            let _ = write!(text, ", breaker: {{ failures: 1, open_for: 1ms }}");
            text += &if tags.is_empty() { String::new() } else { format!(", tags: {}", list(tags.iter())) };
            text += " }\n";
        }
        match self.unmatched {
            None => {}
            Some(None) => text += "unmatched: reject\n",
            Some(Some(id)) => text += &format!("unmatched: p{id}\n"),
        }
        text += "rollouts:\n";
        for (index, route) in self.routes.iter().enumerate() {
            let _ = write!(text, "  - {{ name: r{index}, stable: p{}, retry: {{ backoff: 0ms..1ms }}", route.stable);
            if let Some(canary) = route.canary {
                let _ = write!(text, ", canary: p{canary}, percent: 50%, pin_users: [u1], exclude: [u2]");
            }
            if let Some(fallback) = &route.fallback {
                let _ = write!(text, ", fallback: {}", list(fallback.iter().map(|id| format!("p{id}"))));
            }
            if !route.require.is_empty() {
                let _ = write!(text, ", require: {}", list(route.require.iter()));
            }
            let mut matches: Vec<String> = Vec::new();
            matches.extend(route.path.map(|path| format!("path: \"{path}\"")));
            matches.extend(route.model.map(|model| format!("model: \"{}*\"", &MODELS[model][..3])));
            matches.extend(route.region.map(|region| format!("header: {{ x-region: {region} }}")));
            if !matches.is_empty() {
                let _ = write!(text, ", match: {{ {} }}", matches.join(", "));
            }
            text += " }\n";
        }
        text
    }

    /// The tags that whoever sees this request must have: those of the rollout whose it is, whatever its model is where
    /// nobody can read that; of a request that is nobody's those of all, since it may be about anybody's state.
    pub(super) fn required(&self, request: &Request) -> Tags {
        let models = match request.body {
            Body::Json(model) => vec![model],
            Body::Unreadable => vec![Some(0), Some(1)],
        };
        let owner = |model| self.routes.iter().find(|route| route.takes(request, model));
        let owners: Vec<&Route> = models.into_iter().filter_map(owner).collect();
        let whose: Vec<&Route> = if owners.is_empty() { self.routes.iter().collect() } else { owners };
        whose.into_iter().flat_map(|route| route.require.iter().copied()).collect()
    }
}

impl Route {
    fn takes(&self, request: &Request, model: Option<usize>) -> bool {
        let path = match self.path {
            None => ENDPOINTS.contains(&request.path),
            Some("/chat/*") => request.path.starts_with("chat/"),
            Some("/*esponses") => request.path.ends_with("esponses"),
            Some(_) => request.path.starts_with("files/"),
        };
        path && self.model.is_none_or(|own| Some(own) == model) && (self.region.is_none() || request.region)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// With this model, or with none.
    Json(Option<usize>),
    /// Nothing can be read of it.
    Unreadable,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) region: bool,
    pub(super) user: u8,
    pub(super) body: Body,
    pub(super) bound: bool,
}

impl Request {
    pub(super) fn random(rng: &mut fastrand::Rng) -> Request {
        let paths = ["chat/completions", "messages", "responses", "chat/x", "files/f1", "responses/r1", "embeddings"];
        Request {
            method: if rng.u8(0..5) > 0 { "POST" } else { ["GET", "DELETE"][rng.usize(0..2)] },
            path: paths[rng.usize(0..paths.len())],
            region: rng.bool(),
            user: rng.u8(0..20),
            body: match rng.u8(0..6) {
                0 => Body::Unreadable,
                1 => Body::Json(None),
                drawn => Body::Json(Some(usize::from(drawn) % 2)),
            },
            bound: rng.u8(0..6) == 0,
        }
    }

    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("x-user-id", format!("u{}", self.user))];
        if self.region {
            headers.push(("x-region", "eu".to_owned()));
        }
        headers
    }

    /// The body of a POST.
    pub(super) fn text(&self) -> String {
        let Body::Json(model) = self.body else { return "\u{1f}\u{8b} no JSON".to_owned() };
        let model = model.map_or_else(String::new, |model| format!(r#""model":"{}","#, MODELS[model]));
        let bound = if self.bound { r#""previous_response_id":"resp_1","# } else { "" };
        format!(r#"{{{model}{bound}"messages":[]}}"#)
    }
}

fn list(items: impl Iterator<Item = impl ToString>) -> String {
    format!("[{}]", items.map(|item| item.to_string()).collect::<Vec<_>>().join(", "))
}
