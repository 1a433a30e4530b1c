//! The executor's configuration: where each setting may stand, which one wins, and what is refused.

use std::{fs, path::PathBuf, time::Duration};

use codemode_config::{
    ConfigError, EmbeddedConfig, ListenAddress, LogLevel, PolicySource,
    sidecar::{Arguments, AuditTarget},
};
use codemode_types::ByteSize;

use crate::support::{SEEDS, file, nothing};

fn tcp(host: &str, port: u16) -> ListenAddress {
    ListenAddress::Tcp { host: host.into(), port }
}

#[test]
fn nothing_given_means_the_defaults() {
    let config = nothing().load();
    assert_eq!(config.listen, tcp("127.0.0.1", 8001));
    assert!(config.api_keys.keys().is_empty());
    assert_eq!(config.log_level, LogLevel::Info);
    assert_eq!(config.drain_timeout, Duration::from_secs(30));
    assert_eq!(config.policy, codemode_types::Policy::default());
    assert_eq!(file("# only a comment\n").load().policy, config.policy);
}

#[test]
fn the_seeds_block_loads_as_printed() {
    let case = file(SEEDS).env("CODEMODE_API_KEY", "k");
    let config = case.load();
    assert_eq!(config.policy.execution.allowed_commands, ["grep", "cat"]);
    let workspace = config.policy.filesystem.workspace.mount.unwrap();
    assert_eq!(workspace.components().collect::<PathBuf>(), case.folder.path().join("project_files"));
    assert_eq!(case.keys(), ["k"]);
}

#[test]
fn blocks_load_at_the_root_as_well() {
    let config = file("project: {name: demo}\nframework: crewai\nlimits: {code_timeout: 5}\nnetwork:\n").load();
    assert_eq!(config.policy.limits.code_timeout, Duration::from_secs(5));
}

#[test]
fn the_published_sidecar_file_loads() {
    let case = file(
        "host: 0.0.0.0\nport: 9001\napi_key: secret\nlog_level: WARNING\n\
         security: {allow_direct_execution: true, allowed_commands: [ls]}\n\
         limits: {code_timeout: 30, max_code_length: 10000}\ntls: {enabled: false}\n",
    );
    let config = case.load();
    assert_eq!(config.listen, tcp("0.0.0.0", 9001));
    assert_eq!(config.policy.execution.allowed_commands, ["ls"]);
    assert_eq!(config.log_level, LogLevel::Warn);
    assert_eq!(case.keys(), ["secret"]);
}

#[test]
fn arguments_beat_the_environment_beats_the_file() {
    let yaml = "port: 1\nhost: 127.0.0.2\nlimits: {memory_limit: 1g, code_timeout: 3}\nlog_level: error\n";
    let case = file(yaml)
        .env("CODEMODE_PORT", "2")
        .env("CODEMODE_MEMORY_LIMIT", "512m")
        .env("CODEMODE_MAX_EXEC_TIME", "60")
        .env("CODEMODE_LOG_LEVEL", "debug");
    let config = case.load();
    assert_eq!(config.listen, tcp("127.0.0.2", 2));
    assert_eq!(config.policy.limits.memory_limit, ByteSize::mib(512));
    assert_eq!(config.policy.limits.code_timeout, Duration::from_secs(60));
    assert_eq!(config.log_level, LogLevel::Debug);
    let case = case.arguments(Arguments { port: Some(3), log_level: Some(LogLevel::Trace), ..Arguments::default() });
    assert_eq!((case.load().listen, case.load().log_level), (tcp("127.0.0.2", 3), LogLevel::Trace));
    let unix = ListenAddress::Unix("/run/x".into());
    let case = case.arguments(Arguments { listen: Some(unix.clone()), ..Arguments::default() });
    assert_eq!(case.load().listen, unix);
}

