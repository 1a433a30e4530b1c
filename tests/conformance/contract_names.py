"""Every public name, and the test that shows what it does."""

from __future__ import annotations

from collections.abc import Iterable

E2E, FACE, OWN = "tests/python/e2e", "tests/python/face", "tests/conformance"
NAMES = f"{OWN}/test_names.py"

Proofs = tuple[str, ...]


def _of(owner: str, proofs: Iterable[str], names: str) -> dict[str, Proofs]:
    """`names` are separated by spaces."""
    return {f"{owner}.{name}": tuple(proofs) for name in names.split()}


def _each(owner: str, proofs: dict[str, str | Proofs]) -> dict[str, Proofs]:
    """One proof, or several, for each name."""
    return {f"{owner}.{name}": (proof,) if isinstance(proof, str) else proof for name, proof in proofs.items()}


_EXCEPTIONS = f"{NAMES}::test_each_exception_has_its_code"
_ASYNC = f"{NAMES}::test_an_asynchronous_client_does_the_same"
_EVERYWHERE = f"{NAMES}::test_clients_from_everywhere"
_BOOKS = f"{NAMES}::test_the_books_of_a_registry"
_SAME = f"{NAMES}::test_one_object_under_all_its_names"
_CLIENT_VIEW = (
    f"{OWN}/test_keys.py::test_of_the_client",
    f"{FACE}/test_config.py::test_what_is_declared_is_what_holds",
)
_SIDECAR_VIEW = (
    f"{E2E}/test_configured.py::test_the_view_of_an_executor_is_what_the_daemon_does",
    f"{FACE}/test_config_sidecar.py::test_every_key_has_its_field",
)
_STREAM = (
    f"{E2E}/test_calls.py::test_a_stream_tells_all_that_happens",
    f"{E2E}/test_calls.py::test_an_async_stream_tells_the_same",
)

MODULES: dict[str, Proofs] = {
    **_each(
        "codemode",
        {
            "AsyncCodemode": f"{E2E}/test_face.py::test_async_executions_run_side_by_side",
            "AuthenticationError": (_EXCEPTIONS, f"{E2E}/test_auth.py::test_a_wrong_key_over_grpc"),
            "ClientConfig": f"{OWN}/test_client.py::test_the_configuration_of_the_client",
            "Codemode": (
                f"{E2E}/test_first_use.py::test_the_first_line_of_the_readme",
                f"{OWN}/test_client.py::test_the_client",
            ),
            "CodemodeError": _EXCEPTIONS,
            "ComponentAlreadyExistsError": (_EXCEPTIONS, f"{FACE}/test_registry.py::test_a_taken_name_needs_overwrite"),
            "ComponentNotFoundError": (
                _EXCEPTIONS,
                f"{FACE}/test_registry.py::test_missing_component_lists_what_exists",
            ),
            "ComponentRegistry": f"{OWN}/test_client.py::test_the_registry",
            "ConfigError": (_EXCEPTIONS, f"{FACE}/test_config.py::test_every_wrong_key_is_named_at_once"),
            "ContextAwareTool": f"{NAMES}::test_a_context_aware_tool_gets_the_clients_object",
            "ExecutionError": f"{NAMES}::test_a_failure",
            "ExecutionFailed": (_EXCEPTIONS, f"{E2E}/test_failures.py::test_check_raises_with_the_result_attached"),
            "ExecutionResult": f"{NAMES}::test_a_result",
            "ExecutorClientError": _SAME,
            "ExecutorConnectionError": (_EXCEPTIONS, f"{E2E}/test_configured.py::test_an_executor_that_is_not_there"),
            "ExecutorOverloaded": f"{OWN}/test_outcomes.py::test_what_blames_the_hour",
            "ExecutorTimeoutError": _EXCEPTIONS,
            "RegistryError": (_EXCEPTIONS, f"{FACE}/test_registry.py::test_what_cannot_be_registered"),
            "RuntimeContext": f"{FACE}/test_registry.py::test_runtime_context",
            "ScopedRegistry": (f"{FACE}/test_registry.py::test_scoped_registries_narrow_and_follow", _BOOKS),
            "Tool": f"{OWN}/test_client.py::test_a_tool_as_a_class",
            "ToolError": f"{NAMES}::test_a_tool_chooses_the_words_of_its_failure",
            "__version__": f"{NAMES}::test_the_version",
            "tool": f"{FACE}/test_registry.py::test_decorated_tools",
        },
    ),
    **_each(
        "codemode.config",
        {
            "ClientConfig": _SAME,
            "ConfigError": _SAME,
            "ConfigLoadError": _EXCEPTIONS,
            "ConfigLoader": f"{FACE}/test_config_sidecar.py::test_the_loader",
            "ObservabilityConfig": f"{FACE}/test_config.py::test_sections_alone",
            "RetryConfig": f"{FACE}/test_config.py::test_sections_alone",
            "SidecarConfig": _SIDECAR_VIEW,
            "TlsConfig": f"{FACE}/test_config.py::test_sections_alone",
        },
    ),
    **_of(
        "codemode.core",
        [_SAME],
        "ComponentAlreadyExistsError ComponentNotFoundError ComponentRegistry RegistryError RuntimeContext "
        "ScopedRegistry",
    ),
    **_each(
        "codemode.tools",
        {
            "Approval": f"{FACE}/test_approval.py::test_deny_beats_ask_beats_allow_beats_the_default",
            "ApprovalDecision": f"{FACE}/test_asking.py::test_the_answer_decides",
            "ApprovalRequest": f"{E2E}/test_approval.py::test_rules_and_the_person_decide",
            "ApprovalRule": f"{FACE}/test_approval.py::test_patterns_look_at_the_text_of_a_value",
            "ContextAwareTool": _SAME,
            "Tool": _SAME,
            "mcp_tools": (
                "tests/frameworks/crewai/test_tools_from.py::test_tools_of_an_mcp_session",
                "tests/frameworks/openai-agents/test_mcp.py::test_tools_of_a_server",
                "tests/frameworks/fastmcp/test_tools_from.py::test_tools_of_a_server",
            ),
            "report_progress": (f"{FACE}/test_events.py::test_progress_knows_its_call_and_nothing_else", *_STREAM),
            "tool": _SAME,
        },
    ),
    **_of(
        "codemode.events",
        _STREAM,
        "Event Finished Stderr Stdout ToolCallFinished ToolCallStarted ToolEvent ToolProgress",
    ),
    "codemode.events.ApprovalRequested": (f"{FACE}/test_events.py::test_every_call_is_told_from_start_to_end",),
}


