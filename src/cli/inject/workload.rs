//! Which documents of a stream have pods, and where the description of a pod is in them.
//!
//! Knows the workloads of `apps` and `batch`, pods, and lists of these. A kind of the same name in another API group is
//! somebody else's. Goes down by keys that stand in the text: where a key is repeated from elsewhere, by an alias or a
//! merge key, it says so, since an edit there would change something else.

use std::collections::HashMap;

use super::problem::problem;
use super::tree::{Entry, Kind, Node};
use crate::flags::FlagsError;

/// The annotation by which a workload is left as it is.
const ANNOTATION: &str = "serin/inject";

/// A workload of the stream.
#[derive(Clone, Copy)]
pub(super) struct Workload<'n> {
    /// Its kind.
    pub(super) kind: &'n str,
    /// Its name.
    pub(super) name: &'n str,
    /// Its namespace, where the document says it.
    pub(super) namespace: Option<&'n str>,
    /// The whole object.
    object: &'n Node,
    /// The keys down to the pod's template; none: it is a pod.
    path: &'static [&'static str],
}

/// The workloads of a document, those of a list one by one.
pub(super) fn workloads(root: &Node) -> Vec<Workload<'_>> {
    let kind = root.text_at(&["kind"]).unwrap_or_default();
    let Some(items) = kind.strip_suffix("List").zip(root.get("items")) else {
        return workload(root, kind, root.text_at(&["apiVersion"])).into_iter().collect();
    };
    // The items of a typed list, such as a PodList, may be without a kind of their own.
    let (of_list, items) = items;
    let version = root.text_at(&["apiVersion"]).filter(|_| !of_list.is_empty());
    let found = items.items().iter().filter_map(|item| {
        let kind = item.text_at(&["kind"]).unwrap_or(of_list);
        workload(item, kind, item.text_at(&["apiVersion"]).or(version))
    });
    found.collect()
}

fn workload<'n>(object: &'n Node, kind: &'n str, version: Option<&str>) -> Option<Workload<'n>> {
    let (group, path): (&[&str], &'static [&'static str]) = match kind {
        "Pod" => (&[""], &[]),
        "Deployment" | "DaemonSet" | "ReplicaSet" => (&["apps", "extensions"], &["spec", "template"]),
        "StatefulSet" => (&["apps"], &["spec", "template"]),
        "Job" => (&["batch"], &["spec", "template"]),
        "CronJob" => (&["batch"], &["spec", "jobTemplate", "spec", "template"]),
        _ => return None,
    };
    let of = version.map_or("", |version| version.rsplit_once('/').map_or("", |(group, _)| group));
    let name = object.text_at(&["metadata", "name"]).or(object.text_at(&["metadata", "generateName"]));
    group.contains(&of).then_some(Workload {
        kind,
        name: name.unwrap_or("(without a name)"),
        namespace: object.text_at(&["metadata", "namespace"]),
        object,
        path,
    })
}

impl<'n> Workload<'n> {
    /// Whether its annotations ask to leave it as it is.
    pub(super) fn is_left_alone(&self) -> bool {
        let template = self.path.iter().try_fold(self.object, |node, key| node.get(key));
        let annotated = [Some(self.object), template].into_iter().flatten();
        let asked = annotated.filter_map(|node| node.text_at(&["metadata", "annotations", ANNOTATION]));
        asked.into_iter().any(|value| matches!(value, "disabled" | "false"))
    }

    /// Whether its pods end by themselves.
    pub(super) fn is_job(&self) -> bool {
        matches!(self.kind, "Job" | "CronJob")
    }

    /// Where it begins.
    pub(super) fn line(&self) -> usize {
        self.object.line
    }

    /// The description of its pods.
    pub(super) fn pod(&self, way: &Way<'_>) -> Result<&'n Node, FlagsError> {
        way.open(self.object)?;
        self.path.iter().chain(&["spec"]).try_fold(self.object, |node, key| way.required(node, key))
    }
}

/// Goes down through a document, and refuses what does not stand where it is used.
pub(super) struct Way<'d> {
    /// The anchors that are used again, and on which line.
    pub(super) repeated: &'d HashMap<usize, usize>,
}

impl Way<'_> {
    /// The entry of this key, if there is one.
    pub(super) fn entry<'n>(&self, node: &'n Node, key: &str) -> Result<Option<&'n Entry>, FlagsError> {
        let Some(entry) = node.entry(key) else {
            return match node.entry("<<") {
                None => Ok(None),
                Some(merge) => Err(problem(
                    merge.key.line,
                    merge.key.column,
                    format!("a merge key (`<<`) where `{key}` may come from"),
                    "write its keys out here",
                )),
            };
        };
        self.open(&entry.value)?;
        Ok(Some(entry))
    }

    /// The value of a key that must be there.
    pub(super) fn required<'n>(&self, node: &'n Node, key: &str) -> Result<&'n Node, FlagsError> {
        let missing = || problem(node.line, node.column, format!("`{key}` is missing here"), "add it");
        self.entry(node, key)?.map(|entry| &entry.value).ok_or_else(missing)
    }

    /// Refuses a value that stands elsewhere, or that is used elsewhere too.
    pub(super) fn open(&self, node: &Node) -> Result<(), FlagsError> {
        if matches!(node.kind, Kind::Alias) {
            let (what, remedy) = ("an alias (`*`) of a value that stands elsewhere", "write the value out here");
            return Err(problem(node.line, node.column, what, remedy));
        }
        match self.repeated.get(&node.anchor) {
            Some(line) if node.anchor > 0 => Err(problem(
                node.line,
                node.column,
                format!("a value that line {line} repeats with an alias, and that would change there too"),
                format!("write the value out in line {line}"),
            )),
            _ => Ok(()),
        }
    }
}
