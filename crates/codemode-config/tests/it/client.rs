//! The client's configuration: spellings, layers, contradictions, and the policy that comes with it.

use std::{path::PathBuf, time::Duration};

use codemode_config::Secret;
use serde_json::{Value, json};

use crate::support::{SEEDS, file, nothing};

fn given(values: Value) -> Value {
    nothing().values(values).client().to_value()
}

fn refused(values: Value) -> String {
    nothing().values(values).client_problems()
}

#[test]
fn nothing_given_means_the_defaults() {
    let mut config = nothing().client().to_value();
    config["base_dir"] = "[here]".into();
    insta::assert_snapshot!(format!("{config:#}"), @r#"
    {
      "executor_url": null,
      "executor_api_key": null,
      "timeout": 35.0,
      "max_code_length": null,
      "retry": {
        "enabled": true,
        "max_attempts": 10,
        "backoff_base_ms": 100,
        "backoff_max_ms": 5000
      },
      "tls": {
        "enabled": false,
        "mode": null,
        "ca_file": null,
        "client_cert_file": null,
        "client_key_file": null
      },
      "observability": {
        "log_level": "INFO",
        "include_correlation_id": true,
        "correlation_id_prefix": "cm",
        "traceback_limit": null
      },
      "policy": null,
      "base_dir": "[here]",
      "set": []
    }
    "#);
}

#[test]
fn the_seeds_example_reads() {
    let config = nothing().values(json!({
        "executor_url": "http://localhost:8001", "executor_api_key": "your-secret-key", "timeout": 30,
        "tls_enabled": false, "tls_cert_path": null,
    }));
    let config = config.client();
    assert_eq!(config.executor_api_key, Some(Secret::new("your-secret-key")));
    assert_eq!(config.timeout, Duration::from_secs(30));
    assert!(!format!("{config:?}").contains("your-secret-key"));
    let names: Vec<_> = config.given.iter().map(String::as_str).collect();
    assert_eq!(names, ["executor_api_key", "executor_url", "timeout", "tls.enabled"]);
}

#[test]
fn every_spelling_is_one_setting() {
    let flat = json!({
        "executor_url": "grpcs://x/", "executor_api_key": "k", "timeout": 40, "tls_enabled": true, "tls_cert_path": "/ca"
    });
    let nested = json!({
        "executor": {"url": "grpcs://x", "api_key": "k", "timeout": 40.0}, "tls": {"enabled": true, "ca_file": "/ca"}
    });
    let mixed = json!({
        "executor_url": "grpcs://x", "executor": {"api_key": "k", "tls": {"enabled": true}}, "executor_timeout": 40,
        "timeout": 40, "tls": {"ca_file": "/ca"}, "tls_cert_path": "/ca"
    });
    assert_eq!(given(flat.clone()), given(nested));
    assert_eq!(given(flat), given(mixed));
}

#[test]
fn two_spellings_that_disagree_are_named() {
    insta::assert_snapshot!(refused(json!({
        "executor_url": "https://x", "timeout": 30, "executor_timeout": 31, "tls_enabled": true,
        "tls": {"enabled": false, "ca_file": "/b"}, "tls_cert_path": "/a"
    })), @r"
    timeout: `executor_timeout` says something else than `timeout`, the same setting; keep one
    tls.enabled: `tls.enabled` says something else than `tls_enabled`, the same setting; keep one
    tls.ca_file: `tls_cert_path` says something else than `tls.ca_file`, the same setting; keep one
    ");
    let text = "timeout: 30\nexecutor:\n  timeout: 31\n";
    insta::assert_snapshot!(file(text).client_problems(), @r"codemode.yaml:3: timeout: `executor.timeout` says something else than `timeout` (line 1), the same setting; keep one");
    let case = nothing().env("CODEMODE_TIMEOUT", "1").env("CODEMODE_EXECUTOR_TIMEOUT", "2");
    let case = case.dotenv("CODEMODE_TLS_CA_FILE=/a\nOTHER=1\nCODEMODE_TLS_CERT_PATH=/b\n");
    insta::assert_snapshot!(case.client_problems(), @r"
    .env:3: CODEMODE_TLS_CERT_PATH: says something else than CODEMODE_TLS_CA_FILE, which is the same setting; keep one
    CODEMODE_EXECUTOR_TIMEOUT: says something else than CODEMODE_TIMEOUT, which is the same setting; keep one
    ");
    let same = nothing().env("CODEMODE_TIMEOUT", "2").env("CODEMODE_EXECUTOR_TIMEOUT", "2.0");
    assert_eq!(same.client().timeout, Duration::from_secs(2));
}

#[test]
fn arguments_beat_the_environment_beats_dotenv_beats_the_file() {
    let mut case = file("timeout: 10\nmax_code_length: 10\n");
    assert_eq!((case.client().timeout.as_secs(), case.client().max_code_length), (10, Some(10)));
    case = case.dotenv("# ours\nexport CODEMODE_EXECUTOR_TIMEOUT=11\nPATH=/nowhere\n");
    assert_eq!(case.client().timeout.as_secs(), 11);
    case = case.env("CODEMODE_TIMEOUT", "12").env("CODEMODE_MAX_CODE_LENGTH", "");
    assert_eq!((case.client().timeout.as_secs(), case.client().max_code_length), (12, Some(10)));
    case = case.values(json!({"executor": {"timeout": 13}}));
    assert_eq!(case.client().timeout.as_secs(), 13);
}

#[test]
fn dotenv_values_are_literal_and_serve_the_files_variables() {
    let case = file("executor: {url: 'http://${CODEMODE_HOST}:1', api_key: '${CODEMODE_API_KEY}'}\n");
    let case = case.dotenv("CODEMODE_API_KEY='$x${y}' # the key\nCODEMODE_HOST=\"h\"\n");
    let config = case.client();
    assert_eq!(config.executor_url.as_deref(), Some("http://h:1"));
    assert_eq!(config.executor_api_key, Some(Secret::new("$x${y}")));
    // Only what is ours.
    let case = file("executor: {url: 'http://${HOST_OF_OTHERS}:1'}\n").dotenv("HOST_OF_OTHERS=h\n");
    assert!(case.client_problems().contains("the environment variable HOST_OF_OTHERS is not set"));
}

#[test]
fn what_is_wrong_with_dotenv_has_its_line() {
    let text = "OTHERS = not ours\nCODEMODE_TIMEOUT=soon\nCODEMODE_TIMEOUT=9\nCODEMODE_EXECUTOR_API_KEY=\"hidden-secret\n\
                CODEMODE_RETRY_ENABLED=perhaps\n";
    insta::assert_snapshot!(nothing().dotenv(text).client_problems(), @r#"
    .env:3: CODEMODE_TIMEOUT: is given twice; keep one
    .env:4: CODEMODE_EXECUTOR_API_KEY: has a quote that does not end
    .env:5: CODEMODE_RETRY_ENABLED: must be true or false, found the text "perhaps"
    "#);
}

#[test]
fn what_only_has_the_name_of_dotenv_says_nothing() {
    let mut case = nothing();
    for absent in [case.folder.path().join("nowhere"), case.folder.path().to_owned()] {
        case.sources.dotenv = Some(absent);
        assert!(case.client().given.is_empty());
    }
    let path = case.folder.path().join(".env");
    std::fs::write(&path, b"NAME=caf\xe9\nCODEMODE_TIMEOUT=7\n").unwrap();
    case.sources.dotenv = Some(path);
    assert_eq!(case.client().timeout.as_secs(), 7);
}

#[test]
fn the_key_may_be_in_a_file() {
    let mut case = nothing();
    let (key, empty) = (case.secret("key", "secret\n"), case.secret("empty", "\n"));
    case = case.env("CODEMODE_EXECUTOR_API_KEY_FILE", &key);
    assert_eq!(case.client().executor_api_key, Some(Secret::new("secret")));
    case = case.env("CODEMODE_EXECUTOR_API_KEY", "");
    assert_eq!(case.client().executor_api_key, Some(Secret::new("secret")));
    let texts = [
        case.env("CODEMODE_EXECUTOR_API_KEY", "other").client_problems(),
        nothing().env("CODEMODE_EXECUTOR_API_KEY_FILE", "/does/not/exist").client_problems(),
        nothing().env("CODEMODE_EXECUTOR_API_KEY_FILE", &empty).client_problems().replace(&empty, "empty"),
    ];
    insta::assert_snapshot!(texts.join("\n"), @r"
    CODEMODE_EXECUTOR_API_KEY_FILE: CODEMODE_EXECUTOR_API_KEY is set as well; keep one
    CODEMODE_EXECUTOR_API_KEY_FILE: cannot read /does/not/exist: No such file or directory (os error 2)
    CODEMODE_EXECUTOR_API_KEY_FILE: empty is empty
    ");
}

#[test]
fn addresses() {
    for url in ["unix:///run/codemode.sock", "unix:codemode.sock", "grpcs://[::1]:8001", "http://x"] {
        assert_eq!(given(json!({"executor_url": url}))["executor_url"], url);
    }
    for url in ["http:x", "unix:", "http://", "ftp://x", ""] {
        assert!(refused(json!({"executor_url": url})).contains("must begin with one of"), "{url}");
    }
    let said = refused(json!({"executor_url": "http://user:hidden@h:1"}));
    assert_eq!(said, "executor_url: must not hold credentials; set executor_api_key");
    assert!(!refused(json!({"executor_url": "user:hidden@h:1"})).contains("hidden"));
}

#[test]
fn contradictions_name_both() {
    let cases = [
        json!({"executor_url": "http://x", "tls_enabled": true}),
        json!({"executor_url": "grpc://x", "tls_cert_path": "/ca"}),
        json!({"executor_url": "unix:///x", "tls": {"enabled": true}}),
        json!({"executor_url": "https://x", "tls_enabled": false}),
        json!({"executor_url": "grpcs://x", "tls": {"enabled": false}}),
        json!({"executor_url": "http://x", "tls": {"mode": "system"}}),
        json!({"tls": {"mode": "system", "ca_file": "/ca"}}),
        json!({"tls": {"mode": "custom"}}),
        json!({"tls": {"client_key_file": "/k"}}),
        json!({"retry": {"backoff_base_ms": 600, "backoff_max_ms": 500}}),
        json!({"retry": {"backoff_base_ms": 6000}}),
    ];
    insta::assert_snapshot!(cases.map(refused).join("\n"), @r"
    executor_url: http://x says no TLS but tls_enabled is true; use https:// or leave tls_enabled out
    executor_url: grpc://x says no TLS but tls_cert_path is /ca; use grpcs:// or leave tls_cert_path out
    executor_url: unix:///x says no TLS but tls.enabled is true; leave tls.enabled out
    executor_url: https://x says TLS but tls_enabled is false; use http:// or leave tls_enabled out
    executor_url: grpcs://x says TLS but tls.enabled is false; use grpc:// or leave tls.enabled out
    executor_url: http://x says no TLS but tls.mode is system; use https:// or leave tls.mode out
    tls.mode: is system but tls.ca_file is set; use mode custom, or leave one out
    tls.mode: is custom but tls.ca_file (tls_cert_path) is not set
    tls.client_key_file: needs tls.client_cert_file: a certificate and its key belong together
    retry.backoff_base_ms: retry.backoff_base_ms (600) is above retry.backoff_max_ms (500)
    retry.backoff_base_ms: retry.backoff_base_ms (6000) is above retry.backoff_max_ms (5000)
    ");
}

#[test]
fn values_that_break_their_rule_are_named_at_once() {
    insta::assert_snapshot!(refused(json!({
        "executor_urll": "x", "timeout": 0, "executor_api_key": 3, "max_code_length": 0, "tls": {"mode": "own"},
        "retry": {"max_attempt": 1, "max_attempts": 11, "enabled": "yes", "backoff_base_ms": 1.5},
        "observability": {"log_level": "loud", "correlation_id_prefix": "far too long", "traceback_limit": 51},
        "netwrok": {}, "executor": {"ur": 1, "limits": {"cpus": "two", "memory_limt": 1}},
    })), @r#"
    executor_urll: unknown key; did you mean `executor_url`?
    retry.max_attempt: unknown key; did you mean `max_attempts`?
    netwrok: unknown key; did you mean `network`?
    executor.ur: unknown key
    executor_api_key: must be printable ASCII without spaces, as text: put it in quotes
    timeout: must be a number of seconds from 1 to 600, found the number 0
    max_code_length: must be a whole number, 1 or more, found the number 0
    retry.enabled: must be true or false, found the text "yes"
    retry.max_attempts: must be a whole number from 1 to 10, found the number 11
    retry.backoff_base_ms: must be a whole number from 10 to 10000, found the number 1.5
    tls.mode: must be system or custom, found the text "own"
    observability.log_level: must be one of debug, info, warning, error, critical, found the text "loud"
    observability.correlation_id_prefix: must be 1 to 8 printable ASCII characters without spaces, as text, found the text "far too long"
    observability.traceback_limit: must be a whole number from 0 to 50, found the number 51
    limits.memory_limt: unknown key; did you mean `memory_limit`?
    limits.cpus: expected a number, found the text "two"
    "#);
}

#[test]
fn a_programs_values_have_no_other_reader() {
    insta::assert_snapshot!(refused(json!({
        "host": "x", "port": 1, "listen": "a:1", "api_key": "k", "log_level": "info", "drain_timeout": 1,
        "tls": {"cert_file": "c", "required": true}, "main_app_grpc_target": "x",
    })), @r"
    host: is a setting of `codemode serve`, in its configuration; a client takes none of it, so leave it out
    port: is a setting of `codemode serve`, in its configuration; a client takes none of it, so leave it out
    listen: is a setting of `codemode serve`, in its configuration; a client takes none of it, so leave it out
    api_key: is a setting of `codemode serve`, in its configuration; a client takes none of it, so leave it out
    log_level: is a setting of `codemode serve`, in its configuration; a client takes none of it, so leave it out
    drain_timeout: is a setting of `codemode serve`, in its configuration; a client takes none of it, so leave it out
    tls.cert_file: is a setting of `codemode serve`, in its configuration; a client takes none of it, so leave it out
    tls.required: is a setting of `codemode serve`, in its configuration; a client takes none of it, so leave it out
    main_app_grpc_target: is a setting of `codemode serve`, in its configuration; a client takes none of it, so leave it out
    ");
    let file = file(
        "host: 0.0.0.0\nport: 9001\napi_key: k\nlog_level: info\ndrain_timeout: 5\naudit: stdout\n\
         executor_url: https://x\ntls: {enabled: true, cert_file: c, key_file: k, require_client_auth: true}\n\
         project: {name: demo}\nframework: crewai\n",
    );
    let config = file.client();
    assert_eq!((config.executor_api_key, config.policy), (None, None));
}

#[test]
fn the_seeds_block_asks_a_remote_executor_to_narrow() {
    let case = file(SEEDS).env("CODEMODE_API_KEY", "k");
    let config = case.client();
    assert_eq!(config.executor_url.as_deref(), Some("http://executor:8001"));
    assert_eq!(config.base_dir, case.folder.path());
    let policy = config.policy.unwrap();
    assert_eq!(policy["execution"]["allowed_commands"], json!(["grep", "cat"]));
    assert_eq!(policy["network"], json!({"mode": "none"}));
    // What the request leaves out is the executor's to say.
    let network = json!({"executor_url": "http://x", "network": {"allowed_domains": ["a.example"]}});
    assert_eq!(given(network)["policy"]["network"]["allowed_domains"], json!(["a.example"]));
    let wrong = json!({"executor_url": "http://x", "network": {"allowed_domains": ["a_b"]}});
    assert!(refused(wrong).starts_with("network.allowed_domains: "));
}

#[test]
fn without_an_address_the_policy_is_the_embedded_executors() {
    let case = file("limits: {cpus: 2}\naudit: log.jsonl\nfilesystem: {workspace: {mount: ws}}\n");
    let config = case.client();
    let policy = config.policy.unwrap();
    assert_eq!(policy["limits"], json!({"cpus": 2}));
    assert_eq!(policy["audit"], json!(case.folder.path().join("log.jsonl")));
    assert_eq!(policy["filesystem"]["workspace"]["mount"], "ws");
    assert_eq!(config.base_dir, case.folder.path());
    assert_eq!(config.retry.max_attempts, 10);
    let texts = [
        file("network: {allowed_domains: [a.example]}\n").client_problems(),
        file("audit: stdout\n").client_problems(),
        refused(json!({"executor_url": "http://x", "audit": "log.jsonl"})),
    ];
    insta::assert_snapshot!(texts.join("\n"), @r"
    codemode.yaml:1: network.allowed_domains: has no effect while network.mode is none; set the mode to restricted, or leave this out
    codemode.yaml:1: audit: an embedded executor has no standard output that anybody reads: write the path of a file
    audit: is the executor's own setting, and executor_url names one of others; leave it out
    ");
}

#[test]
fn a_programs_policy_stands_above_the_files() {
    let case = file("limits: {cpus: 2, processes: 9}\nfilesystem: {workspace: {mount: ws}, outputs: {mount: out}}\n");
    let case = case.values(json!({"limits": {"cpus": 1}, "filesystem": {"outputs": {"mount": "mine"}}}));
    let policy = case.client().policy.unwrap();
    assert_eq!(policy["limits"], json!({"cpus": 1, "processes": 9}));
    assert_eq!(policy["filesystem"]["workspace"]["mount"], "ws");
    // Each path begins where its writer stands.
    let here = std::path::absolute("mine").unwrap();
    assert_eq!(policy["filesystem"]["outputs"]["mount"], json!(here));
}

#[test]
fn files_begin_at_the_folder_of_the_file() {
    let case = file("executor_url: https://x\ntls: {ca_file: ca.pem}\n");
    assert_eq!(case.client().tls.ca_file, Some(case.folder.path().join("ca.pem")));
    let case = case.env("CODEMODE_TLS_CERT_PATH", "here.pem");
    assert_eq!(case.client().tls.ca_file, Some(PathBuf::from("here.pem")));
}

#[test]
fn the_executors_words_for_log_levels_are_understood() {
    for (said, level) in [("warn", "WARNING"), ("TRACE", "DEBUG"), ("error", "ERROR"), ("critical", "CRITICAL")] {
        let config = nothing().env("CODEMODE_LOG_LEVEL", said).client();
        assert_eq!(config.observability.log_level, level);
    }
}