def _agents(framework: str, file: str = "test_agent.py") -> Proofs:
    """Of an adapter: its agents' runs, which have an environment of their own."""
    tests = f"tests/frameworks/{framework}"
    return f"{tests}/{file}::test_a_run_that_fails_and_recovers", f"{tests}/test_page.py"


ADAPTERS: dict[str, Proofs] = {
    "codemode.integrations.google_adk.CodemodeCodeExecutor": _agents("google-adk", "test_executor.py"),
    "codemode.integrations.autogen.CodemodeCodeExecutor": _agents("autogen"),
    "codemode.integrations.ag2.CodemodeEnvironment": _agents("ag2"),
    "codemode.integrations.dspy.CodemodeInterpreter": _agents("dspy"),
    **_of("codemode.integrations.fastmcp", _agents("fastmcp"), "CodemodeSandboxProvider EXECUTE_DESCRIPTION"),
    **_of("codemode.integrations.llama_index", _agents("llama-index"), "code_execute_fn CodeResult system_prompt"),
    "codemode.integrations.smolagents.CodemodePythonExecutor": _agents("smolagents"),
}

CLIENTS: dict[str, Proofs] = {
    **_each(
        "Codemode",
        {
            "from_client_config": f"{OWN}/test_tables.py::test_key_methods",
            "from_env": f"{OWN}/test_tables.py::test_key_methods",
            "from_config": f"{OWN}/test_client.py::test_one_file_for_both_sides",
            "from_dict": f"{OWN}/test_keys.py::test_of_the_policy",
            "local": f"{E2E}/test_configured.py::test_policies_of_private_executors",
            "registry": f"{NAMES}::test_a_context_aware_tool_gets_the_clients_object",
            "with_context": f"{NAMES}::test_a_context_aware_tool_gets_the_clients_object",
            "with_config": (f"{FACE}/test_client.py::test_what_a_request_carries", _ASYNC),
            "execute": f"{OWN}/test_tables.py::test_key_methods",
            "execute_async": _EVERYWHERE,
            "as_crewai_tool": (
                f"{OWN}/test_tables.py::test_key_methods",
                "tests/frameworks/crewai/test_crew.py::test_a_crew_runs_code_that_calls_a_registered_tool",
            ),
            "as_langchain_tool": _agents("langchain"),
            "as_openai_agents_tool": _agents("openai-agents"),
            "as_google_adk_tool": _agents("google-adk"),
            "as_pydantic_ai_toolset": _agents("pydantic-ai"),
            "as_haystack_tool": _agents("haystack"),
            "stream": (_STREAM[0], f"{NAMES}::test_events_and_sinks_of_one_execution"),
            "stream_async": _STREAM[1],
            "prompt": f"{E2E}/test_prompt.py::test_two_clients_and_two_processes_get_the_same_text",
            "health_check": f"{FACE}/test_client.py::test_health_and_readiness",
            "ready_check": f"{FACE}/test_client.py::test_health_and_readiness",
            "close": f"{E2E}/test_lifetime.py::test_closing_the_client_ends_its_executor",
            "__enter__": f"{OWN}/test_client.py::test_a_tool_as_a_class",
            "__aenter__": _EVERYWHERE,
        },
    ),
    **_of(
        "AsyncCodemode",
        [_ASYNC],
        "from_dict registry with_context with_config execute execute_async stream stream_async prompt health_check "
        "ready_check close local __aenter__",
    ),
    **_of("AsyncCodemode", [_EVERYWHERE], "from_client_config from_config from_env"),
}

