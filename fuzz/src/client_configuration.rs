//! The client's configuration: environment, `.env`, YAML and a program's mapping.

use std::{collections::BTreeMap, fs};

use codemode_config::{ClientConfig, ClientSources, ConfigError, EmbeddedConfig, PolicySource};
use serde_json::Value;

use super::variables::variables;

const KEY: &str = "k3y-that-nobody-may-read";
const VARIABLE: &str = "CODEMODE_EXECUTOR_API_KEY";

/// Three parts with a line `---` between them: the environment as `NAME=VALUE` lines, `.env`, the file. A file that is
/// JSON is the mapping of a program as well.
pub fn client_configuration(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut parts = text.splitn(3, "\n---\n");
    let [said_by, dotenv, yaml] = [(); 3].map(|()| parts.next().unwrap_or_default());
    let mut environment = variables(said_by);
    // A key with a space in it is refused.
    let rest = if input.len().is_multiple_of(2) { "" } else { " x" };
    environment.insert(VARIABLE.into(), format!("{KEY}{rest}"));

    let folder = tempfile::tempdir().expect("a temporary folder");
    let [file, beside] = ["codemode.yaml", ".env"].map(|name| folder.path().join(name));
    fs::write(&file, yaml).expect("written");
    fs::write(&beside, dotenv.replace("_FILE", "_PATH")).expect("written");
    let sources = ClientSources { file: Some(file), dotenv: Some(beside), environment, ..ClientSources::default() };
    let is_told = text.contains(KEY);
    read(&sources, is_told);
    if let Ok(values) = serde_json::from_str(yaml) {
        read(&ClientSources { values, file: None, ..sources }, is_told);
    }
}

fn read(sources: &ClientSources, is_told: bool) {
    match ClientConfig::load(sources) {
        Ok(config) => stands(&config),
        Err(error) => {
            if let ConfigError::Problems(problems) = &error {
                assert!(!problems.is_empty() && problems.iter().all(|problem| !problem.message.is_empty()));
            }
            assert!(is_told || !error.to_string().contains(KEY), "{error}");
        }
    }
}

/// What was loaded can be used: its times are in their range, and the executor that it starts reads its policy.
fn stands(config: &ClientConfig) {
    assert!((1.0..=600.0).contains(&config.timeout.as_secs_f64()), "{config:?}");
    assert!(config.retry.backoff_base <= config.retry.backoff_max, "{config:?}");
    let Value::Object(document) = config.to_value() else { panic!("no document: {config:?}") };
    assert!(document.contains_key("policy"));
    if let (None, Some(policy)) = (&config.executor_url, &config.policy) {
        let source = PolicySource::Value(policy.clone(), config.base_dir.clone());
        EmbeddedConfig::load(source, &BTreeMap::new()).expect("what the client has checked");
    }
}
