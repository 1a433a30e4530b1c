//! The daemon's environment variables, each with the spelling of the published package.

use std::{collections::BTreeMap, fs};

use codemode_types::Problem;

use super::problem;

/// A variable's value and the name it was found under.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) value: String,
}

pub(super) struct Environment<'a> {
    pub(super) variables: &'a BTreeMap<String, String>,
}

/// `30` and `30.0` are one number.
fn same(left: &str, right: &str) -> bool {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    left == right || number(left).is_some_and(|left| number(right) == Some(left))
}

impl Environment<'_> {
    /// The first of `names` that is set; two that disagree are an error. Set but empty counts as unset, as compose
    /// files write variables that the user left out.
    pub(super) fn find(&self, names: &[&str], problems: &mut Vec<Problem>) -> Option<Found> {
        let mut found: Option<Found> = None;
        for name in names {
            let Some(value) = self.variables.get(*name).filter(|value| !value.is_empty()) else { continue };
            match &found {
                None => found = Some(Found { name: (*name).to_owned(), value: value.clone() }),
                Some(first) if same(&first.value, value) => {}
                Some(first) => problems.push(problem(
                    *name,
                    format!("says something else than {}, which is the same setting; keep one", first.name),
                )),
            }
        }
        found
    }

    /// `NAME`, or the text of the file that `NAME_FILE` names. Here, empty is an error: a key that was meant and is
    /// missing must not turn into no key.
    pub(super) fn secret(&self, name: &str, problems: &mut Vec<Problem>) -> Option<Found> {
        let file = format!("{name}_FILE");
        let (direct, path) = (self.variables.get(name), self.variables.get(&file));
        let found = match (direct, path) {
            (None, None) => return None,
            (Some(_), Some(_)) => {
                problems.push(problem(&file, format!("{name} is set as well; keep one")));
                return None;
            }
            (Some(value), None) => Found { name: name.to_owned(), value: value.clone() },
            (None, Some(path)) => match fs::read_to_string(path) {
                Ok(value) => Found { name: file, value: value.trim_end_matches(['\r', '\n']).to_owned() },
                Err(error) => {
                    problems.push(problem(&file, format!("cannot read {path}: {error}")));
                    return None;
                }
            },
        };
        if found.value.is_empty() {
            problems.push(problem(found.name, "is empty; set a key or remove it"));
            return None;
        }
        Some(found)
    }
}
