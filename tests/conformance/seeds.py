"""Every block, table and error of the documents, and the test that runs it.

This is the table that the conformance report is made from. A piece that changes, or a new one, has no entry: it fails
`test_seeds.py` until somebody writes its runner. A runner is a test in this folder that takes the fixture `piece`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from conformance.documents import Key, Kind, Piece

HERE = "tests/conformance"
CREWAI = "tests/frameworks/crewai/test_crew.py"
CORE, HYBRID = "core-concepts.md", "hybrid-execution.md"

How = Literal["as printed", "with additions", "figure"]


@dataclass(frozen=True)
class Entry:
    title: str
    document: str
    kind: Kind
    ordinal: int
    sha256: str
    runner: str
    """`file.py::test` in this folder; empty for a figure, which is no code."""
    how: How = "as printed"
    reason: str = ""
    """Why it does not run exactly as it is printed."""
    nearest: str = ""
    """What runs instead, or shows the same."""
    also: tuple[str, ...] = ()
    """Tests elsewhere that run it too: node ids, or `crates/…::function`."""

    @property
    def key(self) -> Key:
        return self.document, self.kind, self.ordinal

    @property
    def node_id(self) -> str:
        return f"{HERE}/{self.runner}" if self.runner else ""


ENTRIES: tuple[Entry, ...] = (
    Entry(
        "Architecture overview", CORE, "block", 1,
        "e28cbd76dd12c44dabedf77a8381e590a716c2cd806e0e402f80bb500f197533",
        "", "figure", "a figure, no code", "each of its arrows is a step of the request flow",
        ("tests/python/e2e/test_tools.py::test_a_tool_as_a_class", "tests/docker/test_work.py"),
    ),
    Entry(
        "The client", CORE, "block", 2,
        "c4d222aa4a7279fa0c8baac21424a934caa0410066c697bfbcc1c9d2733da55f",
        "test_client.py::test_the_client",
    ),
    Entry(
        "Key methods", CORE, "table", 1,
        "80bd829bbec663dcccbade3e6618a479490c7eaa13dd65ceea0edb8cd2a36eb4",
        "test_tables.py::test_key_methods",
        nearest="`as_crewai_tool()` is used by crews where CrewAI is installed; here it says how to install it",
        also=(
            f"{CREWAI}::test_a_crew_runs_code_that_calls_a_registered_tool",
            f"{CREWAI}::test_two_agents_with_different_tools",
            f"{CREWAI}::test_a_run_that_fails_and_recovers",
        ),
    ),
    Entry(
        "A tool as a class", CORE, "block", 3,
        "78db36161e718a7573174cd3c24f4c5a52f436f94bc72ada7cb10104858b05f6",
        "test_client.py::test_a_tool_as_a_class",
    ),
    Entry(
        "The registry", CORE, "block", 4,
        "0b73f4a9653421b13a561aad3106acd4b550a6b7860f9d28a02552e97cc907ea",
        "test_client.py::test_the_registry", "with additions",
        "`my_custom_tool` is the reader's own and is not defined in the block",
        "the block itself, with that one name defined: once as a `Tool`, once as a function",
    ),
    Entry(
        "Defense in depth", CORE, "block", 5,
        "56d302c9ccdb028fb3edf1f3381b32db11300c96e25e017cda6d2520ea06e848",
        "", "figure", "a figure, no code", "each of its layers has tests of its own",
        (
            "tests/python/e2e/test_auth.py::test_a_wrong_key_over_grpc",
            "tests/python/e2e/test_tls_client.py::test_a_ca_of_ones_own",
            "tests/docker/test_hostile.py::test_holds",
            "tests/python/e2e/test_limit_errors.py",
            "tests/python/e2e/test_tools.py::test_a_filtered_tool_is_not_there",
        ),
    ),
    Entry(
        "ClientConfig", CORE, "block", 6,
        "78e0253660f220b942bc3ae19bfae2f0f12521161d412597fed9a5340e47379d",
        "test_client.py::test_the_configuration_of_the_client",
    ),
    Entry(
        "Key client settings", CORE, "table", 2,
        "f07708e0bf3819e73a6cc52a3ba36109da04d8584bd5edbeb691f336d7f16659",
        "test_tables.py::test_client_settings",
    ),
    Entry(
        "Sidecar settings", CORE, "table", 3,
        "c5d1ce263a51e44d7fe7323d2c1f78c3b9b1abeb33e3a408dc75da9b1482cd9c",
        "test_tables.py::test_sidecar_settings",
        also=("tests/docker/test_environment.py::test_limits_from_the_environment_hold",),
    ),
    Entry(
        "docker run", CORE, "block", 7,
        "a75fc468d2d49911fd75873bb4163574786310d3fb731ce3f8d0591210997ca5",
        "test_container.py::test_the_docker_run_line", "as printed",
        "", "the engine runs the line in `make test-docker`; here the same environment configures an executor",
        (
            "tests/docker/test_environment.py::test_the_plain_command_takes_its_key",
            "tests/docker/test_environment.py::test_the_plain_command_takes_its_limits",
        ),
    ),
    Entry(
        "Architecture", HYBRID, "block", 1,
        "8f760040777c76ffc3c7b5a1bc22c2dc4bcfad2884738630d24da2372050d844",
        "", "figure", "a figure, no code", "the usage examples run what it lists",
        (f"{HERE}/test_sandbox.py", "tests/docker/test_work.py"),
    ),
    Entry(
        "Basic hybrid execution", HYBRID, "block", 2,
        "4561f97152ccf54156db3b625b6bd5a8fec00abe21cc7ac826ff4dc226c9ef82",
        "test_yaml.py::test_basic_hybrid_execution",
        nearest="its `url` and `api_key` are the client's: test_client.py::test_one_file_for_both_sides",
    ),
    Entry(
        "Advanced configuration with network access", HYBRID, "block", 3,
        "365279b18189a6f94bc73fdc5ab3e8845b8c569a48e7f0f794bea3e22295d0fc",
        "test_restricted.py::test_advanced_configuration",
    ),
    Entry(
        "Usage 1: direct file operations", HYBRID, "block", 4,
        "526665328a37673c5ac61895f6792aee888589767eb5f4141fd1fad1d14ebf07",
        "test_sandbox.py::test_direct_file_operations",
    ),
    Entry(
        "Usage 2: system commands", HYBRID, "block", 5,
        "a009bc8847654d70b3b111f68fe90482b6933b7ad332831e06dfc35e98e86ed8",
        "test_sandbox.py::test_system_commands",
    ),
    Entry(
        "Usage 3: bash scripts", HYBRID, "block", 6,
        "17344a2a15762b33fde4f0dd9d13fa576a7e87699b63b93520f9dbd2b0243c90",
        "test_sandbox.py::test_bash_scripts",
    ),
    Entry(
        "Usage 4: proxied tool calls", HYBRID, "block", 7,
        "8dd793befb538b8c3f5fa0b20e499e9217cf090e1e48ac8fd995b2ab1e22b5d3",
        "test_sandbox.py::test_proxied_tool_calls",
    ),
    Entry(
        "Usage 5: hybrid usage", HYBRID, "block", 8,
        "9078a3fb0f87d33786e4559ef18e472b42245b76b93c7ae767b57232e9bfa122",
        "test_sandbox.py::test_hybrid_usage", "as printed",
        "", "the program is unchanged; the policy is the Basic block plus `cp`, which the program needs",
        ("tests/python/e2e/test_demo.py::test_hybrid", "tests/docker/test_work.py"),
    ),
    Entry(
        "Command whitelisting", HYBRID, "block", 9,
        "4660f20b210bbff7ebd7c5af646b89d0a4c0fac750551a5c5b7dce5b52123b96",
        "test_yaml.py::test_command_whitelisting",
    ),
    Entry(
        "An unauthorized command", HYBRID, "block", 10,
        "b079225866f4fdc3487c1a404e4016b44d23a3206982634bfb5fb330658dc276",
        "test_practices.py::test_an_unauthorized_command", "with additions",
        "a fragment without its import: alone it is a NameError before any command is tried",
        "the line below `import subprocess`, which every program before it begins with",
    ),
    Entry(
        "Path validation", HYBRID, "block", 11,
        "baecf0903d783c6ab7c8b10a175e81ca4d9b9aba1ce01a5fb31d82d201688d04",
        "test_practices.py::test_path_validation",
    ),
    Entry(
        "Network control", HYBRID, "block", 12,
        "2cedd9241745a54d1ddeb635bfba86090a9ee565b0901a3f12395a218652a534",
        "test_restricted.py::test_network_control",
    ),
    Entry(
        "Resource limits", HYBRID, "block", 13,
        "9eb0c64eb0c33bd5d372049980828c2eda69127b097bad06f684e10ae9a57ad2",
        "test_yaml.py::test_resource_limits",
    ),
    Entry(
        "The size of the sandbox", HYBRID, "block", 14,
        "9e8cb14fcd1564e06ac12dc2a6390c29518732431b7155f4befc94a7da6e581d",
        "test_yaml.py::test_the_size_of_the_sandbox",
        nearest="on its own it is bounded by `memory_limit` as well; a second run gives more memory, to see it alone",
    ),
    Entry(
        "docker-compose.yml", HYBRID, "block", 15,
        "65506ed90bf02b313cdf771c62f14f6244d7da5bc19a5337bfb5ef8c82212357",
        "test_container.py::test_the_compose_block", "as printed",
        "", "the engine runs the block in `make test-docker`; here Compose reads it, where there is one",
        (
            "tests/docker/test_compose.py::test_the_documentation_s_block_is_shipped_unchanged",
            "tests/docker/test_work.py",
            "tests/docker/test_hostile.py::test_holds",
        ),
    ),
    Entry(
        "Log analysis with alerting", HYBRID, "block", 16,
        "40c8d41bc0b3aa3fc704cc64136ce0af84ff3e1c201fd06572639dd179703160",
        "test_sandbox.py::test_log_analysis_with_alerting",
    ),
    Entry(
        "Data processing pipeline", HYBRID, "block", 17,
        "459011e7cd4d071233e0a174526444433b76086c1ff9d7ed5f1e5bc95040639d",
        "test_sandbox.py::test_data_processing_pipeline",
        also=("tests/python/e2e/test_demo.py::test_pipeline",),
    ),
    Entry(
        "File search and analysis", HYBRID, "block", 18,
        "73581ea2ab94b91e641a406e9d0ae4821f342ef2581b2e58e6dc8d87c12fcfb5",
        "test_sandbox.py::test_file_search_and_analysis",
        also=("tests/python/e2e/test_demo.py::test_search",),
    ),
    Entry(
        "Best practice 1: direct execution for file operations", HYBRID, "block", 19,
        "5d04b57b250db8db7ee025a05afba65c971c7fe633347d6cd775359351e01698",
        "test_practices.py::test_direct_execution_for_file_operations", "with additions",
        "a fragment without its import: alone it is a NameError",
        "the block below `import json`, as the pipeline pattern has it",
    ),
    Entry(
        "Best practice 2: proxied tools for external resources", HYBRID, "block", 20,
        "42c8e368c17b08e952088944ed76fe43a49e1ae048aebd8a18d66e6bd41b5660",
        "test_practices.py::test_proxied_tools_for_external_resources",
    ),
    Entry(
        "Best practice 3: validated paths", HYBRID, "block", 21,
        "c18614454144102cebc48aa37d3adca11a126d55e3739f535eaba34e60a9478f",
        "test_practices.py::test_validated_paths",
    ),
    Entry(
        "Best practice 4: handled errors", HYBRID, "block", 22,
        "58fc20ea510ecf025a8bdc9f2cdcffbb16408dd55a243016cd90dc879261e9d5",
        "test_practices.py::test_handled_errors",
    ),
    Entry(
        "Best practice 5: limited data in memory", HYBRID, "block", 23,
        "fbb0acf625ed5b25084dd234bff45b93e550cefbee30961ac42cbbee9d101917",
        "test_practices.py::test_limited_data_in_memory",
    ),
    Entry(
        "Error: command not allowed", HYBRID, "error", 1,
        "af1fbdd2c0e925a5bafef0c2296fdc81b2201cfd34ebbf4e1ad57d8dcf194272",
        "test_troubleshooting.py::test_command_not_allowed",
    ),
    Entry(
        "Solution: the command on the list", HYBRID, "block", 24,
        "6055e455639f881a69c36e87e60de1b24e70e8ffa1a13514324446e2d70b36a7",
        "test_yaml.py::test_a_command_added_to_the_list",
    ),
    Entry(
        "Error: path access denied", HYBRID, "error", 2,
        "3b23ae93206d7ad83ff81d754d0cc39d897ffb6257ec4a72c666f49307839700",
        "test_troubleshooting.py::test_path_access_denied",
    ),
    Entry(
        "Solution: files in mounted volumes", HYBRID, "block", 25,
        "25e575070410c9ed2bdd05ea2d83d665e56791f25539809eba0d6afcc1ee2df5",
        "test_yaml.py::test_files_in_mounted_volumes",
    ),
    Entry(
        "Error: no module 'subprocess'", HYBRID, "error", 3,
        "5cefaf4e93a259fb1e2998553f8285e3d98acee6b13383948d0661449e20d532",
        "test_troubleshooting.py::test_no_module_subprocess",
    ),
    Entry(
        "Solution: direct execution", HYBRID, "block", 26,
        "daed2fa6729a7e8d5c42c11146da6a3aeb266259ee145d4bff33e544856f14f5",
        "test_yaml.py::test_direct_execution_enabled",
        nearest="it makes the module importable; which commands then run is what `allowed_commands` says",
    ),
    Entry(
        "Error: network access denied", HYBRID, "error", 4,
        "35158f7bea3d005f6e0d450f5438a0658b0660f2099463fb35b7805b1034429a",
        "test_troubleshooting.py::test_network_access_denied",
    ),
    Entry(
        "Solution: an allowed domain", HYBRID, "block", 27,
        "87cb9e65355a807a29a261d7e5b78d6ded0ad32bdb28eb0dbbcfbabb1e85a8bf",
        "test_restricted.py::test_an_allowed_domain",
    ),
    Entry(
        "Direct and proxied operations", HYBRID, "table", 1,
        "6247ede571c0b19873c41bddf2ed69f4a1a1ff8cf4be5a7a441f2346549b2a70",
        "test_tables.py::test_direct_and_proxied_operations",
        nearest="which operation takes which way is tested; how fast each is, BENCHMARKS.md says",
    ),
)  # fmt: skip


def problems(found: Iterable[Piece], entries: Iterable[Entry] = ENTRIES) -> list[str]:
    """Pieces that nobody runs, and entries whose piece is not there any more."""
    listed = {entry.key: entry for entry in entries}
    said = []
    for piece in found:
        entry = listed.pop(piece.key, None)
        if entry is None or entry.sha256 != piece.sha256:
            said.append(f"no runner for {piece}")
    return said + [f"{entry.title}: no such {entry.kind} in {entry.document} any more" for entry in listed.values()]
