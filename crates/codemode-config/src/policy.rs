//! The policy of a configuration, and where in the file each of its problems is.

use std::path::Path;

use codemode_types::{Policy, PolicyError, Problem};
use serde_json::{Map, Value, json};

use crate::{settings::Given, sort::Tree};

/// Reads the tree's policy. `named` are the parts that came from elsewhere than the tree.
pub(crate) fn read(tree: &Tree, base: &Path, named: &[(&str, Given)], problems: &mut Vec<Problem>) -> Option<Policy> {
    located(Policy::from_value(&Value::Object(with(tree.policy.clone(), named)), base), tree, named, problems)
}

/// Whether an executor could read this as a request to narrow its own policy. What the request leaves out is the
/// executor's to say.
pub(crate) fn check_request(tree: &Tree, problems: &mut Vec<Problem>) {
    let mut asked = Value::Object(tree.policy.clone());
    if let Some(network) = asked.get_mut("network").and_then(Value::as_object_mut)
        && network.get("mode").is_none_or(Value::is_null)
        && !network.is_empty()
    {
        network.insert("mode".into(), "restricted".into());
    }
    located(Policy::from_value(&asked, Path::new("/")), tree, &[], problems);
}

fn with(mut policy: Map<String, Value>, named: &[(&str, Given)]) -> Map<String, Value> {
    for (key, given) in named {
        let Some((section, name)) = key.split_once('.') else { continue };
        let section = policy.entry(section).or_insert(Value::Null);
        if section.is_null() {
            *section = json!({});
        }
        // Anything but a mapping is a problem that `Policy::from_value` reports.
        if let Value::Object(section) = section {
            section.insert(name.to_owned(), given.value.clone());
        }
    }
    policy
}

fn located<T>(
    read: Result<T, PolicyError>,
    tree: &Tree,
    named: &[(&str, Given)],
    problems: &mut Vec<Problem>,
) -> Option<T> {
    read.map_err(|error| {
        let before = problems.len();
        for found in error.problems {
            let problem = match named.iter().find(|(key, _)| *key == found.key) {
                Some((key, given)) => given.problem(format!("{key} {}", found.message)),
                None => {
                    let place = tree.place(&found.key, found.item);
                    found.at(place)
                }
            };
            // A member of a list whose variable is missing has been reported.
            let of_member = |told: &Problem| told.item.is_some() && told.item == problem.item;
            let is_known = |told: &Problem| of_member(told) && told.key == tree.spelt(&problem.key);
            if !problems.iter().take(before).any(is_known) {
                problems.push(problem);
            }
        }
    })
    .ok()
}

/// The paths in a policy begin at `base`, wherever it is read.
pub(crate) fn rebase(policy: &mut Map<String, Value>, base: &Path) {
    for path in [
        &["filesystem", "workspace", "mount"][..],
        &["filesystem", "outputs", "mount"],
        &["network", "ca_file"],
        &["guest", "interpreter"],
    ] {
        let [first, rest @ ..] = path else { continue };
        let mut slot = policy.get_mut(*first);
        for name in rest {
            slot = slot.and_then(|value| value.get_mut(*name));
        }
        let Some(slot) = slot else { continue };
        if let Some(text) = slot.as_str()
            && (path.len() > 2 || *first != "guest" || text.contains('/'))
        {
            *slot = base.join(text).display().to_string().into();
        }
    }
}

/// The parts that were given, by their keys.
pub(crate) fn leaves(policy: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    collect(policy, "", &mut found);
    found
}

fn collect(members: &Map<String, Value>, path: &str, found: &mut Vec<String>) {
    for (name, value) in members {
        let path = crate::yaml::join(path, name);
        match value {
            Value::Object(members) => collect(members, &path, found),
            Value::Null => {}
            _ => found.push(path),
        }
    }
}
