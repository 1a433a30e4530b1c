//! What it takes to be let in by an executor that others started: its key, and TLS. The environment counts where the
//! command line says nothing.

use std::{collections::BTreeMap, fs, path::Path};

use codemode_client::{TlsMode, TlsOptions};

use crate::{args::RemoteArgs, exit::Failure};

type Variables = BTreeMap<String, String>;

const KEY: &str = "CODEMODE_EXECUTOR_API_KEY";
const KEY_FILE: &str = "CODEMODE_EXECUTOR_API_KEY_FILE";
const ENABLED: &str = "CODEMODE_TLS_ENABLED";
const MODE: &str = "CODEMODE_TLS_MODE";
const CA_FILE: &str = "CODEMODE_TLS_CA_FILE";
const CERT_PATH: &str = "CODEMODE_TLS_CERT_PATH";
const CLIENT_CERT: &str = "CODEMODE_TLS_CLIENT_CERT_FILE";
const CLIENT_KEY: &str = "CODEMODE_TLS_CLIENT_KEY_FILE";

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
}

pub(crate) fn api_key(args: &RemoteArgs, variables: &Variables) -> Result<Option<String>, Failure> {
    match (&args.api_key_file, given(variables, KEY), given(variables, KEY_FILE)) {
        (Some(path), ..) => key_in("--api-key-file", path).map(Some),
        (None, Some(_), Some(_)) => Err(Failure::usage(format!("{KEY} and {KEY_FILE} are both set; keep one"))),
        (None, Some(key), None) => Ok(Some(key.to_owned())),
        (None, None, Some(path)) => key_in(KEY_FILE, Path::new(path)).map(Some),
        (None, None, None) => Ok(None),
    }
}

/// The key that the command line names.
pub(crate) fn api_key_argument(args: &RemoteArgs) -> Result<Option<String>, Failure> {
    args.api_key_file.as_deref().map(|path| key_in("--api-key-file", path)).transpose()
}

fn key_in(setting: &str, path: &Path) -> Result<String, Failure> {
    let key = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{setting}: cannot read {}: {error}", path.display())))?;
    match key.trim() {
        "" => Err(Failure::usage(format!("{setting}: {} is empty", path.display()))),
        key => Ok(key.to_owned()),
    }
}

/// `None` where nobody asked for TLS but, perhaps, the URL.
pub(crate) fn tls(url: &str, args: &RemoteArgs, variables: &Variables) -> Result<Option<TlsOptions>, Failure> {
    let enabled = enabled(variables)?;
    if enabled == Some(false) && (url.starts_with("https://") || url.starts_with("grpcs://")) {
        let way_out = "use an address without TLS or leave the variable out";
        return Err(Failure::usage(format!("{url} says TLS but {ENABLED} says no; {way_out}")));
    }
    let mode = mode(args, variables)?;
    let identity = identity(args, variables);
    let asked = enabled == Some(true) || given(variables, MODE).is_some() || mode != TlsMode::System;
    Ok((asked || identity != TlsOptions::default()).then_some(TlsOptions { mode, ..identity }))
}

/// The certificate and key of this side.
pub(crate) fn identity(args: &RemoteArgs, variables: &Variables) -> TlsOptions {
    TlsOptions {
        client_cert_file: args.tls_cert.clone().or_else(|| given(variables, CLIENT_CERT).map(Into::into)),
        client_key_file: args.tls_key.clone().or_else(|| given(variables, CLIENT_KEY).map(Into::into)),
        ..TlsOptions::default()
    }
}

