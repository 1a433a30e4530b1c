//! What an embedded executor takes of a configuration.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use codemode_types::Policy;
use serde_json::Value;

use crate::{
    ConfigError,
    client::keys::KEYS as CLIENT_KEYS,
    environment::Environment,
    error::reported,
    key::Key,
    policy,
    settings::{RawSettings, Settings, Written},
    sidecar::{
        AuditTarget, check_audit, folder,
        keys::{AUDIT, KEYS as SERVER_KEYS},
        resolve_audit,
    },
    sort::{Other, Reader, Tree},
    yaml,
};

/// An embedded executor's share of a configuration: its address and key are its parent's business.
#[derive(Clone, Debug, Default)]
pub struct EmbeddedConfig {
    pub policy: Policy,
    pub audit: Option<AuditTarget>,
}

/// Where it comes from.
#[derive(Clone, Debug)]
pub enum PolicySource {
    Default,
    /// In the shape of the YAML file, with nothing else in it; relative paths begin at the folder.
    Value(Value, PathBuf),
    File(PathBuf),
}

/// The environment is not its own, so its variables are the parent's.
const KEYS: &[Key] = &[Key { variables: &[], ..AUDIT }];

const FILE: Reader = Reader {
    own: KEYS,
    others: &[
        Other {
            keys: SERVER_KEYS,
            refusal: "is a setting of `codemode serve`, in its configuration file; an embedded executor takes a policy \
                      only, so leave it out",
        },
        Other {
            keys: CLIENT_KEYS,
            refusal: "is a setting of the client, in ClientConfig or its configuration file; an embedded executor \
                      takes a policy only, so leave it out",
        },
    ],
    shared: true,
};

pub(crate) const NO_STDOUT: &str =
    "an embedded executor has no standard output that anybody reads: write the path of a file";

impl EmbeddedConfig {
    /// Without the environment's settings. What else a file holds is left to its other readers, unexpanded; a value
    /// has none, so what is not taken is refused.
    pub fn load(source: PolicySource, variables: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let environment = Environment::new(variables, None, &mut problems);
        let (tree, base) = match source {
            PolicySource::Default => return Ok(Self::default()),
            PolicySource::Value(value, base) => {
                let reader = Reader { shared: false, ..FILE };
                (Tree::of(value, yaml::Places::default(), reader, None, &mut problems), base)
            }
            PolicySource::File(path) => {
                let (value, places) = yaml::read(&path, &mut problems)?;
                (Tree::of(value, places, FILE, Some(&environment), &mut problems), folder(&path))
            }
        };
        let none = RawSettings::new();
        let (nothing, file) = (written(&none, &base), written(&tree.settings, &base));
        let settings = Settings::read(KEYS, nothing, &environment, file, &mut problems);
        let audit = resolve_audit(&settings, Some(&base), None, &mut problems);
        if let Some((given, AuditTarget::Stdout)) = &audit {
            problems.push(given.problem(NO_STDOUT));
        }
        let policy = policy::read(&tree, &base, &[], &mut problems);
        if let Some(policy) = &policy {
            check_audit(audit.as_ref(), policy, &mut problems);
        }
        match policy {
            Some(policy) if problems.is_empty() => Ok(Self { policy, audit: audit.map(|(_, target)| target) }),
            _ => Err(reported(problems, &environment.secrets())),
        }
    }
}

fn written<'a>(settings: &'a RawSettings, base: &'a Path) -> Written<'a> {
    Written { settings, base: Some(base) }
}
