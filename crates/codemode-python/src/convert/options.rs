use std::time::Duration;

use codemode_client::{ClientOptions, EmbeddedOptions};
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
            "tls_enabled" | "tls_cert_path" | "tls_client_cert_path" | "tls_client_key_path" => {
                return Err(config(format!("{key}: TLS is not available yet; use http:// on a network you trust")));
            }
            _ => return Err(config(format!("unknown option `{key}`"))),
        }
    }
    Ok(parsed)
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
