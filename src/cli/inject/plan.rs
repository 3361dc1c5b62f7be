//! What one workload lacks: the sidecar, its volumes, and the application's base URL.
//!
//! Every step adds only what is not there yet, so that a second injection changes nothing. Pods that cannot have a
//! sidecar are refused by `fits`, and a variable where nothing would listen is refused here. Invariant: edits touch the
//! pod's containers, volumes and the chosen variables, and nothing else.

use super::edit::{Edit, Editor};
use super::fits::{fits, is_named, notes};
use super::problem::problem;
use super::sidecar;
use super::tree::{Entry, Kind, Node};
use super::value::{Value, text};
use super::wanted::Wanted;
use super::workload::{Way, Workload};
use crate::flags::FlagsError;

/// What is done to a workload.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The edits of the text.
    pub(super) edits: Vec<Edit>,
    /// Whether the sidecar is added, or was there.
    pub(super) added: bool,
    /// The containers whose variables are set.
    pub(super) set: Vec<String>,
    /// The names of the containers that were chosen.
    pub(super) chosen: Vec<String>,
    /// What should be known of it: the line, and what to say.
    pub(super) notes: Vec<(usize, String)>,
}

/// Plans the edits of a workload.
pub(super) fn plan(
    workload: &Workload<'_>,
    way: &Way<'_>,
    editor: Editor<'_>,
    wanted: &Wanted,
) -> Result<Plan, FlagsError> {
    let pod = workload.pod(way)?;
    let containers = match way.entry(pod, "containers")? {
        Some(entry) if !entry.value.items().is_empty() => entry,
        _ => {
            return Err(problem(pod.line, pod.column, "a pod without `containers`", "add the application's container"));
        }
    };
    let init = way.entry(pod, "initContainers")?;
    let all: Vec<&Node> =
        [init, Some(containers)].into_iter().flatten().flat_map(|entry| entry.value.items()).collect();
    for container in &all {
        way.open(container)?;
    }
    fits(workload, pod, &all, way, wanted)?;
    let mut plan = Plan { notes: notes(&all, wanted), ..Plan::default() };
    let present = all.iter().any(|container| is_named(container, sidecar::NAME));
    if !present {
        plan.added = true;
        let container = wanted.sidecar.container();
        let edit = match (wanted.sidecar.classic, init) {
            (true, _) => editor.prepend(containers, &[container]),
            (false, Some(init)) => editor.prepend(init, &[container]),
            (false, None) => editor.add_before(pod, containers, "initContainers", &Value::List(vec![container])),
        };
        plan.edits.push(edit?);
        plan.edits.extend(volumes(pod, containers, way, editor, wanted, &mut plan.notes)?);
    }
    if let Some(early) = too_early(&all, init, wanted) {
        let name = early.text_at(&["name"]).unwrap_or_default();
        let what = format!("the init container `{name}` runs before Serin, so that nothing would listen");
        let remedy = format!(
            "leave out `--container {name}`; or inject the manifest as it was without --classic (Kubernetes 1.29): \
            Serin is then the first to start"
        );
        return Err(problem(early.line, early.column, what, remedy));
    }
    let application = |container: &&Node| !is_named(container, sidecar::NAME);
    let chosen: Vec<&Node> = if wanted.containers.is_empty() {
        containers.value.items().iter().filter(application).collect()
    } else {
        let named = |name: &&str| wanted.containers.iter().any(|wanted| wanted == name);
        all.into_iter().filter(application).filter(|node| node.text_at(&["name"]).as_ref().is_some_and(named)).collect()
    };
    for container in chosen {
        let edits = variables(container, way, editor, wanted)?;
        let name = container.text_at(&["name"]).unwrap_or_default().to_owned();
        if !edits.is_empty() {
            plan.set.push(name.clone());
        }
        plan.chosen.push(name);
        plan.edits.extend(edits);
    }
    Ok(plan)
}

