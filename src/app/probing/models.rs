//! Asking one provider for its list of models, page by page, and by name for those that do not stand in it.
//!
//! Where no list comes, the address that was probably meant is tried once: with `/v1`, or without the endpoint that was
//! copied with it. Bounded: so many pages, so many names.

use std::sync::Arc;

use super::asked_provider::{AskedProvider, LIST};
use super::keys::{TriedKey, at};
use crate::decide::endpoint;
use crate::decide::policy::PathPart;
use crate::decide::probe::list::{ListKind, ListReport, judge_list};
use crate::decide::probe::model::{ByName, Listed, ModelReport, presence};
use crate::proxy::{self, ProbeAnswer, Question};
use crate::wire::complaint::{About, read_complaint};
use crate::wire::model_list::{ListOrigin, MOST, ModelPage, read_model_name, read_model_page};

/// Pages of a list that are read, at most.
const MOST_PAGES: usize = 20;

/// What a provider lists.
pub(super) struct ListedModels {
    pub(super) report: ListReport,
    pub(super) origin: Option<ListOrigin>,
    ids: Vec<String>,
}

impl AskedProvider {
    /// Where the list stands below the base URL, with its query.
    pub(super) fn list_path(&self) -> String {
        let probed = self.provider.probe_path.reveal();
        let path = probed.split('?').next().unwrap_or_default().trim_end_matches('/');
        if path.ends_with("models") { probed.to_owned() } else { "/models".to_owned() }
    }

    /// Reads the list. `first`: an answer to the question for its first page, where there is one.
    pub(super) async fn read_list(&self, key: &TriedKey, first: Option<&ProbeAnswer>) -> ListedModels {
        let path = self.list_path();
        let shown = path.split('?').next().unwrap_or_default().to_owned();
        let asked = match first {
            Some(answer) => Ok(answer.clone()),
            None => self.answer(&self.list_question(&path, key)).await,
        };
        let answer = match asked {
            Ok(answer) => answer,
            Err(why) => {
                let report = ListReport { path: shown, kind: ListKind::NotTold { why }, base_url: None };
                return ListedModels { report, origin: None, ids: Vec::new() };
            }
        };
        let mut page = read_model_page(&answer.body, answer.whole);
        if let Ok(page) = &mut page
            && (200..300).contains(&answer.status)
        {
            self.read_pages(key, &path, page).await;
        }
        let redirect = answer.redirect.as_ref();
        let kind = judge_list(answer.status, &page, redirect.and_then(|redirect| redirect.to.clone()));
        let base_url = match redirect.and_then(|redirect| redirect.base_url.clone()) {
            Some(base_url) => Some(base_url),
            None => self.meant_base_url(key, &kind, &path).await,
        };
        let told = matches!(kind, ListKind::Told { .. });
        let page = page.ok().filter(|_| told);
        let origin = page.as_ref().and_then(|page| page.origin);
        let ids = page.map(|page| page.ids).unwrap_or_default();
        ListedModels { report: ListReport { path: shown, kind, base_url }, origin, ids }
    }

    fn list_question(&self, below: &str, key: &TriedKey) -> Question {
        Question { most: LIST, ..self.question(below, Some(key.index)) }
    }

    /// Adds the pages behind the first.
    async fn read_pages(&self, key: &TriedKey, path: &str, page: &mut ModelPage) {
        for _ in 1..MOST_PAGES {
            let Some(after) = page.next_after.as_ref().filter(|_| page.ids.len() < MOST) else { return };
            let mark = if path.contains('?') { '&' } else { '?' };
            let after = proxy::encoded(after);
            let below = format!("{path}{mark}limit=1000&after_id={after}");
            let Ok(answer) = self.answer(&self.list_question(&below, key)).await else { return };
            let Ok(next) = read_model_page(&answer.body, answer.whole) else { return };
            let before = page.ids.len();
            page.ids.extend(next.ids.into_iter().take(MOST - before));
            page.cut |= next.cut;
            // A page that names itself as the next one has none.
            let goes_on = page.ids.len() > before && next.next_after != page.next_after;
            page.cut |= !goes_on && next.next_after.is_some();
            page.next_after = next.next_after.filter(|_| goes_on);
        }
    }

