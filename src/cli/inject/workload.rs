//! Which documents of a stream have pods, and where the description of a pod is in them.
//!
//! Knows the workloads of `apps` and `batch`, pods, and lists of these. A kind of the same name in another API group is
//! somebody else's; an object whose kind or group cannot be told is named, so that nobody takes it for injected. Goes
//! down by keys that stand in the text: where a key is repeated from elsewhere, by an alias or a merge key, it says so,
//! since an edit there would change something else.

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

/// What was found in a document.
#[derive(Default)]
pub(super) struct Found<'n> {
    /// The workloads, those of a list one by one.
    pub(super) workloads: Vec<Workload<'n>>,
    /// What may be a workload, and cannot be read as one: its line, and why.
    pub(super) unsupported: Vec<(usize, String)>,
}

/// The workloads of a document.
pub(super) fn workloads(root: &Node) -> Found<'_> {
    let mut found = Found::default();
    found.collect(root, None);
    found
}

impl<'n> Found<'n> {
    /// Takes an object. The items of a typed list, such as a PodList, may be without a kind and version of their own.
    fn collect(&mut self, object: &'n Node, of_list: Option<(&'n str, Option<&'n str>)>) {
        if matches!(object.kind, Kind::Alias) {
            return self.unsupported(object, "an alias (`*`) in a list: write the object out".to_owned());
        }
        if stands_elsewhere(object, "kind") {
            return self.unsupported(object, "its `kind` stands elsewhere (`*` or `<<`): write it out".to_owned());
        }
        let kind = object.text_at(&["kind"]).or(of_list.map(|(kind, _)| kind)).unwrap_or_default();
        let version = object.text_at(&["apiVersion"]).or(of_list.and_then(|(_, version)| version));
        let Some((of_list, items)) = kind.strip_suffix("List").zip(object.get("items")) else {
            return self.workload(object, kind, version);
        };
        if matches!(items.kind, Kind::Alias) {
            return self.unsupported(items, "the items of a list stand elsewhere (`*`): write them out".to_owned());
        }
        let typed = (!of_list.is_empty()).then_some((of_list, version));
        for item in items.items() {
            self.collect(item, typed);
        }
    }

    fn workload(&mut self, object: &'n Node, kind: &'n str, version: Option<&str>) {
        let (groups, path): (&[&str], &'static [&'static str]) = match kind {
            "Pod" => (&[""], &[]),
            "PodTemplate" => (&[""], &["template"]),
            "ReplicationController" => (&[""], &["spec", "template"]),
            "Deployment" | "DaemonSet" | "ReplicaSet" => (&["apps", "extensions"], &["spec", "template"]),
            "StatefulSet" => (&["apps"], &["spec", "template"]),
            "Job" => (&["batch"], &["spec", "template"]),
            "CronJob" => (&["batch"], &["spec", "jobTemplate", "spec", "template"]),
            _ => return,
        };
        let group = version.map_or("", |version| version.rsplit_once('/').map_or("", |(group, _)| group));
        let name = object.text_at(&["metadata", "name"]).or(object.text_at(&["metadata", "generateName"]));
        let name = name.unwrap_or("(without a name)");
        if groups.contains(&group) {
            let namespace = object.text_at(&["metadata", "namespace"]);
            self.workloads.push(Workload { kind, name, namespace, object, path });
        } else if group.is_empty() {
            // Neither a workload nor a kind of that name in somebody else's group.
            let group = groups.first().copied().unwrap_or_default();
            self.unsupported(object, format!("{kind}/{name} does not say its API group: write apiVersion: {group}/v1"));
        }
    }

    fn unsupported(&mut self, node: &Node, why: String) {
        self.unsupported.push((node.line, why));
    }
}

/// Whether a key has its value, or may have it, by an alias or a merge key.
fn stands_elsewhere(node: &Node, key: &str) -> bool {
    match node.get(key) {
        Some(value) => matches!(value.kind, Kind::Alias),
        None => node.entry("<<").is_some(),
    }
}

