//! The daemon's environment variables, each with the spelling of the published package.

use std::collections::BTreeMap;

use codemode_types::Problem;

use super::problem;

/// A variable's value and the name it was found under.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) value: String,
}

/// A secret, or the path of the file that holds it.
pub(super) enum Secret {
    Text(Found),
    File(Found),
}

impl Secret {
    pub(super) fn found(&self) -> &Found {
        match self {
            Self::Text(found) | Self::File(found) => found,
        }
    }
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

    /// `NAME`, or the file that `NAME_FILE` names; both are an error. Unless it may be empty, a variable that is set but
    /// empty counts as well: a key that was meant and is missing must not turn into no key.
    pub(super) fn secret(&self, name: &str, may_be_empty: bool) -> Option<Result<Secret, Problem>> {
        let file = format!("{name}_FILE");
        let get = |name: &str| self.variables.get(name).filter(|value| !(may_be_empty && value.is_empty()));
        let (direct, path) = (get(name), get(&file));
        match (direct, path) {
            (None, None) => None,
            (Some(_), Some(_)) => Some(Err(problem(&file, format!("{name} is set as well; keep one")))),
            (Some(value), None) => Some(Ok(Secret::Text(Found { name: name.to_owned(), value: value.clone() }))),
            (None, Some(path)) => Some(Ok(Secret::File(Found { name: file, value: path.clone() }))),
        }
    }
}
