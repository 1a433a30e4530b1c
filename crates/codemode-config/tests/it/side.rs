//! Whose a file is, and what its values come to.

use codemode_config::{Side, needs_variable, shown, unknown_variables};

use crate::support::{SEEDS, file};

#[test]
fn a_file_is_whose_keys_it_has() {
    for (yaml, sides) in [
        ("executor_url: http://x", &[Side::Client][..]),
        ("executor: {timeout: 5}", &[Side::Client]),
        ("retry: {max_atempts: 3}", &[Side::Client]),
        ("tls: {client_cert_file: a}", &[Side::Client]),
        ("port: 1", &[Side::Sidecar]),
        ("port: 1\nlimits: {cpus: 1}", &[Side::Sidecar]),
        ("tls: {cert_file: a}", &[Side::Sidecar]),
        ("executor: {tls: {cert_file: a}}", &[Side::Sidecar]),
        ("port: 1\ntimeout: 5", &Side::BOTH),
        ("executor_url: http://x\nlimits: {cpus: 1}", &Side::BOTH),
        ("tls: {mode: system}", &Side::BOTH),
        ("limits: {cpus: 1}", &Side::BOTH),
        ("nonsense: 1", &Side::BOTH),
        ("", &Side::BOTH),
        (SEEDS, &Side::BOTH),
    ] {
        let case = file(yaml);
        assert_eq!(Side::of_file(case.sources.file.as_deref().unwrap()).unwrap(), sides, "{yaml}");
    }
    for (name, yaml, side) in [
        ("codemode-client.yaml", "executor_url: http://x\nlimits: {cpus: 1}", Side::Client),
        ("codemode-sidecar.yaml", "limits: {cpus: 1}", Side::Sidecar),
        ("codemode-client.yaml", "port: 1", Side::Sidecar),
    ] {
        let case = file("");
        let path = case.secret(name, yaml);
        assert_eq!(Side::of_file(path.as_ref()).unwrap(), [side], "{name}: {yaml}");
    }
}

#[test]
fn every_value_says_where_it_came_from() {
    let case = file(
        "api_key: topsecretkey\nport: 1\nlimits: {cpus: 2}\nsecurity:\n  allowed_commands: [ls]\nlog_level: warn\n",
    )
    .env("CODEMODE_PORT", "2")
    .env("CODEMODE_MEMORY_LIMIT", "64m")
    .dotenv("\nCODEMODE_HOST=::1\n");
    let text = shown(&case.load().effective()).replace(&format!("{}/", case.folder.path().display()), "");
    insta::assert_snapshot!(text.lines().filter(|line| !line.ends_with("# default")).collect::<Vec<_>>().join("\n"));
    let client = file("executor:\n  url: http://x\n  api_key: topsecretkey\nlimits: {memory_limit: 64m}\n");
    let text = shown(&client.client().effective()).replace(&format!("{}/", client.folder.path().display()), "");
    insta::assert_snapshot!(text);
}

#[test]
fn unknown_variables_are_told_with_the_known_one() {
    let case = file("host: ${CODEMODE_MY_HOST:-x}\naudit: ${CODEMODE_MY_LOG}")
        .env("CODEMODE_PROT", "1")
        .env("CODEMODE_API_KEY_FIEL", "x")
        .env("CODEMODE_MY_HOST", "x")
        .env("CODEMODE_MY_LOG", "x")
        .env("CODEMODE_LOG", "x")
        .env("CODEMODE_EXECUTOR_API_KEY_FILE", "x")
        .env("OTHER", "x")
        .dotenv("CODEMODE_PROT=2\nCODEMODE_SOMETHING=3\nOTHERS=4\n");
    let sources = &case.sources;
    let told = unknown_variables(&sources.environment, sources.dotenv.as_ref(), sources.file.as_deref());
    let told: Vec<_> = told.iter().map(|unknown| unknown.problem.to_string()).collect();
    insta::assert_snapshot!(told.join("\n").replace(&format!("{}/", case.folder.path().display()), ""));
}

#[test]
fn a_missing_variable_is_told_apart() {
    let case = file("port: ${NOT_SET}\nhost: 5\n");
    let codemode_config::ConfigError::Problems(problems) =
        codemode_config::SidecarConfig::load(&case.sources).unwrap_err()
    else {
        panic!("no problems");
    };
    assert_eq!(problems.iter().map(needs_variable).collect::<Vec<_>>(), [true, false]);
}
