use std::time::Duration;

use codemode_client::{ClientOptions, EmbeddedOptions, TlsMode, TlsOptions};
use pyo3::{prelude::*, types::PyMapping};

use crate::errors::config;

const CLIENT_NAME: &str = concat!("codemode-python/", env!("CARGO_PKG_VERSION"));

pub(crate) fn client_options(url: String, options: &Bound<'_, PyMapping>) -> PyResult<ClientOptions> {
    let mut parsed = ClientOptions { client: CLIENT_NAME.into(), ..ClientOptions::new(url) };
    for (key, value) in given(options)? {
        match key.as_str() {
            "api_key" => parsed.api_key = Some(value.extract()?),
            "timeout" => parsed.timeout = seconds(&key, &value)?,
            "policy" => parsed.policy = Some(value.extract()?),
            "tls_enabled" if !value.is_truthy()? => {}
            "tls_enabled" => {
                tls(&mut parsed);
            }
            "tls_cert_path" => tls(&mut parsed).mode = TlsMode::Custom(value.extract()?),
            "tls_client_cert_path" => tls(&mut parsed).client_cert_file = Some(value.extract()?),
            "tls_client_key_path" => tls(&mut parsed).client_key_file = Some(value.extract()?),
            _ => return Err(config(format!("unknown option `{key}`"))),
        }
    }
    Ok(parsed)
}

fn tls(options: &mut ClientOptions) -> &mut TlsOptions {
    options.tls.get_or_insert_default()
}

pub(crate) fn embedded_options(options: &Bound<'_, PyMapping>) -> PyResult<EmbeddedOptions> {
    let mut parsed = EmbeddedOptions::new("");
    for (key, value) in given(options)? {
        match key.as_str() {
            "executable" => parsed.executable = value.extract()?,
            "interpreter" => parsed.interpreter = Some(value.extract()?),
            "policy" => parsed.policy = Some(json(&value.extract::<String>()?)?),
            "policy_path" => parsed.policy_path = Some(value.extract()?),
            "base_dir" => parsed.base_dir = Some(value.extract()?),
            "timeout" => parsed.timeout = seconds(&key, &value)?,
            _ => return Err(config(format!("unknown option `{key}`"))),
        }
    }
    match parsed.executable.as_os_str().is_empty() {
        true => Err(config("option `executable` is missing")),
        false => Ok(parsed),
    }
}

/// `None` is as good as absent.
fn given<'py>(options: &Bound<'py, PyMapping>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
    let mut given: Vec<(String, Bound<'py, PyAny>)> = options.items()?.extract()?;
    given.retain(|(_, value)| !value.is_none());
    Ok(given)
}

pub(super) fn seconds(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    match Duration::try_from_secs_f64(value.extract()?) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(config(format!("{name} must be a positive number of seconds, got {value}"))),
    }
}

fn json(text: &str) -> PyResult<serde_json::Value> {
    serde_json::from_str(text).map_err(|error| config(format!("policy: {error}")))
}
