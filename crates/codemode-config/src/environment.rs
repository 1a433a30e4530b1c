//! Variables: those of the environment, then those of `.env`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use codemode_types::{Place, Problem, nearest};

use crate::{dotenv, side::Side};

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

/// Variables that are no setting's.
const OTHERS: [&str; 3] = ["CODEMODE_LOG", "CODEMODE_GUEST_INTERPRETER", "CODEMODE_EXECUTABLE"];

/// A variable with this product's prefix that no setting has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVariable {
    pub problem: Problem,
    /// The name that was perhaps meant. Without one it may well be another program's: compose files and clusters make
    /// such names, too.
    pub meant: Option<String>,
}

/// Those that the file fills in are known.
pub fn unknown_variables(
    environment: &BTreeMap<String, String>,
    dotenv: Option<&PathBuf>,
    file: Option<&Path>,
) -> Vec<UnknownVariable> {
    // A `.env` that cannot be read is reported by whoever reads the settings.
    let environment = Environment::new(environment, dotenv, &mut Vec::new());
    // What can be read but once, such as a pipe, has been.
    let file = file.filter(|path| path.is_file()).and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let is_named = |name: &str| ["}", ":-"].iter().any(|end| file.contains(&format!("${{{name}{end}")));
    let keys = Side::BOTH.into_iter().flat_map(Side::keys);
    let known: BTreeSet<_> = keys.flat_map(|key| key.variables).chain(OTHERS.map(str::to_owned)).collect();
    let mut told = BTreeSet::new();
    let given = environment.layers.iter().flat_map(|layer| &layer.0);
    let unknown = given.filter(|(name, _)| {
        name.starts_with(dotenv::PREFIX) && !known.contains(*name) && !is_named(name) && told.insert(name.as_str())
    });
    unknown.map(|(name, variable)| UnknownVariable::of(name, variable.place.clone(), &known)).collect()
}

impl UnknownVariable {
    fn of(name: &str, place: Option<Place>, known: &BTreeSet<String>) -> Self {
        // The prefix would make every name alike.
        let bare = |name: &str| name.strip_prefix(dotenv::PREFIX).unwrap_or(name).to_ascii_lowercase();
        let candidates: Vec<_> = known.iter().map(|name| bare(name)).collect();
        let near = nearest(&bare(name), candidates.iter().map(String::as_str));
        let meant = near.map(|near| format!("{}{}", dotenv::PREFIX, near.to_ascii_uppercase()));
        let hint = meant.as_ref().map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
        Self { problem: Problem::new(name, format!("is the variable of no setting{hint}")).at(place), meant }
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
