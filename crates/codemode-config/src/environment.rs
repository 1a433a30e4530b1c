//! Variables: those of the environment, then those of `.env`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use codemode_types::{Place, Problem};

use crate::dotenv;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) value: String,
    /// The line of `.env`; nothing for the environment.
    pub(crate) place: Option<Place>,
}

/// A variable and the name it was found under.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) place: Option<Place>,
}

/// A secret, or the path of the file that holds it.
pub(crate) enum SecretFrom {
    Text(Found),
    File(Found),
}

impl SecretFrom {
    pub(crate) fn found(&self) -> &Found {
        match self {
            Self::Text(found) | Self::File(found) => found,
        }
    }
}

/// The stronger layer first.
pub(crate) struct Environment {
    pub(crate) layers: [Variables; 2],
}

pub(crate) struct Variables(BTreeMap<String, Variable>);

impl Found {
    pub(crate) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::new(&self.name, message).at(self.place.clone())
    }
}

impl Environment {
    pub(crate) fn new(
        variables: &BTreeMap<String, String>,
        dotenv: Option<&PathBuf>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let of_process = variables.iter().map(|(name, value)| {
            let value = value.clone();
            (name.clone(), Variable { value, place: None })
        });
        let of_file = dotenv.map(|path| dotenv::read(path, problems)).unwrap_or_default();
        Self { layers: [Variables(of_process.collect()), Variables(of_file)] }
    }

    /// For `${NAME}`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.layers.iter().find_map(|layer| layer.0.get(name)).map(|variable| variable.value.as_str())
    }

    /// What must not appear in a text, whatever key it was given for.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let secret = |name: &str| {
            let name = name.to_ascii_uppercase();
            ["KEY", "SECRET", "TOKEN", "PASSWORD"].iter().any(|word| name.contains(word)) && !name.ends_with("_FILE")
        };
        let variables = self.layers.iter().flat_map(|layer| &layer.0);
        variables.filter(|(name, _)| secret(name)).map(|(_, variable)| variable.value.clone()).collect()
    }
}

/// `30` and `30.0` are one number.
fn same(left: &str, right: &str) -> bool {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    left == right || number(left).is_some_and(|left| number(right) == Some(left))
}

impl Variables {
    /// The first of `names` that is set; two that disagree are an error. Set but empty counts as unset, as compose
    /// files write variables that the user left out.
    pub(crate) fn find(&self, names: &[&str], problems: &mut Vec<Problem>) -> Option<Found> {
        let mut found: Option<Found> = None;
        for name in names {
            let Some(next) = self.get(name).filter(|next| !next.value.is_empty()) else { continue };
            match &found {
                None => found = Some(next),
                Some(first) if same(&first.value, &next.value) => {}
                Some(first) => {
                    problems.push(next.problem(format!(
                        "says something else than {}, which is the same setting; keep one",
                        first.name
                    )))
                }
            }
        }
        found
    }

    /// `NAME`, or the file that `NAME_FILE` names; both are an error. Unless it may be empty, a variable that is set but
    /// empty counts as well: a key that was meant and is missing must not turn into no key.
    pub(crate) fn secret(&self, name: &str, may_be_empty: bool) -> Option<Result<SecretFrom, Problem>> {
        let get = |name: &str| self.get(name).filter(|found| !(may_be_empty && found.value.is_empty()));
        match (get(name), get(&format!("{name}_FILE"))) {
            (None, None) => None,
            (Some(_), Some(file)) => Some(Err(file.problem(format!("{name} is set as well; keep one")))),
            (Some(found), None) => Some(Ok(SecretFrom::Text(found))),
            (None, Some(file)) => Some(Ok(SecretFrom::File(file))),
        }
    }

    fn get(&self, name: &str) -> Option<Found> {
        let Variable { value, place } = self.0.get(name)?.clone();
        Some(Found { name: name.to_owned(), value, place })
    }
}

/// What a file holds for the setting that names it.
pub(crate) fn file_text(found: &Found) -> Result<String, Problem> {
    read_text(Path::new(&found.value)).map_err(|message| found.problem(message))
}

pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}
