//! The table of keys, which the reader and the reference share.

use std::collections::BTreeSet;

use codemode_config::{ClientConfig, DescribedKey, SidecarConfig};
use serde_json::{Value, json};

use crate::support::nothing;

fn table(keys: &[DescribedKey]) -> String {
    let line = |key: &DescribedKey| {
        let names: Vec<_> = key.aliases.iter().chain(&key.variables).map(String::as_str).collect();
        format!("{} [{}] {} {} = {}: {}", key.key, names.join(" "), key.kind, key.allowed, key.default, key.about)
    };
    keys.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_clients_keys() {
    let own: Vec<_> =
        ClientConfig::keys().into_iter().take_while(|key| key.key != "execution.allow_direct_execution").collect();
    insta::assert_snapshot!(table(&own), @r#"
    executor_url [executor.url CODEMODE_EXECUTOR_URL] url ["http","https","grpc","grpcs","unix"] = null: The executor's address; without one the client starts an executor of its own
    executor_api_key [executor.api_key CODEMODE_EXECUTOR_API_KEY CODEMODE_EXECUTOR_API_KEY_FILE] secret null = null: The key that the executor wants
    timeout [executor_timeout executor.timeout CODEMODE_TIMEOUT CODEMODE_EXECUTOR_TIMEOUT] seconds [1.0,600.0] = 35: How long to wait without any frame from the executor; keepalives count
    max_code_length [CODEMODE_MAX_CODE_LENGTH] whole number [1,null] = null: Characters of code; lowers the executor's limit and never raises it
    retry.enabled [CODEMODE_RETRY_ENABLED] true or false null = true: Whether a request that was refused before anything ran is repeated; nothing else ever is
    retry.max_attempts [CODEMODE_RETRY_MAX_ATTEMPTS] whole number [1,10] = 3: Attempts in all; 10 where it is not set and the executor is the client's own
    retry.backoff_base_ms [CODEMODE_RETRY_BACKOFF_BASE_MS] whole number [10,10000] = 100: Milliseconds before the second attempt; doubled before each further one
    retry.backoff_max_ms [CODEMODE_RETRY_BACKOFF_MAX_MS] whole number [100,60000] = 5000: The longest pause between two attempts, in milliseconds
    tls.enabled [tls_enabled CODEMODE_TLS_ENABLED] true or false null = false: That TLS is wanted; an https:// or grpcs:// address says so by itself
    tls.mode [CODEMODE_TLS_MODE] word ["system","custom"] = null: Who vouches for the executor: this machine's authorities, or tls.ca_file; custom where that is set
    tls.ca_file [tls_cert_path CODEMODE_TLS_CA_FILE CODEMODE_TLS_CERT_PATH] path null = null: CA certificates that vouch for the executor, in PEM
    tls.client_cert_file [CODEMODE_TLS_CLIENT_CERT_FILE] path null = null: The client's certificate, in PEM, for an executor that asks for one
    tls.client_key_file [CODEMODE_TLS_CLIENT_KEY_FILE] path null = null: The private key of that certificate, in PEM
    observability.log_level [CODEMODE_LOG_LEVEL] word ["DEBUG","INFO","WARNING","ERROR","CRITICAL"] = "INFO": The level of the `codemode` logger, where it is set
    observability.include_correlation_id [CODEMODE_INCLUDE_CORRELATION_ID] true or false null = true: Whether the client makes a correlation id for each execution; else the executor does
    observability.correlation_id_prefix [CODEMODE_CORRELATION_ID_PREFIX] text null = "cm": What the client's correlation ids begin with
    observability.traceback_limit [CODEMODE_TRACEBACK_LIMIT] whole number [0,50] = null: Frames of an error's traceback that the client keeps; without it all, with 0 none
    audit [executor.audit] path, stdout or off null = null: Where the audit log goes. An embedded executor has no standard output and takes a path only
    "#);
}

#[test]
fn the_executors_keys() {
    insta::assert_snapshot!(table(&SidecarConfig::keys()), @r#"
    host [CODEMODE_HOST CODEMODE_SIDECAR_HOST] host null = "127.0.0.1": Address or name to listen on; any but loopback needs an API key
    port [CODEMODE_PORT CODEMODE_SIDECAR_PORT] port null = 8001: Port to listen on; 0 takes a free one
    listen [] address null = null: Host and port in one word, or a Unix socket
    api_key [executor_api_key executor.api_key CODEMODE_API_KEY CODEMODE_API_KEY_FILE CODEMODE_API_KEY_PREVIOUS CODEMODE_API_KEY_PREVIOUS_FILE] secret, or a list of two null = null: The key that callers must send; two while keys are rotated
    main_app_grpc_target [CODEMODE_MAIN_APP_TARGET MAIN_APP_GRPC_TARGET] address null = null: Where an application with the published package serves its tools; this executor dials it, and nothing else
    callback_tls.enabled [CODEMODE_CALLBACK_TLS_ENABLED] true or false null = false: Whether the executor speaks TLS to that application; naming a file is enough
    callback_tls.ca_file [CODEMODE_CALLBACK_TLS_CA_FILE] path null = null: CA certificates that vouch for the application, in PEM; without it this machine's authorities do
    callback_tls.client_cert [CODEMODE_CALLBACK_TLS_CLIENT_CERT] path null = null: The certificate that the executor shows to the application, in PEM
    callback_tls.client_key [CODEMODE_CALLBACK_TLS_CLIENT_KEY] path null = null: The private key of that certificate, in PEM
    log_level [CODEMODE_LOG_LEVEL] word ["error","warn","info","debug","trace"] = "info": The least weight of what the log shows
    drain_timeout [] seconds null = 30: How long executions may go on after the executor was told to stop
    audit [executor.audit CODEMODE_AUDIT] path, stdout or off null = null: Where the audit log goes. An embedded executor has no standard output and takes a path only
    tls.enabled [tls_enabled CODEMODE_TLS_ENABLED] true or false null = false: Whether the TCP port speaks TLS; naming the files is enough
    tls.mode [CODEMODE_TLS_MODE] word ["custom","system"] = null: Who vouches for clients: tls.ca_file, or the authorities of this machine
    tls.cert_file [CODEMODE_TLS_CERT_FILE] path null = null: The executor's certificate, in PEM
    tls.key_file [CODEMODE_TLS_KEY_FILE] path null = null: The certificate's private key, in PEM
    tls.ca_file [CODEMODE_TLS_CA_FILE] path null = null: Authorities of the clients' certificates, in PEM
    tls.require_client_auth [CODEMODE_TLS_REQUIRE_CLIENT_AUTH] true or false null = null: Whether each client must show a certificate; true where tls.ca_file is set
    tls.required [CODEMODE_TLS_REQUIRED] true or false null = false: Refuses to listen for other machines without TLS
    execution.allow_direct_execution [executor.execution.allow_direct_execution security.allow_direct_execution] true or false null = null: Whether code may start programs; true where execution.allowed_commands names some
    execution.allowed_commands [executor.execution.allowed_commands security.allowed_commands] list of names null = []: The commands that code may start, also from other commands
    filesystem.workspace.mount [executor.filesystem.workspace.mount] path null = null: The host folder that code sees as /workspace; without one it is empty
    filesystem.workspace.readonly [executor.filesystem.workspace.readonly] true or false null = true: Always true: /workspace cannot be written
    filesystem.sandbox.mount [executor.filesystem.sandbox.mount] path null = "/sandbox": Always /sandbox, a private tmpfs of each execution
    filesystem.sandbox.readonly [executor.filesystem.sandbox.readonly] true or false null = false: Always false: /sandbox can be written
    filesystem.sandbox.max_size [executor.filesystem.sandbox.max_size] size null = null: The size of /sandbox; 1 GiB, and never above the memory limit
    filesystem.outputs.mount [executor.filesystem.outputs.mount] path null = null: The host folder that receives the files of /outputs; without one they are listed and dropped
    filesystem.outputs.readonly [executor.filesystem.outputs.readonly] true or false null = false: Always false: /outputs can be written
    filesystem.outputs.max_size [executor.filesystem.outputs.max_size] size null = 268435456: The size of /outputs
    filesystem.tmp.max_size [executor.filesystem.tmp.max_size] size null = 104857600: The size of /tmp
    network.mode [executor.network.mode] none, restricted or all null = "none": What code can reach: nothing, the domains below, or everything
    network.allowed_domains [executor.network.allowed_domains] list of domains null = []: Domains and addresses that code may reach; *.a.example is any below
    network.blocked_domains [executor.network.blocked_domains] list of domains null = []: Those that it may not, whatever is allowed
    network.ports [executor.network.ports] list of ports null = [80,443]: The ports that it may reach
    network.allowed_networks [executor.network.allowed_networks] list of networks null = []: Private networks that allowed names may lead to
    network.ca_file [executor.network.ca_file] path null = null: PEM certificates that programs inside trust
    network.max_connections [executor.network.max_connections] whole number null = 64: Connections of one execution at once
    network.max_bytes [executor.network.max_bytes] size null = 1073741824: What one execution may send and receive together
    network.idle_timeout [executor.network.idle_timeout] seconds null = 60: How long a connection may be silent
    limits.code_timeout [executor.limits.code_timeout CODEMODE_MAX_EXEC_TIME CODEMODE_CODE_TIMEOUT] seconds null = 30: Wall time of the code, without the time in which tool calls are pending
    limits.tool_timeout [executor.limits.tool_timeout] seconds null = 60: Time of each tool call
    limits.total_timeout [executor.limits.total_timeout] seconds null = 300: Wall time of an execution, whatever happens
    limits.max_code_length [executor.limits.max_code_length] whole number null = 50000: Characters of code
    limits.memory_limit [executor.limits.memory_limit CODEMODE_MEMORY_LIMIT] size null = 536870912: Memory of one execution
    limits.cpus [executor.limits.cpus] number null = 1.0: Cores' worth of CPU time; CPU time in all is code_timeout times this
    limits.processes [executor.limits.processes] whole number null = 64: Processes and threads of one execution together
    limits.open_files [executor.limits.open_files] whole number null = 256: Open files of one process
    limits.file_size [executor.limits.file_size] size null = 268435456: The size of one file
    limits.output_bytes [executor.limits.output_bytes] size null = 10485760: Output that is kept of each stream
    limits.result_bytes [executor.limits.result_bytes] size null = 16777216: The size of a result
    limits.value_bytes [executor.limits.value_bytes] size null = 16777216: The size of one tool value, either way
    limits.max_tool_calls [executor.limits.max_tool_calls] whole number null = 1000: Tool calls of one execution
    isolation.minimum [executor.isolation.minimum] none, container or full null = "none": The weakest tier of isolation that is accepted
    isolation.require [executor.isolation.require] list of layers null = []: Layers for which no substitute is accepted
    isolation.allow_jit [executor.isolation.allow_jit] true or false null = false: Lets code make memory executable, as numba, cffi callbacks and node do
    isolation.allow_unix_sockets [executor.isolation.allow_unix_sockets] true or false null = false: Lets code connect to Unix sockets by path where a kernel cannot tell them apart
    isolation.fresh_interpreter [executor.isolation.fresh_interpreter] true or false null = false: Starts an interpreter for each execution instead of forking one that is ready
    guest.interpreter [executor.guest.interpreter] path null = null: The Python that runs code; the embedding one, or python3 on PATH
    guest.preload [executor.guest.preload] list of modules null = []: Modules that are imported once, before any execution
    guest.environments [executor.guest.environments] list of environments null = []: Other interpreters and preloads, which an execution asks for by name; each is started on its first use
    pool.min [executor.pool.min] whole number null = 1: Sandboxes that are always ready
    pool.max [executor.pool.max] whole number null = null: Sandboxes that may be ready at once; max_concurrent_executions
    pool.environments_memory [executor.pool.environments_memory] size null = 536870912: Memory that interpreters of guest.environments may hold together; those unused for the longest end first
    max_concurrent_executions [executor.max_concurrent_executions] whole number null = null: Executions at once; twice the number of cores
    queue [executor.queue] whole number null = 256: Requests that may wait for a free place
    "#);
}

/// A value that follows the rule of a key, in a place of its own.
fn example(key: &DescribedKey) -> Value {
    match (key.kind.as_str(), &key.allowed) {
        ("whole number" | "seconds", Value::Array(range)) => range[0].clone(),
        ("word", Value::Array(words)) => words[0].clone(),
        ("true or false", _) => false.into(),
        ("url", _) => "https://x".into(),
        ("address", _) => "unix:/s".into(),
        ("port" | "seconds", _) => 7.into(),
        _ => "value".into(),
    }
}

fn at(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |inner, name| json!({ name: inner }))
}

/// Every spelling of a key is read; what is asked for elsewhere is said by its own problem.
#[test]
fn every_spelling_in_the_table_is_known() {
    let client = |values: Value| nothing().values(values).try_client();
    let sidecar = |values: Value| nothing().program(values).try_load();
    for key in ClientConfig::keys() {
        for spelling in [&key.key].into_iter().chain(&key.aliases) {
            let said = client(at(spelling, example(&key))).err().unwrap_or_default();
            assert!(!said.contains("unknown key") && !said.contains("is a setting of"), "{spelling}: {said}");
        }
    }
    for key in SidecarConfig::keys() {
        for spelling in [&key.key].into_iter().chain(&key.aliases) {
            let said = sidecar(at(spelling, example(&key))).err().unwrap_or_default();
            assert!(!said.contains("unknown key") && !said.contains("is a setting of"), "{spelling}: {said}");
        }
    }
}

/// What is read is either a setting that was given or a problem under the variable's own name.
#[test]
fn every_variable_in_the_table_is_read() {
    for value in ["no value \u{7}", "/some/where"] {
        for key in ClientConfig::keys() {
            for name in &key.variables {
                let read = nothing().env(name, value).try_client();
                assert!(is_read(&key, name, read.map(|config| config.given)), "{name}");
            }
        }
        for key in SidecarConfig::keys() {
            for name in &key.variables {
                let read = nothing().env(name, value).try_load();
                assert!(is_read(&key, name, read.map(|config| config.given)), "{name}");
            }
        }
    }
}

fn is_read(key: &DescribedKey, name: &str, read: Result<BTreeSet<String>, String>) -> bool {
    match read {
        Ok(given) => given.contains(&key.key),
        Err(said) => said.contains(name),
    }
}