fn mode(args: &RemoteArgs, variables: &Variables) -> Result<TlsMode, Failure> {
    let ca_file = match (&args.tls_ca, given(variables, CA_FILE), given(variables, CERT_PATH)) {
        (Some(file), ..) => Some(("--tls-ca", file.clone())),
        (None, Some(one), Some(other)) if one != other => {
            let message = format!("{CA_FILE} and {CERT_PATH} name the same setting but differ; set one of them");
            return Err(Failure::usage(message));
        }
        (None, Some(file), _) => Some((CA_FILE, file.into())),
        (None, None, file) => file.map(|file| (CERT_PATH, file.into())),
    };
    match (given(variables, MODE), ca_file) {
        (None | Some("custom"), Some((_, file))) => Ok(TlsMode::Custom(file)),
        (None | Some("system"), None) => Ok(TlsMode::System),
        (Some("system"), Some((setting, _))) => {
            Err(Failure::usage(format!("{MODE} is system but {setting} is set; leave one of them out")))
        }
        (Some("custom"), None) => Err(Failure::usage(format!("{MODE} is custom but no CA is named; set {CA_FILE}"))),
        (Some(other), _) => Err(Failure::usage(format!("{MODE} is {other:?}, and must be system or custom"))),
    }
}

fn enabled(variables: &Variables) -> Result<Option<bool>, Failure> {
    let Some(text) = given(variables, ENABLED) else { return Ok(None) };
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(Some(true)),
        "false" | "0" | "no" | "off" => Ok(Some(false)),
        _ => Err(Failure::usage(format!("{ENABLED} is {text:?}, and must be true or false"))),
    }
}

/// An empty variable counts as not set.
fn given<'a>(variables: &'a Variables, name: &str) -> Option<&'a str> {
    variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn the_command_line_wins_over_the_environment() {
        let environment = variables(&[(CA_FILE, "/e/ca"), (CLIENT_CERT, "/e/cert"), (CLIENT_KEY, "/e/key")]);
        let said = tls("https://h", &RemoteArgs::default(), &environment).unwrap().unwrap();
        let cert = |place: &str| TlsOptions {
            client_cert_file: Some(format!("{place}/cert").into()),
            client_key_file: Some("/e/key".into()),
            ..TlsOptions::custom(format!("{place}/ca"))
        };
        assert_eq!(said, cert("/e"));
        let args =
            RemoteArgs { tls_ca: Some("/a/ca".into()), tls_cert: Some("/a/cert".into()), ..RemoteArgs::default() };
        assert_eq!(tls("https://h", &args, &environment).unwrap().unwrap(), cert("/a"));
    }

    #[test]
    fn nobody_asked() {
        let none = variables(&[(ENABLED, ""), (CA_FILE, "")]);
        assert_eq!(tls("http://h", &RemoteArgs::default(), &none).unwrap(), None);
        let off = variables(&[(ENABLED, "false")]);
        assert_eq!(tls("http://h", &RemoteArgs::default(), &off).unwrap(), None);
        let on = variables(&[(ENABLED, "On")]);
        assert_eq!(tls("http://h", &RemoteArgs::default(), &on).unwrap(), Some(TlsOptions::default()));
    }

    #[test]
    fn contradictions_name_both() {
        for (pairs, text) in [
            (&[(ENABLED, "no")][..], "https://h says TLS but CODEMODE_TLS_ENABLED says no"),
            (&[(ENABLED, "perhaps")], "CODEMODE_TLS_ENABLED is \"perhaps\", and must be true or false"),
            (&[(CA_FILE, "/a"), (CERT_PATH, "/b")], "CODEMODE_TLS_CA_FILE and CODEMODE_TLS_CERT_PATH name the same"),
            (&[(MODE, "system"), (CERT_PATH, "/b")], "CODEMODE_TLS_MODE is system but CODEMODE_TLS_CERT_PATH is set"),
            (&[(MODE, "custom")], "CODEMODE_TLS_MODE is custom but no CA is named; set CODEMODE_TLS_CA_FILE"),
            (&[(MODE, "own")], "CODEMODE_TLS_MODE is \"own\", and must be system or custom"),
        ] {
            let failure = tls("https://h", &RemoteArgs::default(), &variables(pairs)).unwrap_err();
            assert!(failure.message.contains(text), "{}", failure.message);
        }
    }
}
