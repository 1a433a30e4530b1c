//! The process environment, read here and nowhere else.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
};

/// The interpreter of the environment that this command was started from: the Python package's `codemode` sets it.
pub(crate) fn embedding(variables: &BTreeMap<String, String>) -> Option<PathBuf> {
    variables.get("CODEMODE_GUEST_INTERPRETER").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// The file of variables beside a configuration; they stand below the environment's. A client reads no other: the folder
/// that it is started in may be anybody's, and must not name the executor that gets its code.
pub(crate) fn dotenv(config: &Path) -> PathBuf {
    config.with_file_name(".env")
}

/// For an executor. The folder that it is started in is its operator's.
pub(crate) fn executors_dotenv(config: Option<&Path>) -> PathBuf {
    config.map_or_else(|| ".env".into(), dotenv)
}

/// Variables that are text. Others cannot name a setting of ours.
pub(crate) fn variables() -> BTreeMap<String, String> {
    env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}
