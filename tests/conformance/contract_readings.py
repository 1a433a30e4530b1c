"""What holds beside the names: how a question was decided, what a name stands for, what bad input gets."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.contract_names import E2E, FACE, NAMES, OWN

CONFIG = "crates/codemode-config/tests/it"
CLI = "crates/codemode-cli/tests/it"
COMMAND = "tests/docker/test_command.py"


@dataclass(frozen=True)
class Reading:
    about: str
    holds: str
    proofs: tuple[str, ...]
    covers: tuple[str, ...] = ()
    """Words of the reference that stand for this, and are the name of nothing."""


DECISIONS: tuple[Reading, ...] = (
    Reading(
        "keys of `ClientConfig`",
        "short and nested spellings are one setting; an unknown key is an error with the nearest name",
        (
            f"{OWN}/test_keys.py::test_of_a_clients_file",
            f"{FACE}/test_config.py::test_every_wrong_key_is_named_at_once",
        ),
    ),
    Reading(
        "what a tool may be",
        "a `Tool`, a function, an object with `run`, `_run` or `run_with_context`, a tool of another framework",
        (
            f"{FACE}/test_tools.py::test_every_form",
            f"{E2E}/test_face.py::test_tools_of_every_form",
        ),
        ("run", "_run", "ctx", "kw", "self"),
    ),
    Reading(
        "`register_tool`",
        "takes the tool alone, or a name before it",
        (f"{FACE}/test_registry.py::test_both_ways_to_register",),
    ),
    Reading(
        "what `execute` returns",
        "a result that prints as its value, or as an error to act on; `check=True` raises",
        (
            f"{FACE}/test_result.py::test_str_is_the_results_text",
            f"{E2E}/test_failures.py::test_check_raises_with_the_result_attached",
        ),
        ("str", "print", "True"),
    ),
    Reading(
        "sizes",
        "every usual spelling, everywhere",
        (
            f"{E2E}/test_limit_errors.py::test_sizes_in_every_spelling",
            "crates/codemode-types/src/size.rs::every_spelling_of_the_seeds_reads",
        ),
        ("m", "Mi", "GB", "g"),
    ),
    Reading(
        "one file for both sides",
        "`codemode serve --config` takes the policy; a client with a URL asks to narrow, never to widen",
        (
            f"{OWN}/test_client.py::test_one_file_for_both_sides",
            f"{E2E}/test_configured.py::test_a_client_narrows_and_does_not_widen",
        ),
        ("codemode", "serve", "config", "F"),
    ),
    Reading(
        "paths in a file",
        "begin at the file's folder",
        (
            f"{CONFIG}/client.rs::files_begin_at_the_folder_of_the_file",
            f"{OWN}/test_yaml.py::test_files_in_mounted_volumes",
        ),
    ),
    Reading(
        "limits",
        "are those of one execution, memory as well",
        (f"{E2E}/test_limits.py::test_memory_over_the_limit_harms_nobody_else",),
    ),
    Reading(
        "`tls_cert_path`",
        "names who vouches for the server; with `tls_enabled=True`, an address without TLS is an error that names both",
        (
            f"{E2E}/test_tls_client.py::test_a_ca_of_ones_own",
            f"{OWN}/test_tables.py::test_client_settings",
        ),
        ("http",),
    ),
    Reading(
        "the documents' compose block",
        "is merged unchanged with what it leaves open",
        (
            "tests/docker/test_compose.py::test_the_documentation_s_block_is_shipped_unchanged",
            "tests/docker/test_compose.py::test_the_override_holds_only_what_the_block_leaves_open",
        ),
    ),
    Reading(
        "the documents' command lists",
        "the fifth usage example needs `cp` besides",
        (f"{OWN}/test_sandbox.py::test_hybrid_usage",),
        ("cp",),
    ),
    Reading(
        "keeping values in /sandbox",
        "as long as the execution lasts",
        (
            f"{OWN}/test_restart.py::test_a_result_is_cached_in_the_sandbox",
            "crates/codemode-engine/tests/it/basics.rs::nothing_of_one_execution_is_there_in_the_next",
        ),
    ),
    Reading(
        "`max_code_length`",
        "counts characters; a client lowers it and never raises it",
        (
            f"{OWN}/test_keys.py::test_of_the_client[max_code_length]",
            f"{E2E}/test_failures.py::test_code_length_is_counted_in_characters",
        ),
    ),
    Reading(
        "two names of one variable",
        "both work; two that disagree are an error; secrets may be in files, by `*_FILE`",
        (
            f"{OWN}/test_environment.py",
            f"{CONFIG}/sidecar.rs::both_spellings_work_and_must_agree",
        ),
        ("_FILE",),
    ),
    Reading(
        "what wins",
        "an argument, then the environment, then `.env`, then YAML, then the default; YAML may name variables",
        (
            f"{E2E}/test_configured.py::test_the_environment_wins_over_env_files_and_those_over_yaml",
            f"{CONFIG}/client.rs::dotenv_values_are_literal_and_serve_the_files_variables",
            f"{CONFIG}/sidecar.rs::numbers_may_come_from_variables",
        ),
        ("env", "VAR", "default"),
    ),
    Reading(
        "where the blocks stand in a file",
        "at the root or under `executor:`; `project` and `framework` may be there",
        (
            f"{OWN}/test_keys.py::test_of_the_policy_in_its_other_places",
            f"{CONFIG}/keys.rs::every_spelling_in_the_table_is_known",
            f"{CONFIG}/sidecar.rs::blocks_load_at_the_root_as_well",
            f"{OWN}/test_yaml.py::test_basic_hybrid_execution",
            f"{CONFIG}/client.rs::the_seeds_block_asks_a_remote_executor_to_narrow",
        ),
        ("executor", "project", "framework"),
    ),
    Reading(
        "tool calls",
        "return native values without `await`, and may be awaited",
        (
            f"{E2E}/test_tools.py::test_every_spelling_of_a_call",
            f"{E2E}/test_values.py::test_the_code_sees_the_types_that_the_tool_returned",
        ),
    ),
    Reading(
        "`import subprocess` without direct execution",
        "the documented `ModuleNotFoundError`",
        (f"{OWN}/test_troubleshooting.py::test_no_module_subprocess",),
        ("import", "subprocess", "ModuleNotFoundError", "No", "module", "named"),
    ),
    Reading(
        "`bash` on the list",
        "runs, and starts only what is listed as well",
        (
            f"{E2E}/test_walls.py::test_bash_cannot_run_what_is_not_listed",
            f"{E2E}/test_commands.py::test_from_a_shell_it_is_permission_denied",
        ),
        ("bash",),
    ),
    Reading(
        "authentication",
        "without a key only this machine is served; two keys may hold while they are rotated",
        (
            f"{E2E}/test_auth.py::test_without_a_key_only_loopback",
            f"{OWN}/test_environment.py::test_of_an_executor[api_key-CODEMODE_API_KEY_PREVIOUS]",
            "crates/codemode-server/tests/it/auth.rs::a_wrong_or_missing_key_gets_the_same_silence",
        ),
    ),
    Reading(
        "where it listens",
        "on loopback; elsewhere only with a key, and without TLS one warning or, where `tls.required`, not at all",
        (
            f"{CLI}/tls.rs::a_port_for_others_without_tls_is_warned_of_once",
            f"{CLI}/tls.rs::where_tls_is_required_no_port_for_others_goes_without",
            f"{CLI}/refused.rs::an_open_address_without_a_key_is_refused",
        ),
        ("true",),
    ),
    Reading(
        "dialling back",
        "is done for the published package's protocol alone, to the one address that the executor's configuration "
        "names; tool calls of other clients come over their own connection",
        (
            "tests/docker/test_network.py::test_tools_are_called_back_all_the_same",
            f"{CONFIG}/callback.rs::the_published_sidecars_file_and_variables_say_it",
            f"{OWN}/test_keys.py::test_of_an_executors_file[main_app_grpc_target-main_app_grpc_target]",
            "tests/frameworks/opencodemode/test_hostile.py::test_neither_request_nor_code_moves_the_target",
        ),
        ("main_app_grpc_target", "callback_tls"),
    ),
)

OF_THE_FACE: tuple[Reading, ...] = (
    Reading(
        "`__list__`, `__schema__`, `__search__`",
        "are there without a registration, obey the filter, and have the documented shapes",
        (
            f"{NAMES}::test_meta_tools_and_their_shapes",
            f"{FACE}/test_dispatch.py::test_meta_tools_obey_the_filter",
        ),
        (
            "__list__",
            "__schema__",
            "__search__",
            "query",
            "tools",
            "count",
            "matches",
            "match_type",
            "tool_name",
            "is_async",
            "has_context",
            "has_input_schema",
            "has_output_schema",
        ),
    ),
    Reading(
        "hooks of a component",
        "`open()` and `close()` run once per client",
        (
            f"{FACE}/test_client_lifetime.py::test_hooks_run_once_per_client_in_order",
            f"{FACE}/test_client_lifetime.py::test_a_hook_that_fails_names_its_component_and_is_tried_again",
        ),
        ("open",),
    ),
    Reading(
        "schemas",
        "are enforced in both directions, wherever they come from",
        (
            f"{FACE}/test_schema.py::test_json_schema_is_enforced",
            f"{FACE}/test_schema.py::test_results_are_checked_against_the_return_hint",
            f"{FACE}/test_schema.py::test_types_come_from_the_docstring_where_there_is_no_hint",
            f"{FACE}/test_schema.py::test_models_as_schemas",
            "crates/codemode-client/tests/it/schema.rs::every_problem_is_told_at_once",
        ),
    ),
    Reading(
        "the context of a tool",
        "is the client's own object, and code cannot choose it",
        (
            f"{FACE}/test_tools.py::test_the_code_cannot_choose_the_context",
            f"{NAMES}::test_a_context_aware_tool_gets_the_clients_object",
        ),
    ),
    Reading(
        "correlation ids",
        "`cm-`, six digits of the time in base 36, four at random; or the one that was given; the same everywhere",
        (
            f"{OWN}/test_keys.py::test_of_the_client[observability.correlation_id_prefix]",
            f"{NAMES}::test_a_result",
            f"{E2E}/test_audit.py::test_a_daemon_says_who_did_what",
        ),
        ("cm", "base36", "of", "ms", "time", "random"),
    ),
    Reading(
        "approval",
        "a tool or a rule on an argument asks a person; without a callback that is a no; the call's clock stands still",
        (
            f"{E2E}/test_approval.py::test_rules_and_the_person_decide",
            f"{FACE}/test_asking.py::test_without_a_callback_ask_means_deny",
            f"{E2E}/test_approval.py::test_the_clock_of_a_call_stands_still_while_a_person_thinks",
        ),
    ),
    Reading(
        "the check before the run",
        "calls of tools that do not exist end the execution before its first line; it can be switched off",
        (
            f"{E2E}/test_tool_check.py",
            f"{E2E}/test_calls.py::test_code_that_calls_what_is_not_there_runs_only_if_it_is_told_to",
        ),
    ),
    Reading(
        "stubs and the prompt",
        "are the same bytes for the same tools and configuration, and what they claim is executed",
        (
            f"{FACE}/test_describe.py::test_the_same_tools_give_the_same_text_in_every_process",
            f"{E2E}/test_prompt.py",
            f"{FACE}/test_stubs.py::test_mypy_checks_code_against_it",
            f"{E2E}/test_tools_cli.py::test_stubs_are_python_and_nothing_else_is_on_stdout",
        ),
    ),
    Reading(
        "after a failure",
        "the result lists the calls that ran already",
        (
            f"{FACE}/test_result.py::test_a_failure_tells_what_ran_before_it",
            f"{E2E}/test_tools.py::test_only_calls_that_ran_are_said_to_have_run",
        ),
    ),
    Reading(
        "the annotations",
        "say what is there at run time",
        (f"{FACE}/test_annotations.py::test_the_package_is_as_its_annotations_say",),
    ),
)

TIME: tuple[Reading, ...] = (
    Reading(
        "`code_timeout`",
        "stands still while a tool call is pending",
        (f"{E2E}/test_tools.py::test_waiting_for_a_tool_is_not_the_codes_time",),
    ),
    Reading(
        "`tool_timeout`",
        "is each call's own, also of calls that wait their turn",
        (
            f"{OWN}/test_keys.py::test_of_the_policy[client-limits.tool_timeout]",
            f"{E2E}/test_fairness.py::test_calls_that_wait_their_turn_obey_the_tool_timeout",
        ),
    ),
    Reading("`total_timeout`", "always runs", (f"{E2E}/test_limit_errors.py::test_total_time",)),
    Reading(
        "CPU time",
        "has a budget of its own, which runs while a call is pending",
        (
            f"{E2E}/test_limit_errors.py::test_cpu_time",
            f"{OWN}/test_keys.py::test_of_the_policy[client-limits.cpus]",
        ),
    ),
    Reading(
        "`CODEMODE_MAX_EXEC_TIME`",
        "is default and ceiling of `code_timeout`; who asks for more is told",
        (f"{OWN}/test_environment.py::test_of_an_executor[limits.code_timeout-CODEMODE_MAX_EXEC_TIME]",),
    ),
    Reading(
        "`execution_timeout`",
        "is the `code_timeout` of one execution",
        (f"{E2E}/test_limits.py::test_the_callers_timeout_holds_and_the_executors_is_the_ceiling",),
    ),
    Reading(
        "`ClientConfig.timeout`",
        "is how long a client waits without any frame; keepalives count",
        (
            f"{OWN}/test_keys.py::test_of_the_client[timeout]",
            "crates/codemode-client/tests/it/refusals.rs::silence_is_a_timeout",
        ),
    ),
)

BAD_INPUT: tuple[Reading, ...] = (
    Reading(
        "everything that is wrong with a configuration",
        "is told at once, each with its file, key, line and the nearest name",
        (
            f"{CONFIG}/pages.rs::the_executors_page",
            f"{CONFIG}/pages.rs::the_clients_page",
            f"{CLI}/refused.rs::a_wrong_configuration_is_64_with_every_problem",
        ),
    ),
    Reading(
        "a variable of a YAML file that is not set",
        "is named",
        (f"{OWN}/test_yaml.py::test_the_key_of_the_basic_block",),
    ),
    Reading(
        "an executor that is not there",
        "`ExecutorConnectionError` with the URL and what to try",
        (f"{E2E}/test_configured.py::test_an_executor_that_is_not_there",),
    ),
    Reading(
        "a tool whose name is no identifier",
        "may be called by `tools['…']`; a stub is refused with the reason",
        (
            f"{E2E}/test_prompt.py::test_the_stub_shows_the_tools_that_have_a_name_and_words_the_others",
            f"{FACE}/test_describe.py::test_names_that_no_stub_can_have_are_all_refused_with_the_reason",
        ),
    ),
    Reading(
        "a tool without name or description, twice the same name, a schema that is none",
        "an error at registration",
        (
            f"{FACE}/test_registry.py::test_what_cannot_be_registered",
            f"{FACE}/test_registry.py::test_a_taken_name_needs_overwrite",
            f"{FACE}/test_registry.py::test_where_a_description_comes_from",
            f"{FACE}/test_schema.py::test_schemas_are_json",
        ),
    ),
)

COMMANDS: tuple[Reading, ...] = (
    Reading("`codemode version`", "prints the version", (f"{NAMES}::test_the_version",), ("version",)),
    Reading(
        "`codemode serve`", "serves until it is told to stop", (f"{CLI}/serve.rs::serves_until_it_is_told_to_stop",)
    ),
    Reading(
        "`codemode run`",
        "runs one program; its exit code is the code's",
        (f"{E2E}/test_cli.py::test_the_exit_code_is_the_codes_own",),
    ),
    Reading(
        "`codemode run --tools`",
        "offers the tools of Python files and modules; nothing of them is left when it has ended, however it ended",
        (
            f"{E2E}/test_run_tools.py::test_code_calls_the_tools_and_what_they_print_is_not_its_output",
            f"{E2E}/test_run_tools.py::test_a_filter_offers_fewer",
            f"{E2E}/test_run_tools.py::test_tools_that_cannot_be_had",
            f"{E2E}/test_run_tools.py::test_ctrl_c_ends_code_and_tools",
            f"{E2E}/test_run_tools.py::test_a_command_that_is_killed_takes_the_tools_along",
        ),
    ),
    Reading("`codemode doctor`", "shows what holds here", (f"{E2E}/test_cli.py::test_version_and_doctor",)),
    Reading(
        "`codemode health`",
        "asks where the same file would serve",
        (f"{E2E}/test_tls_client.py::test_health_asks_where_the_same_file_would_serve",),
    ),
    Reading(
        "`codemode tools`",
        "shows tools as stubs and as a list",
        (
            f"{E2E}/test_tools_cli.py::test_stubs_in_a_file",
            f"{E2E}/test_tools_cli.py::test_the_list_as_a_table_and_as_json",
        ),
    ),
    Reading(
        "`codemode tls generate-certs`",
        "makes certificates that both sides accept",
        (f"{E2E}/test_tls_client.py::test_certificates_for_development",),
        ("tls", "generate", "certs"),
    ),
    Reading(
        "`codemode explain`",
        "shows what a code means and what helps; each code of the product has its page",
        (
            f"{CLI}/explain.rs::an_entry_fits_a_terminal",
            f"{CLI}/explain.rs::an_unknown_code_gets_the_nearest_ones",
            f"{CLI}/catalogue.rs::errors_of_clients",
            f"{CLI}/reference.rs::generated_pages_are_fresh",
        ),
    ),
    Reading(
        "`codemode init`",
        "writes configurations to begin with, and nothing over another",
        (
            f"{E2E}/test_cli_config.py::test_what_init_writes_serves",
            f"{E2E}/test_cli_config.py::test_what_init_writes_is_the_clients_configuration",
            f"{E2E}/test_cli_config.py::test_nothing_is_overwritten",
        ),
        ("init", "client", "sidecar"),
    ),
    Reading(
        "`codemode validate`, `codemode config check`",
        "say everything that is wrong with a file, with its lines, and what it comes to",
        (
            f"{E2E}/test_cli_config.py::test_validate_says_where_and_what",
            f"{CLI}/validate.rs::what_it_comes_to_is_shown_with_its_origins_and_without_secrets",
        ),
        ("validate", "config check"),
    ),
    Reading(
        "`codemode config schema`",
        "describes the file as JSON Schema",
        (
            f"{E2E}/test_cli_config.py::test_the_schema_describes_the_file",
            "crates/codemode-config/tests/it/schema.rs::a_value_that_a_reader_takes_is_valid_and_one_that_it_refuses_is_not",
        ),
        ("config schema",),
    ),
    Reading(
        "a `CODEMODE_` variable that means nothing",
        "is warned of by `codemode validate` and `codemode serve`, with the name that was perhaps meant",
        (f"{E2E}/test_cli_config.py::test_a_variable_that_means_nothing_is_warned_of",),
    ),
    Reading(
        "`codemode docker build`, `codemode docker assets`",
        "make an image, and a folder for one, from what is installed",
        (
            f"{COMMAND}::test_from_start_to_remove",
            f"{COMMAND}::test_the_folder_of_assets_is_enough",
            f"{COMMAND}::test_a_build_that_fails",
            f"{CLI}/docker.rs::assets_need_no_engine_and_replace_nothing",
        ),
        ("docker", "build", "assets"),
    ),
    Reading(
        "`codemode docker start`",
        "runs a container as confined as the hardened compose file, on 127.0.0.1, and waits until it serves",
        (
            f"{COMMAND}::test_from_start_to_remove",
            f"{COMMAND}::test_it_is_confined_as_the_compose_file_says",
            f"{COMMAND}::test_its_folders_and_its_configuration",
            f"{COMMAND}::test_an_executor_that_does_not_start_says_why_and_is_gone",
        ),
        ("start",),
    ),
    Reading(
        "the key of `codemode docker start`",
        "is in a file that its user alone reads; `docker inspect` does not show it",
        (
            f"{COMMAND}::test_the_key_is_in_a_file_and_nowhere_else",
            f"{COMMAND}::test_the_key_may_be_the_caller_s",
        ),
    ),
    Reading(
        "`codemode docker check`, `codemode docker status`, `codemode docker env`",
        "say what an engine can do, what the executor does, and where clients find it",
        (f"{COMMAND}::test_check", f"{COMMAND}::test_from_start_to_remove"),
        ("check", "status", "env"),
    ),
    Reading(
        "`codemode docker stop`, `codemode docker remove`",
        "end a container of their own making, and none of others",
        (f"{COMMAND}::test_from_start_to_remove", f"{COMMAND}::test_a_container_of_others_is_left_alone"),
        ("stop", "remove"),
    ),
    Reading(
        "`codemode docker` without an engine",
        "says so in one line, with what to do",
        (
            f"{CLI}/docker.rs::without_an_engine_each_command_says_so_in_one_line",
            f"{COMMAND}::test_an_engine_that_does_not_answer",
            f"{COMMAND}::test_a_user_who_may_not_use_the_engine",
        ),
    ),
    Reading("`codemode completions`", "prints a script for a shell", (f"{CLI}/help.rs::completions_are_a_script",)),
    Reading(
        "`codemode-client.yaml`, `codemode-sidecar.yaml`, `codemode.yaml`",
        "are found in the working directory",
        (f"{FACE}/test_config_sidecar.py::test_the_loader",),
        ("codemode-client.yaml", "codemode-sidecar.yaml", "client.yaml", "sidecar.yaml"),
    ),
)

SECTIONS: dict[str, tuple[Reading, ...]] = {
    "What was decided": DECISIONS,
    "What the face does": OF_THE_FACE,
    "Time": TIME,
    "What bad input gets": BAD_INPUT,
    "The command line": COMMANDS,
}
