"""What the documents say in sentences, in our own short words, and the tests that show it."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.seeds import CORE, HYBRID

E2E = "tests/python/e2e"
FACE = "tests/python/face"
OWN = "tests/conformance"


@dataclass(frozen=True)
class Claim:
    document: str
    heading: str
    says: str
    proofs: tuple[str, ...]
    """Node ids, files for all of their tests, or `crates/…::function`."""


CLAIMS: tuple[Claim, ...] = (
    # --- core-concepts.md
    Claim(CORE, "Request flow", "the application sends code, and it runs isolated", (
        f"{E2E}/test_first_use.py::test_the_first_line_of_the_readme",
        f"{E2E}/test_first_use.py::test_the_result_says_what_held_the_code",
    )),
    Claim(CORE, "Request flow", "a tool that the code calls runs on the client", (
        f"{OWN}/test_client.py::test_a_tool_as_a_class",
        "tests/docker/test_work.py::test_the_hybrid_example_with_its_tools_on_the_host",
    )),
    Claim(CORE, "Request flow", "stdout, stderr and exit code come back", (
        f"{E2E}/test_first_use.py::test_output_is_streamed_and_kept_apart",
        f"{E2E}/test_failures.py::test_ending_by_itself",
    )),
    Claim(CORE, "Client", "one connection carries code, results and tool calls", (
        f"{E2E}/test_tls_client.py::test_a_tool_is_called_over_tls",
        f"{E2E}/test_tls_client.py::test_many_at_once",
        f"{E2E}/test_tools.py::test_many_executions_at_once",
    )),
    Claim(CORE, "Executor sidecar", "it is a container", (
        "tests/docker/test_work.py",
        "tests/docker/test_image.py::test_how_it_starts",
    )),
    Claim(CORE, "Executor sidecar", "memory, CPU and time are bounded", (
        f"{E2E}/test_limit_errors.py::test_memory",
        f"{E2E}/test_limit_errors.py::test_cpu_time",
        f"{E2E}/test_limit_errors.py::test_guest_time",
        f"{E2E}/test_limit_errors.py::test_total_time",
    )),
    Claim(CORE, "Executor sidecar", "the environment is the same for every execution", (
        f"{E2E}/test_first_use.py::test_every_execution_starts_afresh",
        f"{E2E}/test_walls.py::test_the_environment_is_bare",
    )),
    Claim(CORE, "Executor sidecar", "executions are isolated from each other", (
        f"{E2E}/test_first_use.py::test_every_execution_starts_afresh",
        "tests/security/test_corpus.py::test_holds",
    )),
    Claim(CORE, "Executor sidecar", "it can be restarted, and nothing of a sandbox is left or missed", (
        f"{E2E}/test_lifetime.py::test_no_sandbox_outlives_the_executor",
        f"{OWN}/test_restart.py::test_a_client_goes_on_after_a_restart",
        "tests/docker/test_lifecycle.py::test_stop_lets_what_runs_end",
        "tests/docker/test_lifecycle.py::test_a_killed_container_leaves_no_process",
    )),
    Claim(CORE, "Tools", "they reach files, APIs and databases with the application's rights, not the sandbox's", (
        f"{OWN}/test_client.py::test_a_tool_as_a_class",
        f"{E2E}/test_demo.py::test_hybrid",
        "tests/docker/test_network.py::test_tools_are_called_back_all_the_same",
    )),
    Claim(CORE, "Registry", "tools and agents are registered and looked up by name and by type", (
        f"{FACE}/test_registry.py::test_both_ways_to_register",
        f"{FACE}/test_registry.py::test_agents_teams_flows",
        f"{FACE}/test_registry.py::test_missing_component_lists_what_exists",
    )),
    Claim(CORE, "Registry", "components are opened and closed with the client", (
        f"{FACE}/test_client_lifetime.py::test_hooks_run_once_per_client_in_order",
        f"{FACE}/test_client_lifetime.py::test_a_hook_that_fails_names_its_component_and_is_tried_again",
    )),
    Claim(CORE, "Isolation", "code is kept apart from the host", (
        f"{E2E}/test_walls.py::test_the_hosts_files_are_not_there",
        f"{E2E}/test_walls.py::test_privileges_are_gone",
        "tests/docker/test_hostile.py::test_holds",
    )),
    Claim(CORE, "Isolation", "the network can be restricted", (
        "tests/network/test_rules.py",
        "tests/docker/test_egress.py::test_only_the_allowed_name_is_reached",
    )),
    Claim(CORE, "Authentication", "every request needs a valid key", (
        f"{E2E}/test_auth.py::test_a_wrong_key_over_grpc",
        f"{E2E}/test_auth.py::test_a_wrong_key_over_http",
        "tests/docker/test_work.py::test_a_wrong_key_is_refused",
        "tests/docker/test_environment.py::test_without_a_key_nothing_is_served",
    )),
    Claim(CORE, "Authentication", "client and executor can speak TLS", (
        f"{E2E}/test_tls_client.py::test_a_ca_of_ones_own",
        f"{E2E}/test_tls_server.py::test_plaintext_and_tls_are_told_apart",
    )),
    Claim(CORE, "Controlled access", "code has only the tools that the client registered for it", (
        f"{E2E}/test_tools.py::test_an_unknown_tool_names_the_nearest",
        f"{E2E}/test_tools.py::test_a_filtered_tool_is_not_there",
    )),
    Claim(CORE, "Controlled access", "no file of the host is there unless it is mounted", (
        f"{E2E}/test_walls.py::test_the_hosts_files_are_not_there",
        f"{E2E}/test_walls.py::test_a_link_out_of_the_workspace_leads_nowhere_new",
    )),
    Claim(CORE, "Configuration separation", "the executor's secrets never reach the code", (
        f"{E2E}/test_auth.py::test_the_key_is_nowhere_in_the_sandbox",
    )),
    Claim(CORE, "Configuration separation", "another environment needs another configuration and no other code", (
        f"{OWN}/test_tables.py::test_client_settings",
        f"{OWN}/test_tables.py::test_sidecar_settings",
    )),
    Claim(CORE, "Configuration separation", "one file serves both sides, each with its own keys of it", (
        f"{OWN}/test_client.py::test_one_file_for_both_sides",
        f"{OWN}/test_yaml.py::test_the_key_of_the_basic_block",
    )),
    Claim(CORE, "Execution lifecycle", "steps 1 and 2: connection, and the key is checked before anything runs", (
        f"{E2E}/test_auth.py::test_nothing_ran_for_a_wrong_key",
        f"{E2E}/test_auth.py::test_an_executor_that_is_not_there",
    )),
    Claim(CORE, "Execution lifecycle", "steps 3 and 4: the code meets a sandbox whose walls stand", (
        f"{E2E}/test_first_use.py::test_the_result_says_what_held_the_code",
        "crates/codemode-sandbox/tests/it/missing.rs",
    )),
    Claim(CORE, "Execution lifecycle", "step 5: it runs under its limits", (f"{E2E}/test_limit_errors.py",)),
    Claim(CORE, "Execution lifecycle", "step 6: tool calls go to the client, and their time is not the code's", (
        f"{E2E}/test_tools.py::test_every_spelling_of_a_call",
        f"{E2E}/test_tools.py::test_waiting_for_a_tool_is_not_the_codes_time",
    )),
    Claim(CORE, "Execution lifecycle", "steps 7 to 9: the account is complete and comes after the cleaning up", (
        f"{E2E}/test_limits.py::test_what_outlives_the_code_is_ended_with_it",
        "tests/security/test_endurance.py::test_nothing_is_left_after_2000_executions",
    )),
    # --- hybrid-execution.md
    Claim(HYBRID, "Overview", "commands and tool calls mix in one program", (
        f"{OWN}/test_sandbox.py::test_hybrid_usage",
    )),
    Claim(HYBRID, "Architecture", "/workspace is read-only, /sandbox and /outputs are not", (
        f"{E2E}/test_walls.py::test_the_workspace_is_read_only",
        f"{E2E}/test_walls.py::test_what_may_be_written_may",
        f"{E2E}/test_walls.py::test_outputs_arrive_and_links_do_not",
    )),
    Claim(HYBRID, "Architecture", "scripts and subprocesses are direct, tool calls go to the application", (
        f"{OWN}/test_sandbox.py::test_bash_scripts",
        f"{OWN}/test_tables.py::test_direct_and_proxied_operations",
    )),
    Claim(HYBRID, "Command whitelisting", "only listed commands run, by every road", (
        f"{E2E}/test_commands.py::test_from_a_shell_it_is_permission_denied",
        f"{E2E}/test_commands.py::test_from_python_it_is_refused",
        f"{E2E}/test_commands.py::test_a_listed_command_runs_in_every_spelling",
    )),
    Claim(HYBRID, "Path validation", "file operations stay within the mounted volumes", (
        f"{E2E}/test_walls.py::test_the_hosts_files_are_not_there",
        f"{E2E}/test_walls.py::test_a_link_out_of_the_workspace_leads_nowhere_new",
    )),
    Claim(HYBRID, "Network control", "none is the default, and tools are called all the same", (
        f"{E2E}/test_walls.py::test_no_network_not_even_the_hosts_loopback",
        "tests/network/test_modes.py::test_none_reaches_nothing",
        "tests/docker/test_network.py::test_tools_are_called_back_all_the_same",
    )),
    Claim(HYBRID, "Network control", "restricted reaches allowed domains and nothing else", (
        "tests/network/test_clients.py::test_requests",
        "tests/network/test_rules.py::test_refused_by_the_proxy",
        "tests/network/test_rules.py::test_refused_by_the_resolver",
    )),
    Claim(HYBRID, "Network control", "all reaches what the executor reaches", (
        "tests/network/test_modes.py::test_all_reaches_what_the_executor_reaches",
    )),
    Claim(HYBRID, "Network control", "a block is stronger than a wildcard", (
        f"{OWN}/test_restricted.py::test_network_control",
        "tests/network/test_rules.py::test_refused_by_the_proxy",
    )),
    Claim(HYBRID, "Network access denied", "the documented error is what `requests` raises", (
        f"{OWN}/test_troubleshooting.py::test_network_access_denied",
        "tests/network/test_rules.py::test_the_documented_error",
    )),
    Claim(HYBRID, "Resource limits", "the sandbox's disk usage is limited", (
        f"{E2E}/test_limit_errors.py::test_disk",
        f"{E2E}/test_limits.py::test_a_full_sandbox_is_an_ordinary_error",
    )),
    Claim(HYBRID, "Docker configuration", "the block's volumes, capabilities and limits are enough to serve", (
        "tests/docker/test_work.py::test_the_tier_is_the_one_that_is_promised",
        "tests/docker/test_work.py::test_the_workspace_can_be_read_and_not_written",
    )),
    Claim(HYBRID, "Optimization tips", "tool calls can be batched", (
        f"{E2E}/test_tools.py::test_calls_from_threads_run_at_the_same_time",
        "tests/python/guest/test_parallel.py::test_in_parallel_and_in_order",
    )),
    Claim(HYBRID, "Optimization tips", "large files can be streamed within the memory limit", (
        f"{OWN}/test_practices.py::test_limited_data_in_memory",
    )),
    Claim(HYBRID, "Optimization tips", "what a tool returned can be kept in /sandbox while the execution lasts", (
        f"{OWN}/test_restart.py::test_a_result_is_cached_in_the_sandbox",
    )),
    Claim(HYBRID, "Safe practices", "executions can be monitored", (
        f"{E2E}/test_audit.py::test_a_daemon_says_who_did_what",
    )),
    Claim(HYBRID, "Avoid", "the code is not root, nor need the container be", (
        f"{E2E}/test_walls.py::test_privileges_are_gone",
        "tests/docker/test_work.py::test_the_tier_is_the_one_that_is_promised",
    )),
)  # fmt: skip
