//! A page of everything that can be wrong in one file, each with its line.

use crate::support::file;

const EVERYTHING: &str = "\
# one file, two sides
executor:
  url: http://executor:8001
  urk: http://executor:8001
  api_key: ${NOT_SET}
  execution:
    allow_direct_execution: perhaps
    allowed_commands:
      - grep
      - /bin/rm
      - 5
  network:
    mode: restricted
    ports:
      - 443
      - 70000
host: 0.0.0.0
host: 127.0.0.1
port: 99999
listen: nowhere
log_level: loud
drain_timeout: -1
audit: stderr
tls:
  enabled: perhaps
  cert_fil: c.pem
  mode: own
tls_cert_path: 7
timeout: 0
executor_timeout: 31
max_code_length: none
retry:
  max_atempts: 3
  backoff_base_ms: 1
observability:
  log_level: silent
limits:
  code_timeot: 30
  memory_limit: lots
  cpus: ${CPUS
security:
  allowed_comands: [ls]
netwrok:
  mode: none
main_app_grpc_target: localhost
filesystem:
  workspace:
    readonly: false
  sandbox: 5
";

#[test]
fn the_executors_page() {
    insta::assert_snapshot!(file(EVERYTHING).env("CODEMODE_MEMORY_LIMIT", "much").problems(), @r#"
    codemode.yaml:4: executor.urk: unknown key
    codemode.yaml:5: executor.api_key: the environment variable NOT_SET is not set; write ${NOT_SET:-…} for a default
    codemode.yaml:7: execution.allow_direct_execution: expected true or false, found the text "perhaps"
    codemode.yaml:11: execution.allowed_commands: expected text, found the number 5
    codemode.yaml:16: network.ports: expected a whole number from 0 to 65535, found the number 70000
    codemode.yaml:18: host: is given twice, first on line 17; keep one
    codemode.yaml:19: port: must be a port from 0 to 65535, found the number 99999
    codemode.yaml:20: listen: must be HOST:PORT or unix:PATH, found the text "nowhere"
    codemode.yaml:21: log_level: must be one of error, warn, info, debug, trace, found the text "loud"
    codemode.yaml:22: drain_timeout: must be a number of seconds above 0, found the number -1
    codemode.yaml:23: audit: must not be stderr, where the log goes: write a path, or stdout
    codemode.yaml:25: tls.enabled: must be true or false, found the text "perhaps"
    codemode.yaml:26: tls.cert_fil: unknown key; did you mean `cert_file`?
    codemode.yaml:27: tls.mode: must be custom or system, found the text "own"
    codemode.yaml:38: limits.code_timeot: unknown key; did you mean `code_timeout`?
    codemode.yaml:39: limits.memory_limit: `lots` is not a size: write bytes or a number with a unit, such as 512m, 512Mi or 1GB
    codemode.yaml:40: limits.cpus: `${` without its `}`
    codemode.yaml:42: security.allowed_comands: unknown key; known here: allow_direct_execution, allowed_commands
    codemode.yaml:43: netwrok: unknown key; did you mean `network`?
    codemode.yaml:45: main_app_grpc_target: must be HOST:PORT or unix:PATH, found the text "localhost"
    codemode.yaml:48: filesystem.workspace.readonly: /workspace is always read-only; set it to true or leave it out
    codemode.yaml:49: filesystem.sandbox: must be a mapping of keys to values
    CODEMODE_MEMORY_LIMIT: must be a size such as 512m, found the text "much"
    "#);
}

#[test]
fn the_clients_page() {
    insta::assert_snapshot!(file(EVERYTHING).env("CODEMODE_TRACEBACK_LIMIT", "all").client_problems(), @r#"
    codemode.yaml:4: executor.urk: unknown key
    codemode.yaml:5: executor.api_key: the environment variable NOT_SET is not set; write ${NOT_SET:-…} for a default
    codemode.yaml:7: execution.allow_direct_execution: expected true or false, found the text "perhaps"
    codemode.yaml:11: execution.allowed_commands: expected text, found the number 5
    codemode.yaml:16: network.ports: expected a whole number from 0 to 65535, found the number 70000
    codemode.yaml:18: host: is given twice, first on line 17; keep one
    codemode.yaml:25: tls.enabled: must be true or false, found the text "perhaps"
    codemode.yaml:26: tls.cert_fil: unknown key; did you mean `cert_file`?
    codemode.yaml:27: tls.mode: must be system or custom, found the text "own"
    codemode.yaml:28: tls_cert_path: must be the path of a file, as text, found the number 7
    codemode.yaml:29: timeout: must be a number of seconds from 1 to 600, found the number 0
    codemode.yaml:30: timeout: `executor_timeout` says something else than `timeout` (line 29), the same setting; keep one
    codemode.yaml:31: max_code_length: must be a whole number, 1 or more, found the text "none"
    codemode.yaml:33: retry.max_atempts: unknown key; did you mean `max_attempts`?
    codemode.yaml:34: retry.backoff_base_ms: must be a whole number from 10 to 10000, found the number 1
    codemode.yaml:36: observability.log_level: must be one of debug, info, warning, error, critical, found the text "silent"
    codemode.yaml:38: limits.code_timeot: unknown key; did you mean `code_timeout`?
    codemode.yaml:39: limits.memory_limit: `lots` is not a size: write bytes or a number with a unit, such as 512m, 512Mi or 1GB
    codemode.yaml:40: limits.cpus: `${` without its `}`
    codemode.yaml:42: security.allowed_comands: unknown key; known here: allow_direct_execution, allowed_commands
    codemode.yaml:43: netwrok: unknown key; did you mean `network`?
    codemode.yaml:48: filesystem.workspace.readonly: /workspace is always read-only; set it to true or leave it out
    codemode.yaml:49: filesystem.sandbox: must be a mapping of keys to values
    CODEMODE_TRACEBACK_LIMIT: must be a whole number from 0 to 50, found the text "all"
    "#);
}

/// Types are right, so that what the values say can be judged.
const JUDGED: &str = "\
execution:
  allowed_commands:
    - grep
    - ../rm
    - -rf
network:
  mode: restricted
  allowed_domains:
    - ok.example
    - a_b.example
    - 127.0.0.1
    - twice.example
  blocked_domains:
    - twice.example
    - '*x'
  ports: [443, 0, 3128]
limits:
  cpus: 0
  memory_limit: 1m
filesystem:
  workspace: {readonly: false}
pool: {min: 5, max: 2}
";

#[test]
fn members_of_lists_have_lines_of_their_own() {
    insta::assert_snapshot!(file(JUDGED).problems(), @r"
    codemode.yaml:4: execution.allowed_commands: `../rm` is not a command name; write names, not paths
    codemode.yaml:5: execution.allowed_commands: `-rf` is not a command name; write names, not paths
    codemode.yaml:10: network.allowed_domains: `a_b.example` has a `_`, which no host name has; write the name of the host itself
    codemode.yaml:11: network.allowed_domains: `127.0.0.1` is of special use (loopback), which no policy can allow; remove it
    codemode.yaml:12: network.allowed_domains: `twice.example` is in network.blocked_domains as well; remove it from one of the two
    codemode.yaml:15: network.blocked_domains: `*x` is no pattern; *.example.com means every name below example.com, and example.com is an entry of its own
    codemode.yaml:16: network.ports: 3128 is the port of the sandbox's own proxy; remove it
    codemode.yaml:16: network.ports: 0 is not a port; write numbers from 1 to 65535
    codemode.yaml:18: limits.cpus: must be above 0 and at most 1024
    codemode.yaml:19: limits.memory_limit: must be at least 32Mi, which the interpreter itself needs
    codemode.yaml:21: filesystem.workspace.readonly: /workspace is always read-only; set it to true or leave it out
    codemode.yaml:22: pool.max: must not be below pool.min
    ");
}

#[test]
fn a_secret_in_a_wrong_place_is_not_repeated() {
    let case = file("port: ${CODEMODE_API_KEY}\nlimits: {cpus: '${CODEMODE_API_KEY}'}\napi_key: ${CODEMODE_API_KEY}\n");
    let said = case.env("CODEMODE_API_KEY", "hunter-2-secret").problems();
    insta::assert_snapshot!(said, @r#"
    codemode.yaml:1: port: must be a port from 0 to 65535, found the text "…"
    codemode.yaml:2: limits.cpus: expected a number, found the text "…"
    "#);
    // Neither is one that is cut, or written with escapes.
    let long = "0123456789abcdef".repeat(4);
    for secret in [&long, "back\\slash\"and-quote"] {
        let yaml = "log_level: '${MY_TOKEN}'\nhost: 5\nlimits: {memory_limit: '${MY_TOKEN}'}\nnetwork: {mode: '${MY_TOKEN}'}\n";
        let said = file(yaml).env("MY_TOKEN", secret).problems();
        insta::allow_duplicates! { insta::assert_snapshot!(said, @r#"
        codemode.yaml:1: log_level: must be one of error, warn, info, debug, trace, found the text "…"
        codemode.yaml:2: host: must be an address or a name, as text, found the number 5
        codemode.yaml:3: limits.memory_limit: `…` is not a size: write bytes or a number with a unit, such as 512m, 512Mi or 1GB
        codemode.yaml:4: network.mode: unknown word `…`, expected one of `none`, `restricted`, `all`
        "#) }
    }
    let case =
        file("executor_api_key: not-to-be-shown\nexecutor: {api_key: something-else}\ntimeout: not-to-be-shown\n");
    insta::assert_snapshot!(case.client_problems(), @r#"
    codemode.yaml:2: executor_api_key: `executor.api_key` says something else than `executor_api_key` (line 1), the same setting; keep one
    codemode.yaml:3: timeout: must be a number of seconds from 1 to 600, found the text "…"
    "#);
}

#[test]
fn a_member_whose_variable_is_missing_is_told_of_once() {
    insta::assert_snapshot!(file("execution: {allowed_commands: [ls, '${GONE}', 5]}\n").problems(), @"
    codemode.yaml:1: execution.allowed_commands: the environment variable GONE is not set; write ${GONE:-…} for a default
    codemode.yaml:1: execution.allowed_commands: expected text, found the number 5
    ");
}