_CEILING = f"{E2E}/test_limits.py::test_the_callers_timeout_holds_and_the_executors_is_the_ceiling"
_IN_STREAM = f"{FACE}/test_stream.py::test_nothing_runs_before_it_is_asked_for_and_mistakes_are_told_at_once"

PARAMETERS: dict[str, Proofs] = {
    **_of("Codemode.from_client_config", [_EVERYWHERE], "config registry config_path on_approval"),
    **_of("Codemode.from_config", [_EVERYWHERE], "config_path registry on_approval"),
    **_of("Codemode.from_dict", [_EVERYWHERE], "config_dict registry on_approval"),
    **_of("Codemode.from_env", [_EVERYWHERE], "registry on_approval"),
    "Codemode.from_env.dotenv": (f"{NAMES}::test_a_file_of_variables",),
    **_of("Codemode.local", [_EVERYWHERE], "policy registry on_approval"),
    **_each(
        "Codemode.__init__",
        {
            "config": f"{OWN}/test_keys.py::test_of_the_client",
            "registry": f"{OWN}/test_client.py::test_the_registry",
            "on_approval": f"{E2E}/test_approval.py::test_the_callback_of_the_client_and_of_its_copies",
        },
    ),
    **_each(
        "Codemode.execute",
        {
            "code": f"{OWN}/test_outcomes.py::test_an_execution_ends",
            "execution_timeout": _CEILING,
            "tool_filter": f"{E2E}/test_tools.py::test_a_filtered_tool_is_not_there",
            "context": f"{E2E}/test_tools.py::test_the_context_comes_from_the_client_not_from_the_code",
            "config": f"{E2E}/test_values.py::test_context_and_config_are_read_only_values",
            "correlation_id": f"{NAMES}::test_a_result",
            "check": f"{NAMES}::test_a_failure",
            "on_stdout": f"{NAMES}::test_events_and_sinks_of_one_execution",
            "on_stderr": f"{NAMES}::test_events_and_sinks_of_one_execution",
            "on_tool_call": f"{NAMES}::test_events_and_sinks_of_one_execution",
            "on_approval": f"{E2E}/test_approval.py::test_rules_and_the_person_decide",
            "max_tool_calls": f"{E2E}/test_calls.py::test_fewer_tool_calls_than_the_executor_allows",
            "check_tools": f"{E2E}/test_calls.py::test_code_that_calls_what_is_not_there_runs_only_if_it_is_told_to",
            "artifact_bytes": f"{E2E}/test_artifacts.py::test_no_more_contents_than_were_asked_for",
            "variables": f"{E2E}/test_variables.py::test_variables_are_there_before_the_first_line",
            "keep_variables": f"{E2E}/test_variables.py::test_what_the_code_leaves_at_its_top_comes_back",
            "bare_tools": f"{E2E}/test_variables.py::test_tools_as_functions_of_their_names",
            "environment": f"{E2E}/test_environments.py::test_each_execution_asks_for_its_own",
        },
    ),
    **_of(
        "Codemode.stream",
        [_IN_STREAM],
        "code execution_timeout tool_filter context config correlation_id on_approval max_tool_calls check_tools "
        "artifact_bytes variables keep_variables bare_tools environment",
    ),
    "Codemode.prompt.tool_filter": (f"{E2E}/test_prompt.py::test_a_filter_and_a_scope_show_fewer_tools",),
    "Codemode.prompt.environment": (f"{E2E}/test_environments.py::test_what_a_model_is_told_is_about_that_one",),
    **_each(
        "ComponentRegistry.register_tool",
        {
            "name": f"{FACE}/test_registry.py::test_both_ways_to_register",
            "tool": f"{FACE}/test_registry.py::test_both_ways_to_register",
            "input_schema": f"{FACE}/test_schema.py::test_json_schema_is_enforced",
            "output_schema": f"{FACE}/test_schema.py::test_results_are_checked_against_the_return_hint",
            "description": f"{FACE}/test_registry.py::test_where_a_description_comes_from",
            "overwrite": f"{FACE}/test_registry.py::test_a_taken_name_needs_overwrite",
            "timeout": f"{FACE}/test_tools.py::test_every_way_to_give_a_tool_its_timeout",
            "approval": f"{FACE}/test_approval.py::test_every_way_to_give_a_tool_its_approval",
        },
    ),
    **_each(
        "tool",
        {
            "name": f"{NAMES}::test_a_tool_chooses_the_words_of_its_failure",
            "description": f"{FACE}/test_registry.py::test_where_a_description_comes_from",
            "input_schema": f"{FACE}/test_registry.py::test_decorated_tools",
            "output_schema": f"{NAMES}::test_meta_tools_and_their_shapes",
            "timeout": f"{E2E}/test_calls.py::test_a_tool_with_a_timeout_of_its_own",
            "approval": f"{FACE}/test_approval.py::test_every_way_to_give_a_tool_its_approval",
        },
    ),
}

