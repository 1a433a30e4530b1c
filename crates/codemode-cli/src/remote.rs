//! How an executor is reached: the client's configuration, with what the command line says on top.

use std::{collections::BTreeMap, fs, path::Path};

use codemode_client::{
    TlsOptions,
    config::{ClientConfig, ClientSources, CommandOption},
};
use serde_json::Value;

use crate::{args::RemoteArgs, environment, exit::Failure};

type Variables = BTreeMap<String, String>;

/// What a client shows of itself to an executor on its own machine.
const IDENTITY: [&str; 2] = ["CODEMODE_TLS_CLIENT_CERT_FILE", "CODEMODE_TLS_CLIENT_KEY_FILE"];

/// The key, which `health` takes from the command line only: a probe needs none.
const KEY: [&str; 2] = ["CODEMODE_EXECUTOR_API_KEY", "CODEMODE_EXECUTOR_API_KEY_FILE"];

impl RemoteArgs {
    /// An option that was given, for an error that has no use for them.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let options = [
            (&self.api_key_file, "--api-key-file"),
            (&self.tls_ca, "--tls-ca"),
            (&self.tls_cert, "--tls-cert"),
            (&self.tls_key, "--tls-key"),
        ];
        options.into_iter().find_map(|(file, option)| file.as_ref().map(|_| option))
    }

    pub(crate) fn asks_for_tls(&self) -> bool {
        [&self.tls_ca, &self.tls_cert, &self.tls_key].into_iter().any(Option::is_some)
    }

    fn options(&self, url: Option<&str>) -> Result<Vec<CommandOption>, Failure> {
        let key = self.api_key_file.as_deref().map(|path| key_in("--api-key-file", path)).transpose()?;
        let file =
            |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| Value::from(path.display().to_string()));
        let options = [
            ("executor_url", "--url", url.map(Value::from)),
            ("executor_api_key", "--api-key-file", key.map(Value::from)),
            ("tls.ca_file", "--tls-ca", file(&self.tls_ca)),
            ("tls.client_cert_file", "--tls-cert", file(&self.tls_cert)),
            ("tls.client_key_file", "--tls-key", file(&self.tls_key)),
        ];
        let given =
            options.into_iter().filter_map(|(key, option, value)| Some(CommandOption { key, option, value: value? }));
        Ok(given.collect())
    }
}

/// For `run`: everything counts.
pub(crate) fn config(
    args: &RemoteArgs,
    url: Option<&str>,
    file: Option<&Path>,
    variables: &Variables,
) -> Result<ClientConfig, Failure> {
    load(ClientSources {
        options: args.options(url)?,
        file: file.map(Path::to_owned),
        environment: variables.clone(),
        dotenv: file.map(environment::dotenv),
        ..ClientSources::default()
    })
}

/// For `health --url`.
pub(crate) fn probe(args: &RemoteArgs, url: &str, variables: &Variables) -> Result<ClientConfig, Failure> {
    let mut environment = variables.clone();
    environment.retain(|name, _| !KEY.contains(&name.as_str()));
    load(ClientSources { options: args.options(Some(url))?, environment, ..ClientSources::default() })
}

/// The certificate and key of this side, and the API key of the command line, for an executor of this machine: the other
/// variables are that executor's.
pub(crate) fn identity(args: &RemoteArgs, variables: &Variables) -> Result<(TlsOptions, Option<String>), Failure> {
    let mut environment = variables.clone();
    environment.retain(|name, _| IDENTITY.contains(&name.as_str()));
    let config = load(ClientSources { options: args.options(None)?, environment, ..ClientSources::default() })?;
    let identity = TlsOptions {
        client_cert_file: config.tls.client_cert_file,
        client_key_file: config.tls.client_key_file,
        ..TlsOptions::default()
    };
    Ok((identity, config.executor_api_key.map(|key| key.reveal().to_owned())))
}

fn load(sources: ClientSources) -> Result<ClientConfig, Failure> {
    ClientConfig::load(&sources).map_err(Failure::configuration)
}

fn key_in(setting: &str, path: &Path) -> Result<String, Failure> {
    let key = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{setting}: cannot read {}: {error}", path.display())))?;
    match key.trim() {
        "" => Err(Failure::usage(format!("{setting}: {} is empty", path.display()))),
        key => Ok(key.to_owned()),
    }
}
