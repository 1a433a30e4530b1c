//! What no single setting can tell: those that contradict each other.

use codemode_types::Problem;

use crate::settings::{Given, Layer, Settings};

pub(super) fn check(settings: &Settings, problems: &mut Vec<Problem>) {
    backoff(settings, problems);
    tls(settings, problems);
    if let Some((given, url)) = settings.get("executor_url").and_then(|given| Some((given, given.value.as_str()?))) {
        transport(settings, given, url, problems);
    }
}

fn backoff(settings: &Settings, problems: &mut Vec<Problem>) {
    let milliseconds = |key, default| settings.whole(key).unwrap_or(default);
    let (base, max) = (milliseconds("retry.backoff_base_ms", 100), milliseconds("retry.backoff_max_ms", 5000));
    let given = settings.get("retry.backoff_base_ms").or_else(|| settings.get("retry.backoff_max_ms"));
    if let Some(given) = given.filter(|_| base > max) {
        problems.push(given.problem(format!("retry.backoff_base_ms ({base}) is above retry.backoff_max_ms ({max})")));
    }
}

fn tls(settings: &Settings, problems: &mut Vec<Problem>) {
    let get = |key| settings.get(key);
    match (get("tls.mode"), get("tls.ca_file")) {
        (Some(mode), None) if mode.value == "custom" => {
            problems.push(mode.problem("is custom but tls.ca_file (tls_cert_path) is not set"));
        }
        (Some(mode), Some(file)) if mode.value == "system" => {
            let file = &file.setting;
            problems.push(mode.problem(format!("is system but {file} is set; use mode custom, or leave one out")));
        }
        _ => {}
    }
    let pair =
        [(get("tls.client_cert_file"), "tls.client_key_file"), (get("tls.client_key_file"), "tls.client_cert_file")];
    for (given, other) in pair {
        if let Some(given) = given.filter(|_| get(other).is_none()) {
            problems.push(given.problem(format!("needs {other}: a certificate and its key belong together")));
        }
    }
}

/// The address and the settings must agree on TLS.
fn transport(settings: &Settings, given: &Given, url: &str, problems: &mut Vec<Problem>) {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    if scheme != "unix" && rest.contains('@') {
        // It is not shown: what stands there is a secret.
        problems.push(given.problem("must not hold credentials; set executor_api_key"));
        return;
    }
    let enabled = settings.get("tls.enabled");
    if let Some(off) = enabled.filter(|off| off.value == false && matches!(scheme, "https" | "grpcs")) {
        let (plain, other) = (scheme.trim_end_matches('s'), &off.setting);
        problems
            .push(given.problem(format!("{url} says TLS but {other} is false; use {plain}:// or leave {other} out")));
    }
    if !matches!(scheme, "http" | "grpc" | "unix") {
        return;
    }
    let files = ["tls.mode", "tls.ca_file", "tls.client_cert_file"].map(|key| settings.get(key));
    for asked in enabled.into_iter().filter(|given| given.value == true).chain(files.into_iter().flatten()) {
        let (other, value) =
            (&asked.setting, asked.value.as_str().map_or_else(|| asked.value.to_string(), str::to_owned));
        let way_out = match scheme {
            "unix" => String::new(),
            scheme => format!("use {scheme}s:// or "),
        };
        problems.push(given.problem(format!("{url} says no TLS but {other} is {value}; {way_out}leave {other} out")));
    }
}

/// What has no effect on an executor of the client's own.
pub(super) fn idle(settings: &Settings) -> Vec<Problem> {
    let keys = [
        // The greatest layer in which an executor reads the same.
        ("executor_api_key", Some(Layer::File)),
        ("tls.enabled", Some(Layer::Environment)),
        ("tls.mode", Some(Layer::Environment)),
        ("tls.ca_file", Some(Layer::Environment)),
        ("tls.client_cert_file", None),
        ("tls.client_key_file", None),
    ];
    let given = keys.into_iter().filter_map(|(key, shared)| Some((settings.get(key)?, shared)));
    let idle = given.filter(|(given, shared)| Some(given.layer) > *shared && given.value != false);
    idle.map(|(given, _)| given.problem("cannot take effect without executor_url; set it, or leave this out")).collect()
}