impl<'n> Workload<'n> {
    /// Whether its annotations ask to leave it as it is.
    pub(super) fn is_left_alone(&self, way: &Way<'_>) -> Result<bool, FlagsError> {
        if is_disabled(self.object, way)? {
            return Ok(true);
        }
        let mut node = self.object;
        for key in self.path {
            let Some(entry) = way.read(node, key)? else { return Ok(false) };
            node = &entry.value;
            if *key != "spec" && is_disabled(node, way)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether it is one whose pods always end by themselves.
    pub(super) fn is_job(&self) -> bool {
        matches!(self.kind, "Job" | "CronJob")
    }

    /// Whether its pods end by themselves, as this description of them says.
    pub(super) fn ends(&self, pod: &Node, way: &Way<'_>) -> Result<bool, FlagsError> {
        if !matches!(self.kind, "Pod" | "PodTemplate") {
            return Ok(self.is_job());
        }
        let policy = way.read(pod, "restartPolicy")?.and_then(|entry| entry.value.text());
        Ok(policy.is_some_and(|policy| matches!(policy, "Never" | "OnFailure")))
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

/// Whether the annotations of an object, or of a template, ask to leave it as it is.
fn is_disabled(object: &Node, way: &Way<'_>) -> Result<bool, FlagsError> {
    let Some(metadata) = way.read(object, "metadata")? else { return Ok(false) };
    let Some(annotations) = way.read(&metadata.value, "annotations")? else { return Ok(false) };
    let Some(entry) = way.read(&annotations.value, ANNOTATION)? else { return Ok(false) };
    let written = entry.value.text().unwrap_or_default();
    match written.trim().to_ascii_lowercase().as_str() {
        "disabled" | "false" | "no" | "off" => Ok(true),
        "enabled" | "true" | "yes" | "on" => Ok(false),
        _ => {
            let what = format!("the annotation `{ANNOTATION}` is neither `disabled` nor `enabled`");
            Err(problem(entry.key.line, entry.key.column, what, "write one of them, or remove it"))
        }
    }
}

/// Goes down through a document, and refuses what does not stand where it is used.
pub(super) struct Way<'d> {
    /// The anchors that are used again, and on which line.
    pub(super) repeated: &'d HashMap<usize, usize>,
}

impl Way<'_> {
    /// The entry of this key, if there is one; to be edited.
    pub(super) fn entry<'n>(&self, node: &'n Node, key: &str) -> Result<Option<&'n Entry>, FlagsError> {
        let entry = self.read(node, key)?;
        entry.map_or(Ok(()), |entry| self.open(&entry.value))?;
        Ok(entry)
    }

    /// The entry of this key, if there is one; to be read only.
    pub(super) fn read<'n>(&self, node: &'n Node, key: &str) -> Result<Option<&'n Entry>, FlagsError> {
        let mut entries = node.entries().iter().filter(|entry| entry.key.text() == Some(key));
        let Some(entry) = entries.next() else {
            return node.entry("<<").map_or(Ok(None), |merge| {
                let what = format!("a merge key (`<<`) where `{key}` may come from");
                Err(problem(merge.key.line, merge.key.column, what, "write its keys out here"))
            });
        };
        match entries.next() {
            Some(second) => Err(twice(&entry.key, &second.key)),
            None if matches!(entry.value.kind, Kind::Alias) => Err(alias(&entry.value)),
            None => Ok(Some(entry)),
        }
    }

    /// Refuses a map that has a key twice: readers of YAML differ in which of them counts.
    pub(super) fn unique(&self, node: &Node) -> Result<(), FlagsError> {
        let mut seen = HashMap::new();
        for entry in node.entries() {
            if let Some(key) = entry.key.text()
                && let Some(first) = seen.insert(key, &entry.key)
            {
                return Err(twice(first, &entry.key));
            }
        }
        Ok(())
    }

    /// The value of a key that must be there.
    pub(super) fn required<'n>(&self, node: &'n Node, key: &str) -> Result<&'n Node, FlagsError> {
        let missing = || problem(node.line, node.column, format!("`{key}` is missing here"), "add it");
        self.entry(node, key)?.map(|entry| &entry.value).ok_or_else(missing)
    }

    /// Refuses a value that stands elsewhere, that is used elsewhere too, or that has a key twice.
    pub(super) fn open(&self, node: &Node) -> Result<(), FlagsError> {
        if matches!(node.kind, Kind::Alias) {
            return Err(alias(node));
        }
        self.unique(node)?;
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

fn alias(node: &Node) -> FlagsError {
    let (what, remedy) = ("an alias (`*`) of a value that stands elsewhere", "write the value out here");
    problem(node.line, node.column, what, remedy)
}

fn twice(first: &Node, second: &Node) -> FlagsError {
    let key = second.text().unwrap_or_default();
    let what = format!("`{key}` is here twice: line {} has it too", first.line);
    problem(second.line, second.column, what, "remove one of them")
}