    /// The address that has a list where this one has none.
    async fn meant_base_url(&self, key: &TriedKey, kind: &ListKind, path: &str) -> Option<String> {
        if !matches!(kind, ListKind::WebPage { .. } | ListKind::Absent { .. } | ListKind::Other { .. }) {
            return None;
        }
        let base = &self.provider.base_url.path;
        let meant = match endpoint::at_end(base) {
            Some((before, _)) => before.to_owned(),
            None if ends_in_version(base) => return None,
            None => format!("{base}/v1"),
        };
        let provider = Arc::new(at(&self.provider, &meant));
        let base_url = provider.base_url.to_string();
        let question = Question { provider, ..self.list_question(path, key) };
        let answer = self.answer(&question).await.ok()?;
        let is_list = answer.status == 200 && read_model_page(&answer.body, answer.whole).is_ok();
        is_list.then_some(base_url)
    }

    /// Whether it has each of the models that it would be asked for.
    pub(super) async fn find_models(&self, key: &TriedKey, list: &ListedModels) -> Vec<ModelReport> {
        let whole = matches!(list.report.kind, ListKind::Told { whole: true, .. });
        let listed = (!list.ids.is_empty()).then_some(Listed { ids: &list.ids, whole });
        let listed = listed.filter(|_| !self.names_deployments());
        let is_listed = |name: &str| listed.is_some_and(|listed| listed.has(name));
        // Where there is no API, or nobody is let in, no name is asked for.
        let is_api = matches!(list.report.kind, ListKind::Told { .. } | ListKind::Absent { .. });
        let answers = is_api && !self.names_deployments();
        let names: Vec<&str> = self.wanted.iter().map(|wanted| wanted.model.as_str()).collect();
        let open = || names.iter().copied().filter(|name| answers && !is_listed(name));
        let mut by_name = self.ask_names(key, open()).await.into_iter();
        let by_name: Vec<ByName> = names
            .iter()
            .map(|name| if answers && !is_listed(name) { by_name.next() } else { None }.unwrap_or(ByName::NotTold))
            .collect();
        let mut answered = Vec::new();
        for slash in [false, true] {
            // A name with a slash may be taken for two parts of the path, where one without is found.
            let in_doubt =
                |(name, by_name): (&&str, &ByName)| *by_name == ByName::NotFound && name.contains('/') == slash;
            let control = list.ids.iter().find(|id| id.contains('/') == slash);
            let control = control.filter(|_| names.iter().zip(&by_name).any(in_doubt));
            answered.push(match control {
                Some(known) => self.ask_names(key, [known.as_str()].into_iter()).await == [ByName::Known],
                None => false,
            });
        }
        let models = self.wanted.iter().zip(by_name);
        models
            .map(|(wanted, by_name)| {
                let answers_names = answered[usize::from(wanted.model.contains('/'))];
                ModelReport {
                    wanted: wanted.clone(),
                    presence: presence(&wanted.model, listed, by_name, answers_names),
                }
            })
            .collect()
    }

    /// Whether it is asked for deployments, whose names its list of models does not have.
    fn names_deployments(&self) -> bool {
        let in_path = self.provider.path.as_ref().is_some_and(|path| path.0.contains(&PathPart::Model));
        in_path || self.provider.base_url.host.ends_with(".azure.com")
    }

    async fn ask_names(&self, key: &TriedKey, names: impl Iterator<Item = &str>) -> Vec<ByName> {
        let path = self.list_path();
        let (path, query) = path.split_once('?').map_or((path.as_str(), None), |(path, query)| (path, Some(query)));
        let question = |name: &str| {
            let name = proxy::encoded(name);
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            let below = format!("{}/{name}{query}", path.trim_end_matches('/'));
            self.question(&below, Some(key.index))
        };
        let answers = self.answers(names.map(question).collect()).await;
        answers.into_iter().map(|answer| answer.map_or(ByName::NotTold, |answer| judged(&answer))).collect()
    }
}

/// Whether a path ends as `/v1` does.
fn ends_in_version(path: &str) -> bool {
    let last = path.rsplit('/').next().and_then(|last| last.strip_prefix('v'));
    last.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn judged(answer: &ProbeAnswer) -> ByName {
    let complaint = || read_complaint(&answer.body);
    match answer.status {
        200..=299 if read_model_name(&answer.body).is_some() => ByName::Known,
        // A server that has no such path may repeat it, and `models` is in it: there the code has to say it.
        404 if complaint().names_model() => ByName::Unknown,
        400 if complaint().about() == Some(About::Model) => ByName::Unknown,
        404 => ByName::NotFound,
        _ => ByName::NotTold,
    }
}
