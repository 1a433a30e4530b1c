//! The executor's configuration: YAML and environment.

use std::{fs, path::Path};

use codemode_server::config::{ConfigError, EmbeddedConfig, ListenAddress, PolicySource, ServerConfig, Sources};
use codemode_types::Policy;

use super::variables::variables;

const KEY: &str = "k3y-that-nobody-may-read";

/// `NAME=VALUE` lines up to an empty line are the environment, the rest is the file.
pub fn configuration(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (said_by, yaml) = text.split_once("\n\n").unwrap_or(("", text));
    let mut environment = variables(said_by);
    // A key with a space in it is refused.
    let rest = if input.len().is_multiple_of(2) { "" } else { " x" };
    environment.insert("CODEMODE_API_KEY".into(), format!("{KEY}{rest}"));
    address(text);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("codemode.yaml");
    fs::write(&path, yaml).expect("written");
    let sources = Sources { file: Some(path.clone()), environment, ..Sources::default() };
    let (said, on_purpose) = match ServerConfig::load(&sources) {
        Ok(config) => {
            stands(&config.policy);
            // A file that names the variable elsewhere means it.
            (format!("{config:?}"), yaml.contains("${"))
        }
        Err(error) => (explained(error), false),
    };
    assert!(on_purpose || text.contains(KEY) || !said.contains(KEY), "{said}");
    embedded(PolicySource::File(path), &sources);
    if let Ok(value) = serde_json::from_str(yaml) {
        embedded(PolicySource::Value(value, folder.path().into()), &sources);
    }
}

fn embedded(source: PolicySource, sources: &Sources) {
    match EmbeddedConfig::load(source, &sources.environment) {
        Ok(config) => stands(&config.policy),
        Err(error) => drop(explained(error)),
    }
}

fn address(text: &str) {
    if let Ok(address) = text.parse::<ListenAddress>() {
        assert!(!address.to_string().is_empty());
    }
}

/// A policy that was loaded loads again from its own text, as a client reads it.
fn stands(policy: &Policy) {
    assert_eq!(Policy::from_value(&policy.to_value(), Path::new("/")).as_ref(), Ok(policy));
}

/// Every problem has words, and a file that is no YAML is not quoted: the lines around the place may hold a key.
fn explained(error: ConfigError) -> String {
    match &error {
        ConfigError::Problems(problems) => {
            assert!(!problems.is_empty() && problems.iter().all(|problem| !problem.message.is_empty()));
        }
        ConfigError::Yaml { message, .. } => assert!(!message.contains('\n'), "{message}"),
        ConfigError::Read { .. } => {}
    }
    error.to_string()
}