REGISTRIES: dict[str, Proofs] = {
    **_each(
        "ComponentRegistry",
        {
            "register_tool": f"{FACE}/test_registry.py::test_both_ways_to_register",
            "register": f"{FACE}/test_registry.py::test_decorated_tools",
            "discover_tools": f"{FACE}/test_registry.py::test_decorated_tools",
            "scoped": f"{FACE}/test_registry.py::test_scoped_registries_narrow_and_follow",
            "describe": f"{FACE}/test_describe.py::test_every_tool_is_a_function_with_keyword_arguments_only",
        },
    ),
    **_of(
        "ComponentRegistry",
        [_BOOKS],
        "register_agent register_team register_flow get_tool get_agent get_team get_flow of_type get_component_names "
        "set_context get_context clear_context set_config get_config update_config clear",
    ),
    **_of(
        "ScopedRegistry",
        [_BOOKS],
        "get_tool get_agent get_team get_flow of_type get_component_names scoped set_context get_context clear_context "
        "set_config get_config update_config",
    ),
    "ScopedRegistry.describe": (f"{FACE}/test_describe.py::test_a_scope_shows_its_tools_only",),
    **_of(
        "RuntimeContext",
        [f"{FACE}/test_registry.py::test_runtime_context"],
        "variables metadata get require has set update to_dict from_dict to_json from_json",
    ),
}

TOOLS: dict[str, Proofs] = {
    **_each(
        "Tool",
        {
            "name": f"{OWN}/test_client.py::test_a_tool_as_a_class",
            "description": f"{OWN}/test_client.py::test_a_tool_as_a_class",
            "execute": f"{OWN}/test_client.py::test_a_tool_as_a_class",
            "input_schema": f"{FACE}/test_tools.py::test_every_form_validates",
            "output_schema": f"{FACE}/test_schema.py::test_results_are_checked_against_the_return_hint",
            "timeout": f"{FACE}/test_tools.py::test_every_way_to_give_a_tool_its_timeout",
            "approval": f"{FACE}/test_approval.py::test_every_way_to_give_a_tool_its_approval",
        },
    ),
    "ContextAwareTool.run_with_context": (f"{NAMES}::test_a_context_aware_tool_gets_the_clients_object",),
    **_of("Approval", [f"{FACE}/test_approval.py::test_deny_beats_ask_beats_allow_beats_the_default"], "default rules"),
    **_of(
        "ApprovalRule",
        [f"{FACE}/test_approval.py::test_patterns_look_at_the_text_of_a_value"],
        "argument pattern action",
    ),
    **_of(
        "ApprovalRequest",
        [f"{E2E}/test_approval.py::test_rules_and_the_person_decide"],
        "tool arguments reason context execution_id call_id",
    ),
    **_of("ApprovalDecision", [f"{FACE}/test_asking.py::test_the_answer_decides"], "allow reason"),
}