/// The first of the named containers that ends before Serin starts.
fn too_early<'n>(all: &[&'n Node], init: Option<&Entry>, wanted: &Wanted) -> Option<&'n Node> {
    let init = init.map(|entry| entry.value.items().len()).unwrap_or_default();
    let before = match all.iter().position(|node| is_named(node, sidecar::NAME)) {
        Some(place) => place.min(init),
        None if wanted.sidecar.classic => init,
        None => 0,
    };
    let named = |node: &&&Node| wanted.containers.iter().any(|name| is_named(node, name));
    all.iter().take(before).find(named).copied()
}

/// The volumes that are missing. Those of these names that are there are used, and noted where they are others.
fn volumes(
    pod: &Node,
    containers: &Entry,
    way: &Way<'_>,
    editor: Editor<'_>,
    wanted: &Wanted,
    notes: &mut Vec<(usize, String)>,
) -> Result<Option<Edit>, FlagsError> {
    let entry = way.entry(pod, "volumes")?;
    let present = entry.map(|entry| entry.value.items()).unwrap_or_default();
    let mut missing = Vec::new();
    for (name, volume) in wanted.sidecar.volumes() {
        match present.iter().find(|node| is_named(node, name)) {
            Some(there) => notes.extend(wanted.sidecar.differs(name, there).map(|note| (there.line, note))),
            None => missing.push(volume),
        }
    }
    if missing.is_empty() {
        return Ok(None);
    }
    let edit = match entry {
        Some(entry) => editor.prepend(entry, &missing),
        None => editor.add_before(pod, containers, "volumes", &Value::List(missing)),
    };
    edit.map(Some)
}

/// The edits of the variables of one container.
fn variables(container: &Node, way: &Way<'_>, editor: Editor<'_>, wanted: &Wanted) -> Result<Vec<Edit>, FlagsError> {
    let entry = way.entry(container, "env")?;
    let present = entry.map(|entry| entry.value.items()).unwrap_or_default();
    present.iter().try_for_each(|variable| way.unique(variable))?;
    let (mut edits, mut missing) = (Vec::new(), Vec::new());
    for (name, suffix) in &wanted.variables {
        let url = format!("http://127.0.0.1:{}{suffix}", wanted.port);
        let mut named = present.iter().filter(|node| is_named(node, name)).peekable();
        if named.peek().is_none() {
            missing.push(Value::Map(vec![("name", text(name)), ("value", text(&url))]));
        }
        for variable in named {
            edits.extend(change(variable, name, &url, way, editor)?);
        }
    }
    if !missing.is_empty() {
        edits.push(match (entry, container.entry("name")) {
            (Some(entry), _) => editor.prepend(entry, &missing)?,
            (None, Some(name)) => editor.add_after(container, name, "env", &Value::List(missing))?,
            (None, None) => {
                return Err(problem(container.line, container.column, "a container without a name", "add one"));
            }
        });
    }
    Ok(edits)
}

/// The edit of a variable that is there, if it has another value.
fn change(
    variable: &Node,
    name: &str,
    url: &str,
    way: &Way<'_>,
    editor: Editor<'_>,
) -> Result<Option<Edit>, FlagsError> {
    way.open(variable)?;
    if let Some(from) = variable.entry("valueFrom") {
        let what = format!("`{name}` is set by `valueFrom`");
        let remedy = format!(
            "remove it, so that the base URL can be set here; or choose another variable than {name} with --env"
        );
        return Err(problem(from.key.line, from.key.column, what, remedy));
    }
    match (way.entry(variable, "value")?, variable.entry("name")) {
        (Some(entry), _) if entry.value.text() == Some(url) => Ok(None),
        (Some(entry), _) if entry.value.is_null() && entry.value.text() == Some("") => {
            editor.give(entry, url, editor.in_brackets(variable)).map(Some)
        }
        (Some(Entry { value, .. }), _) if matches!(value.kind, Kind::Scalar { .. }) => {
            editor.replace(value, url, editor.in_brackets(variable)).map(Some)
        }
        (Some(Entry { key, .. }), _) => {
            let what = format!("`{name}` has no value that could be changed");
            Err(problem(key.line, key.column, what, "write a text, or remove the variable"))
        }
        (None, Some(entry)) => editor.add_after(variable, entry, "value", &text(url)).map(Some),
        (None, None) => Ok(None),
    }
}
