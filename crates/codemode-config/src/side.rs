//! The two components that a file may be for.

use std::path::Path;

use serde_json::Value;

use crate::{
    ConfigError, DescribedKey, client,
    key::Key,
    policy, sidecar,
    sort::{has_section, is_policy, spelt},
    yaml,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    /// The executor.
    Sidecar,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Client, Self::Sidecar];

    /// Whose file this is, by its keys. A policy beside a client's keys or alone may be for both, unless the file has one
    /// side's usual name.
    pub fn of_file(path: &Path) -> Result<Vec<Self>, ConfigError> {
        // Problems are for whoever reads the file as its side does.
        let (value, _) = yaml::read(path, &mut Vec::new())?;
        let Value::Object(members) = value else { return Ok(Self::named(path)) };
        let keys = policy::leaves(&members);
        let has_policy = keys.iter().any(|key| {
            let root = key.strip_prefix("executor.").unwrap_or(key).split('.').next().unwrap_or_default();
            is_policy(root) || root == "security"
        });
        let owners: Vec<_> = keys.iter().filter_map(|key| Self::owner(key)).collect();
        Ok(match Self::BOTH.map(|side| owners.contains(&side)) {
            [true, true] => Self::BOTH.to_vec(),
            [false, true] => vec![Self::Sidecar],
            [true, false] if !has_policy => vec![Self::Client],
            _ => Self::named(path),
        })
    }

    fn named(path: &Path) -> Vec<Self> {
        let name = path.file_name().unwrap_or_default();
        let usual = Self::BOTH.into_iter().find(|side| name == side.file_name());
        usual.map_or_else(|| Self::BOTH.to_vec(), |side| vec![side])
    }

    /// The one side that has this key, or at least its section; nothing where both have it or none.
    fn owner(key: &str) -> Option<Self> {
        let bare = key.strip_prefix("executor.").unwrap_or(key);
        let section = bare.split('.').next().unwrap_or_default();
        let is_key = |side: &Self| spelt(side.table(), key).is_some() || spelt(side.table(), bare).is_some();
        let by = |has: &dyn Fn(&Self) -> bool| Self::BOTH.into_iter().filter(has).collect::<Vec<_>>();
        match by(&is_key).as_slice() {
            [] => match by(&|side| has_section(side.table(), section)).as_slice() {
                [only] => Some(*only),
                _ => None,
            },
            [only] => Some(*only),
            _ => None,
        }
    }

    /// Where its configuration is looked for, besides `codemode.yaml`.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Client => "codemode-client.yaml",
            Self::Sidecar => "codemode-sidecar.yaml",
        }
    }

    /// Every accepted key, with the policy's.
    pub fn keys(self) -> Vec<DescribedKey> {
        match self {
            Self::Client => client::keys::described(),
            Self::Sidecar => sidecar::keys::described(),
        }
    }

    /// Its own, without the policy's.
    pub(crate) const fn table(self) -> &'static [Key] {
        match self {
            Self::Client => client::keys::KEYS,
            Self::Sidecar => sidecar::keys::KEYS,
        }
    }
}
