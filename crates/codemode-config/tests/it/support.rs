use std::{fs, path::PathBuf};

use codemode_config::{
    ClientConfig, ClientSources, ConfigError, SidecarConfig,
    sidecar::{Arguments, Sources},
};
use serde_json::Value;

/// A folder with files, and what else is said.
pub(crate) struct Case {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) sources: Sources,
    values: Value,
}

pub(crate) fn file(yaml: &str) -> Case {
    let mut case = nothing();
    case.sources.file = Some(case.write("codemode.yaml", yaml));
    case
}

pub(crate) fn nothing() -> Case {
    Case { folder: tempfile::tempdir().unwrap(), sources: Sources::default(), values: Value::Null }
}

impl Case {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.insert(name.into(), value.into());
        self
    }

    pub(crate) fn dotenv(mut self, text: &str) -> Self {
        self.sources.dotenv = Some(self.write(".env", text));
        self
    }

    pub(crate) fn arguments(mut self, arguments: Arguments) -> Self {
        self.sources.arguments = arguments;
        self
    }

    /// A mapping that a client is given.
    pub(crate) fn values(mut self, values: Value) -> Self {
        self.values = values;
        self
    }

    /// The same for an executor.
    pub(crate) fn program(mut self, values: Value) -> Self {
        self.sources.arguments.values = values;
        self
    }

    pub(crate) fn try_load(&self) -> Result<SidecarConfig, String> {
        SidecarConfig::load(&self.sources).map_err(|error| self.shown(&error))
    }

    pub(crate) fn try_client(&self) -> Result<ClientConfig, String> {
        self.read_client().map_err(|error| self.shown(&error))
    }

    pub(crate) fn load(&self) -> SidecarConfig {
        SidecarConfig::load(&self.sources).unwrap()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.load().api_keys.keys().iter().map(|key| key.reveal().to_owned()).collect()
    }

    pub(crate) fn problems(&self) -> String {
        self.shown(&SidecarConfig::load(&self.sources).unwrap_err())
    }

    pub(crate) fn client(&self) -> ClientConfig {
        self.read_client().unwrap()
    }

    pub(crate) fn client_problems(&self) -> String {
        self.shown(&self.read_client().unwrap_err())
    }

    pub(crate) fn shown(&self, error: &ConfigError) -> String {
        error.to_string().replace(&format!("{}/", self.folder.path().display()), "")
    }

    pub(crate) fn secret(&self, name: &str, text: &str) -> String {
        self.write(name, text).display().to_string()
    }

    fn read_client(&self) -> Result<ClientConfig, ConfigError> {
        let Sources { file, environment, dotenv, .. } = self.sources.clone();
        let values = self.values.clone();
        ClientConfig::load(&ClientSources { values, file, environment, dotenv, ..ClientSources::default() })
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

/// The seeds' basic block, as printed.
pub(crate) const SEEDS: &str = "
executor:
  url: http://executor:8001
  api_key: ${CODEMODE_API_KEY}

  # Enable hybrid execution
  execution:
    allow_direct_execution: true
    allowed_commands:
      - grep
      - cat
  filesystem:
    workspace:
      mount: ./project_files
      readonly: true
    sandbox:
      mount: /sandbox
      readonly: false
      max_size: 1GB
    outputs:
      mount: ./outputs
      readonly: false
  network:
    mode: none
";
