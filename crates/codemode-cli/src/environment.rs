//! The process environment, read here and nowhere else.

use std::{collections::BTreeMap, env, path::PathBuf};

/// The interpreter of the environment that this command was started from: the Python package's `codemode` sets it.
pub(crate) fn embedding(variables: &BTreeMap<String, String>) -> Option<PathBuf> {
    variables.get("CODEMODE_GUEST_INTERPRETER").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Variables in a file of the folder that this was started in; they stand below the environment's.
pub(crate) fn dotenv() -> Option<PathBuf> {
    Some(".env".into())
}

/// Variables that are text. Others cannot name a setting of ours.
pub(crate) fn variables() -> BTreeMap<String, String> {
    env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}