#[test]
fn both_spellings_work_and_must_agree() {
    assert_eq!(nothing().env("CODEMODE_SIDECAR_PORT", "7").load().listen, tcp("127.0.0.1", 7));
    let same = nothing().env("CODEMODE_PORT", "7").env("CODEMODE_SIDECAR_PORT", "7");
    assert_eq!(same.load().listen, tcp("127.0.0.1", 7));
    let case = nothing()
        .env("CODEMODE_PORT", "7")
        .env("CODEMODE_SIDECAR_PORT", "8")
        .env("CODEMODE_MAX_EXEC_TIME", "1")
        .env("CODEMODE_CODE_TIMEOUT", "2");
    insta::assert_snapshot!(case.problems(), @r"
    CODEMODE_SIDECAR_PORT: says something else than CODEMODE_PORT, which is the same setting; keep one
    CODEMODE_CODE_TIMEOUT: says something else than CODEMODE_MAX_EXEC_TIME, which is the same setting; keep one
    ");
    let yaml = "limits: {cpus: 1}\nexecutor: {limits: {cpus: 2, processes: 9}, api_key: a}\napi_key: b\n";
    insta::assert_snapshot!(file(yaml).problems(), @r"
    codemode.yaml:2: limits.cpus: `executor.limits.cpus` says something else than `limits.cpus` (line 1), the same setting; keep one
    codemode.yaml:3: api_key: `api_key` says something else than `executor.api_key` (line 2), the same setting; keep one
    ");
    let yaml = "executor: {limits: {memory_limit: 1g}, execution: {allowed_commands: [ls]}}\n\
                security: {allow_direct_execution: true, allowed_commands: [cat]}\nlimits: {memory_limit: 2g}\n";
    insta::assert_snapshot!(file(yaml).problems(), @r"
    codemode.yaml:2: execution.allowed_commands: `security.allowed_commands` says something else than `executor.execution.allowed_commands` (line 1), the same setting; keep one
    codemode.yaml:3: limits.memory_limit: `limits.memory_limit` says something else than `executor.limits.memory_limit` (line 1), the same setting; keep one
    ");
}

#[test]
fn equal_numbers_are_no_conflict_however_they_are_written() {
    let case = nothing().env("CODEMODE_MAX_EXEC_TIME", "7").env("CODEMODE_CODE_TIMEOUT", "7.0");
    assert_eq!(case.load().policy.limits.code_timeout, Duration::from_secs(7));
    let case = file("limits: {code_timeout: 7}\nexecutor: {limits: {code_timeout: 7.0}}\n");
    assert_eq!(case.load().policy.limits.code_timeout, Duration::from_secs(7));
}

#[test]
fn keys_come_from_the_environment_a_file_or_a_list() {
    let case = file("api_key: [old, new]\n");
    assert_eq!(case.keys(), ["old", "new"]);
    let path = case.secret("key", "from-file\n");
    let case = case.env("CODEMODE_API_KEY_FILE", &path);
    assert_eq!(case.keys(), ["from-file"]);
    let case = case.env("CODEMODE_API_KEY", "x");
    assert_eq!(case.problems(), "CODEMODE_API_KEY_FILE: CODEMODE_API_KEY is set as well; keep one");
}

#[test]
fn a_key_that_was_meant_never_turns_into_none() {
    assert_eq!(nothing().env("CODEMODE_API_KEY", "").problems(), "CODEMODE_API_KEY: is empty; set a key or remove it");
    let case = nothing();
    let path = case.secret("empty", "\n");
    assert!(case.env("CODEMODE_API_KEY_FILE", &path).problems().contains("is empty"));
    assert!(nothing().env("CODEMODE_API_KEY_FILE", "/nowhere").problems().contains("cannot read /nowhere"));
    assert!(file("api_key: ${NOT_SET}\n").problems().contains("NOT_SET is not set"));
    assert!(file("api_key: ''\n").problems().contains("not empty"));
    for spelling in ["api_key:", "executor_api_key: ~", "executor: {api_key: }"] {
        assert!(file(&format!("{spelling}\n")).problems().contains("is empty; set a key or remove it"), "{spelling}");
    }
    assert!(file("api_key: 123\n").problems().contains("put it in quotes"));
    assert!(file("api_key: [a, b, c]\n").problems().contains("must hold 1 or 2 keys"));
}

#[test]
fn the_key_from_before_holds_as_long_as_it_is_named() {
    let previous = "CODEMODE_API_KEY_PREVIOUS";
    assert_eq!(nothing().env("CODEMODE_API_KEY", "new").env(previous, "old").keys(), ["new", "old"]);
    // The file's key is one that the environment's old key came before, too.
    assert_eq!(file("api_key: new\n").env(previous, "old").keys(), ["new", "old"]);
    for empty in ["CODEMODE_API_KEY_PREVIOUS", "CODEMODE_API_KEY_PREVIOUS_FILE"] {
        assert_eq!(nothing().env("CODEMODE_API_KEY", "new").env(empty, "").keys(), ["new"]);
    }
    let case = nothing();
    let (new, old, gone) = (case.secret("new", "new\n"), case.secret("old", "old\n"), case.secret("gone", "\n"));
    let case = case.env("CODEMODE_API_KEY_FILE", &new).env("CODEMODE_API_KEY_PREVIOUS_FILE", &old);
    assert_eq!(case.keys(), ["new", "old"]);
    assert_eq!(case.env("CODEMODE_API_KEY_PREVIOUS_FILE", &gone).keys(), ["new"]);
    // One key twice is one key.
    assert_eq!(nothing().env("CODEMODE_API_KEY", "k").env("CODEMODE_API_KEY_PREVIOUS", "k").keys(), ["k"]);
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    let alone = nothing().env("CODEMODE_API_KEY_PREVIOUS", "old");
    let twice = nothing()
        .env("CODEMODE_API_KEY", "new")
        .env("CODEMODE_API_KEY_PREVIOUS", "old")
        .env("CODEMODE_API_KEY_PREVIOUS_FILE", "/nowhere");
    let many = file("api_key: [a, b]\n").env("CODEMODE_API_KEY_PREVIOUS", "c");
    let missing = nothing().env("CODEMODE_API_KEY", "new").env("CODEMODE_API_KEY_PREVIOUS_FILE", "/nowhere");
    insta::assert_snapshot!([alone, twice, many, missing].map(|case| case.problems()).join("\n"), @r"
    CODEMODE_API_KEY_PREVIOUS: there is no key that came after it: set CODEMODE_API_KEY as well
    CODEMODE_API_KEY_PREVIOUS_FILE: CODEMODE_API_KEY_PREVIOUS is set as well; keep one
    CODEMODE_API_KEY_PREVIOUS: makes 3 API keys; 2 may hold at once, the new and the old
    CODEMODE_API_KEY_PREVIOUS_FILE: cannot read /nowhere: No such file or directory (os error 2)
    ");
}

#[test]
fn the_seeds_other_blocks_load_as_printed() {
    let advanced = "
executor:
  execution:
    allow_direct_execution: true
    allowed_commands:
      - grep
      - cat
      - curl  # Allow network commands

  network:
    mode: restricted
    allowed_domains:
      - \"*.github.com\"
      - \"api.openai.com\"
      - \"packages.example.org\"
    blocked_domains:
      - \"malware.com\"
";
    let network = file(advanced).load().policy.network;
    assert_eq!((network.allowed_domains.len(), network.blocked_domains.len()), (3, 1));
    let denied = "network:\n  mode: restricted\n  allowed_domains:\n    - \"your-domain.com\"\n";
    assert_eq!(file(denied).load().policy.network.allowed_domains, ["your-domain.com"]);
    let limits = "limits:\n  code_timeout: 30        # Max execution time (seconds)\n  max_code_length: 10000\n  memory_limit: 512Mi\n";
    assert_eq!(file(limits).load().policy.limits.max_code_length, 10_000);
    let commands = "execution:\n  allowed_commands:\n    - grep\n    # rm, dd, and others are NOT allowed\n";
    assert!(file(commands).load().policy.direct_execution());
}

#[test]
fn domains_without_a_network_are_refused() {
    insta::assert_snapshot!(file("network: {allowed_domains: [a.example], ports: [8080]}\n").problems(), @r"
    codemode.yaml:1: network.allowed_domains: has no effect while network.mode is none; set the mode to restricted, or leave this out
    codemode.yaml:1: network.ports: has no effect while network.mode is none; set the mode to restricted, or leave this out
    ");
}

#[test]
fn a_policy_alone_takes_no_key_of_another_reader() {
    let given = serde_json::json!({
        "port": 9, "api_key": "k", "log_level": "debug", "timeout": 3, "retry": {"enabled": true}, "project": "demo",
        "executor": {"url": "http://x", "api_key": "k", "limits": {"cpus": 1}}
    });
    let error =
        EmbeddedConfig::load(PolicySource::Value(given, "/".into()), &nothing().sources.environment).unwrap_err();
    let mut lines: Vec<_> = error.to_string().lines().map(str::to_owned).collect();
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"), @"
    api_key: is a setting of `codemode serve`, in its configuration file; an embedded executor takes a policy only, so leave it out
    executor.api_key: is a setting of `codemode serve`, in its configuration file; an embedded executor takes a policy only, so leave it out
    executor.url: is a setting of the client, in ClientConfig or its configuration file; an embedded executor takes a policy only, so leave it out
    log_level: is a setting of `codemode serve`, in its configuration file; an embedded executor takes a policy only, so leave it out
    port: is a setting of `codemode serve`, in its configuration file; an embedded executor takes a policy only, so leave it out
    retry: is a setting of the client, in ClientConfig or its configuration file; an embedded executor takes a policy only, so leave it out
    timeout: is a setting of the client, in ClientConfig or its configuration file; an embedded executor takes a policy only, so leave it out
    ");
    let policy = serde_json::json!({"project": "demo", "executor": {"limits": {"cpus": 2}}});
    let policy =
        EmbeddedConfig::load(PolicySource::Value(policy, "/".into()), &nothing().sources.environment).unwrap().policy;
    assert!((policy.limits.cpus - 2.0).abs() < f64::EPSILON);
}

#[test]
fn every_problem_is_reported_at_once() {
    let yaml = "prt: 8001\nhots: x\nport: 99999\nlisten: here\nhost: 7\nlog_level: loud\ndrain_timeout: -1\n\
                limits: {memory_limt: 1g}\nexecutor: {netwrok: {}}\nsecurity: {x: 1}\n";
    let case = file(yaml).env("CODEMODE_MEMORY_LIMIT", "lots").env("CODEMODE_MAX_EXEC_TIME", "0");
    insta::assert_snapshot!(case.problems(), @r#"
    codemode.yaml:1: prt: unknown key; did you mean `port`?
    codemode.yaml:2: hots: unknown key; did you mean `host`?
    codemode.yaml:3: port: must be a port from 0 to 65535, found the number 99999
    codemode.yaml:4: listen: must be HOST:PORT or unix:PATH, found the text "here"
    codemode.yaml:5: host: must be an address or a name, as text, found the number 7
    codemode.yaml:6: log_level: must be one of error, warn, info, debug, trace, found the text "loud"
    codemode.yaml:7: drain_timeout: must be a number of seconds above 0, found the number -1
    codemode.yaml:8: limits.memory_limt: unknown key; did you mean `memory_limit`?
    codemode.yaml:9: executor.netwrok: unknown key; did you mean `network`?
    codemode.yaml:10: security.x: unknown key; known here: allow_direct_execution, allowed_commands
    CODEMODE_MAX_EXEC_TIME: must be a number of seconds above 0, found the number 0
    CODEMODE_MEMORY_LIMIT: must be a size such as 512m, found the text "lots"
    "#);
    let small = nothing().env("CODEMODE_MEMORY_LIMIT", "1m");
    assert!(small.problems().starts_with("CODEMODE_MEMORY_LIMIT: limits.memory_limit must be"), "{}", small.problems());
}

#[test]
fn the_audit_log_has_one_place_however_it_is_spelt() {
    let case = file("audit: log/a.jsonl\nexecutor: {audit: log/a.jsonl}\n");
    let path = case.folder.path().join("log/a.jsonl");
    assert_eq!(case.load().audit, Some(AuditTarget::File(path)));
    let stdout = Some(AuditTarget::Stdout);
    assert_eq!(file("executor: {audit: stdout}\n").load().audit, stdout);
    assert_eq!(file("audit: a\n").env("CODEMODE_AUDIT", "stdout").load().audit, stdout);
    assert_eq!(nothing().env("CODEMODE_AUDIT", "/a").load().audit, Some(AuditTarget::File("/a".into())));
    for off in ["audit: off\n", "audit: false\n", "audit:\n", ""] {
        assert_eq!(file(off).load().audit, None, "{off}");
    }
    assert_eq!(file("audit: a\n").env("CODEMODE_AUDIT", "off").load().audit, None);
    assert_eq!(file("audit: stdout\n").env("CODEMODE_AUDIT", "").load().audit, stdout);
}

#[test]
fn an_audit_log_that_executions_could_reach_is_refused() {
    let misplaced = |yaml: &str| {
        let case = file(yaml);
        fs::create_dir(case.folder.path().join("out")).unwrap();
        std::os::unix::fs::symlink("out/a", case.folder.path().join("link")).unwrap();
        case.problems()
    };
    let outputs = "filesystem: {outputs: {mount: out}, workspace: {mount: ws}}\n";
    insta::assert_snapshot!(
        ["out/a.jsonl", "ws/deep/a.jsonl", "link"].map(|path| misplaced(&format!("{outputs}audit: {path}\n"))).join("\n"), @r"
    codemode.yaml:2: audit: must not be in out, the folder of filesystem.outputs, which executed code can reach
    codemode.yaml:2: audit: must not be in ws, the folder of filesystem.workspace, which executed code can reach
    codemode.yaml:2: audit: must not be in out, the folder of filesystem.outputs, which executed code can reach
    ");
    insta::assert_snapshot!(
        ["stderr", "'-'", "7", "''"].map(|word| file(&format!("audit: {word}\n")).problems()).join("\n"), @r"
    codemode.yaml:1: audit: must not be stderr, where the log goes: write a path, or stdout
    codemode.yaml:1: audit: must be the path of a file, stdout, or off
    codemode.yaml:1: audit: must be the path of a file, stdout, or off, as text
    codemode.yaml:1: audit: must be the path of a file, stdout, or off
    ");
    assert!(
        file("audit: a\nexecutor: {audit: b}\n")
            .problems()
            .starts_with("codemode.yaml:2: audit: `executor.audit` says something")
    );
    assert!(file("audti: a\n").problems().ends_with("did you mean `audit`?"));
}

#[test]
fn an_embedded_executor_keeps_an_audit_log_too() {
    let case = file("executor: {audit: '${LOG}', api_key: '${NOT_HERE}'}\n").env("LOG", "a.jsonl");
    let source = PolicySource::File(case.sources.file.clone().unwrap());
    let target = EmbeddedConfig::load(source, &case.sources.environment).unwrap().audit;
    assert_eq!(target, Some(AuditTarget::File(case.folder.path().join("a.jsonl"))));
    let given = |value| EmbeddedConfig::load(PolicySource::Value(value, "/base".into()), &case.sources.environment);
    let target = given(serde_json::json!({"audit": "a.jsonl"})).unwrap().audit;
    assert_eq!(target, Some(AuditTarget::File("/base/a.jsonl".into())));
    let error = given(serde_json::json!({"audit": "stdout"})).unwrap_err();
    insta::assert_snapshot!(error, @"audit: an embedded executor has no standard output that anybody reads: write the path of a file");
}

#[test]
fn files_that_cannot_be_read_say_so() {
    let mut case = nothing();
    case.sources.file = Some("/nowhere/codemode.yaml".into());
    assert!(case.problems().starts_with("cannot read /nowhere/codemode.yaml: No such file"));
    insta::assert_snapshot!(file("a: [1\n").problems(), @r"codemode.yaml:1: this is not YAML: unclosed bracket '[' at line 1, column 4");
    // Not in the words of a library for programmers.
    insta::assert_snapshot!(file("port: 1\n---\nport: 2\n").problems(), @"codemode.yaml:3: this is not YAML: only single YAML document expected but multiple found at line 3, column 1");
    insta::assert_snapshot!(file("null: 1\n").problems(), @"codemode.yaml:1: this is not YAML: null is not allowed here at line 1, column 1");
    assert_eq!(file("- a\n").problems(), "codemode.yaml:1: configuration: must be a mapping of keys to values");
}

#[test]
fn numbers_may_come_from_variables() {
    let case = file("port: ${P}\nlimits: {code_timeout: '${T:-7}', memory_limit: '${M}'}\n");
    let config = case.env("P", "99").env("M", "64m").load();
    assert_eq!(config.listen, tcp("127.0.0.1", 99));
    assert_eq!(config.policy.limits.code_timeout, Duration::from_secs(7));
    assert_eq!(config.policy.limits.memory_limit, ByteSize::mib(64));
}

#[test]
fn numbers_in_variables_are_written_as_people_do() {
    for (port, timeout, seconds) in [("08001", ".5", 0.5), ("+8001", "5.", 5.0), (" 8001 ", "007", 7.0)] {
        let config = nothing().env("CODEMODE_PORT", port).env("CODEMODE_MAX_EXEC_TIME", timeout).load();
        assert_eq!(config.listen, tcp("127.0.0.1", 8001), "{port}");
        assert_eq!(config.policy.limits.code_timeout, Duration::from_secs_f64(seconds), "{timeout}");
    }
    for wrong in ["nan", "inf", "1e999", "-1", "30s", "0"] {
        assert!(nothing().env("CODEMODE_MAX_EXEC_TIME", wrong).problems().contains("a number of seconds above 0"));
    }
}

#[test]
fn a_setting_with_its_section_in_one_word_is_not_passed_over() {
    // The other side has keys of these names, which makes them neither its own nor nobody's.
    for (name, near) in [
        ("tls.enabled", "; did you mean `tls_enabled`?"),
        ("tls.mode", ""),
        ("executor.url", "; did you mean `executor_url`?"),
    ] {
        let case = file(&format!("{name}: true\n"));
        for problems in [case.problems(), case.client_problems()] {
            assert_eq!(problems, format!("codemode.yaml:1: {name}: unknown key{near}"));
        }
    }
}

#[test]
fn an_embedded_executor_reads_only_the_policy() {
    let case = file(&format!("{SEEDS}port: 9\ntls: {{enabled: true}}\n"));
    let path = case.sources.file.clone().unwrap();
    // The key's variable is not set, and nobody here needs it.
    let policy = EmbeddedConfig::load(PolicySource::File(path), &case.sources.environment).unwrap().policy;
    assert_eq!(policy.execution.allowed_commands, ["grep", "cat"]);
    let wrong = serde_json::json!({"executor": {"limits": {"cpu": 1}}});
    let error = EmbeddedConfig::load(PolicySource::Value(wrong, "/".into()), &case.sources.environment).unwrap_err();
    assert!(matches!(&error, ConfigError::Problems(_)));
    assert!(error.to_string().starts_with("limits.cpu: unknown key"), "{error}");
}
