//! `retires` of a provider: who reads the file, plans an edit or looks at the status is warned of a model that goes.

use serin::clock;
use serin::decide::timestamp::Timestamp;
use serin::decide::units::Millis;

use crate::support::eventually::{SOON, eventually};
use crate::support::scripted::Scripted;
use crate::support::sidecar::{Workspace, spoken};

/// The date in so many days, as a file has it.
fn date_in(days: u64) -> String {
    Timestamp(clock::unix().plus(Millis(days * 86_400_000))).to_string()[..10].to_owned()
}

/// `named` stands in the file; `asked` is known by its requests alone.
fn flags(provider: &Scripted, named: &str, asked: &str) -> String {
    format!(
        "providers:\n  oldcorp: {{ base_url: \"{}\", auth: none, models: {{ gpt-4: named }}, retires: {{ named: \
         \"{named}\", asked: \"{asked}\", unused: \"{asked}\" }} }}\nrollouts:\n  - {{ name: chat, stable: oldcorp }}\n",
        provider.base_url()
    )
}

#[test]
fn whoever_reads_the_file_is_warned_of_a_model_that_it_names() {
    let provider = Scripted::healthy("oldcorp");
    let (soon, later) = (date_in(5), date_in(200));
    let workspace = Workspace::new(&flags(&provider, &later, &soon));
    let file = workspace.flags().display().to_string();
    let check = || spoken(&workspace.run(&["check", &file]));
    assert!(!check().contains("retires"), "one is far away, the others are not in the file: {}", check());
    let sidecar = workspace.start();
    let plan = |file: &str| spoken(&workspace.run(&["plan", file]));
    assert!(!plan(&file).contains("retires"), "{}", plan(&file));

    let edited = workspace.flags().with_file_name("edited.yaml");
    std::fs::write(&edited, Workspace::text(&flags(&provider, &soon, &soon))).unwrap();
    let sentence = format!("warning: oldcorp retires `named` on {soon}, in 5 days: requests for it will fail then; ");
    let planned = plan(&edited.display().to_string());
    assert!(planned.contains(&sentence) && !planned.contains("`asked`"), "{planned}");
    workspace.write(&flags(&provider, &soon, &soon));
    assert!(check().contains(&sentence) && !check().contains("`asked`"), "{}", check());

    // The process knows of requests as well.
    let warned = |model: &str| {
        let warnings = sidecar.status()["flags"]["warnings"].clone();
        let warning = format!("oldcorp retires `{model}` on {soon}");
        warnings.as_array().unwrap().iter().any(|one| one.as_str().unwrap().contains(&warning))
    };
    eventually("it warns of the model that the file names", SOON, || warned("named").then_some(()));
    assert!(!warned("asked"));
    let asked = sidecar.client().post("/v1/chat/completions", &[], r#"{"model":"asked","messages":[]}"#).unwrap();
    assert_eq!(asked.status, 200, "{}", asked.text());
    // It looks once a minute, and at each version of the file.
    workspace.write(&format!("drain: 1s\n{}", flags(&provider, &soon, &soon)));
    eventually("it warns of the model that was asked for", SOON, || warned("asked").then_some(()));
    assert!(!warned("unused"));
    let shown = spoken(&workspace.run(&["status"]));
    assert!(shown.contains(&sentence), "{shown}");
    let told = || sidecar.history().iter().filter(|event| event["action"] == "retires").count();
    eventually("each is in the history once", SOON, || (told() == 2).then_some(()));
}
