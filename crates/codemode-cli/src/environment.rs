//! The process environment, read here and nowhere else.

use std::{collections::BTreeMap, env};

/// Variables that are text. Others cannot name a setting of ours.
pub(crate) fn variables() -> BTreeMap<String, String> {
    env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}