RESULTS: dict[str, Proofs] = {
    **_of(
        "ExecutionResult",
        [f"{NAMES}::test_a_result"],
        "success outcome result result_json stdout stderr exit_code error warnings correlation_id execution_id "
        "duration_ms raise_for_error __str__",
    ),
    **_each(
        "ExecutionResult",
        {
            "tool_calls": f"{NAMES}::test_its_tool_calls",
            "artifacts": f"{NAMES}::test_its_artifacts",
            "violations": f"{NAMES}::test_its_violations",
            "usage": f"{NAMES}::test_its_usage_and_isolation",
            "isolation": f"{NAMES}::test_its_usage_and_isolation",
            "stdout_truncated": f"{NAMES}::test_too_much_output_says_so",
            "stderr_truncated": f"{NAMES}::test_too_much_output_says_so",
            "variables": f"{E2E}/test_variables.py::test_what_the_code_leaves_at_its_top_comes_back",
            "_repr_html_": f"{E2E}/test_artifacts.py::test_a_notebook_shows_the_pictures",
        },
    ),
    **_of("ExecutionError", [f"{NAMES}::test_a_failure"], "error_type message traceback line"),
    **_of(
        "ToolCallRecord",
        [f"{NAMES}::test_its_tool_calls"],
        "name arguments arguments_json status duration_ms error ran",
    ),
    **_of("Artifact", [f"{NAMES}::test_its_artifacts"], "path size mime_type sha256 host_path data read text save"),
    **_of("Violation", [f"{NAMES}::test_its_violations"], "kind detail source"),
    **_of("Usage", [f"{NAMES}::test_its_usage_and_isolation"], "wall_ms guest_ms tool_ms cpu_ms peak_memory_bytes"),
    **_of("Isolation", [f"{NAMES}::test_its_usage_and_isolation"], "tier layers substitutes not_promised"),
    **_of("CodemodeError", [_EXCEPTIONS], "code retryable execution_id"),
    "ExecutionFailed.result": (f"{NAMES}::test_a_failure",),
    "ComponentNotFoundError.suggestions": (_EXCEPTIONS,),
    "ToolError.suggestions": (f"{NAMES}::test_a_tool_chooses_the_words_of_its_failure",),
}

CONFIGURATIONS: dict[str, Proofs] = {
    **_of(
        "ClientConfig", _CLIENT_VIEW, "executor_url executor_api_key timeout max_code_length retry tls observability"
    ),
    **_of(
        "ClientConfig",
        [f"{FACE}/test_config.py::test_every_spelling_means_the_same"],
        "executor_timeout tls_enabled tls_cert_path",
    ),
    "ClientConfig.policy": (f"{FACE}/test_config.py::test_policies_without_an_address_are_the_private_executors",),
    **_of("ClientConfig", [f"{FACE}/test_config.py::test_constructors"], "from_dict from_env from_yaml"),
    "ClientConfig.to_dict": (f"{FACE}/test_config.py::test_it_is_a_value",),
    **_of(
        "SidecarConfig",
        _SIDECAR_VIEW,
        "host port listen api_keys log_level drain_timeout tls audit execution filesystem network limits isolation "
        "guest pool max_concurrent_executions queue",
    ),
    **_of(
        "SidecarConfig",
        [f"{FACE}/test_config_sidecar.py::test_where_the_published_protocols_tools_are"],
        "main_app_grpc_target callback_tls",
    ),
    **_of(
        "SidecarConfig", [f"{FACE}/test_config_sidecar.py::test_a_file"], "api_key security get_grpc_address from_yaml"
    ),
    **_of("SidecarConfig", [f"{FACE}/test_config_sidecar.py::test_defaults_and_arguments"], "from_dict to_dict"),
    "SidecarConfig.from_env": (f"{FACE}/test_config_sidecar.py::test_the_environment",),
    **_of(
        "ConfigLoader",
        [f"{FACE}/test_config_sidecar.py::test_the_loader"],
        "load load_dict load_client_config load_client_config_from_dict load_client_config_from_env "
        "load_sidecar_config load_sidecar_config_from_dict load_sidecar_config_from_env validate_config_file",
    ),
}

SECTIONS: dict[str, dict[str, Proofs]] = {
    "Modules": MODULES,
    "Clients": CLIENTS,
    "Adapters": ADAPTERS,
    "Parameters": PARAMETERS,
    "Registries and contexts": REGISTRIES,
    "Tools": TOOLS,
    "Results and exceptions": RESULTS,
    "Configurations": CONFIGURATIONS,
}

# What has no underscore and is still nobody's but the package's own: its parts call each other by these names.
INTERNAL: dict[str, str] = {
    "ComponentRegistry": "after_fork_in_child components entries include revision",
    "ScopedRegistry": "components entries revision",
    "ClientConfig": "base_dir connect_options embedded_options model_config model_post_init of settings",
    "SidecarConfig": "model_config model_post_init of",
    "Approval": "verdict",
    "ApprovalRule": "matches",
}
