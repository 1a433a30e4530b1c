"""Every configuration key and every variable, and the tests that show its effect."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from conformance import client_effects, policy_effects, sidecar_effects, ways
from conformance.contract_names import E2E, FACE, OWN, Proofs
from conformance.proofs import ROOT

KEYS, VARIABLES = f"{OWN}/test_keys.py", f"{OWN}/test_environment.py"
_NETWORK = "tests/network"

# Besides the effects in this folder, or where there is none.
ALSO: dict[str, Proofs] = {
    "execution.allowed_commands": (f"{E2E}/test_commands.py",),
    "network.mode": (
        f"{_NETWORK}/test_modes.py::test_all_reaches_what_the_executor_reaches",
        f"{_NETWORK}/test_modes.py::test_none_reaches_nothing",
    ),
    "network.allowed_domains": (
        f"{_NETWORK}/test_clients.py::test_requests",
        f"{_NETWORK}/test_rules.py::test_refused_by_the_resolver",
    ),
    "network.blocked_domains": (f"{_NETWORK}/test_rules.py::test_refused_by_the_proxy",),
    "network.ports": (f"{_NETWORK}/test_rules.py::test_ports",),
    "network.allowed_networks": (f"{_NETWORK}/test_modes.py::test_private_networks_that_the_policy_names",),
    "network.ca_file": (f"{_NETWORK}/test_clients.py::test_requests",),
    "network.idle_timeout": (f"{_NETWORK}/test_modes.py::test_the_limit_on_silence",),
    "network.max_connections": (f"{_NETWORK}/test_modes.py::test_the_limit_on_connections",),
    "network.max_bytes": (f"{_NETWORK}/test_modes.py::test_the_limit_on_bytes",),
    "isolation.minimum": (
        "tests/docker/test_refusals.py::test_a_policy_that_takes_more",
        "crates/codemode-types/src/isolation.rs::a_wish_for_more_than_there_is_names_its_key",
    ),
    "isolation.require": ("tests/docker/test_refusals.py::test_a_policy_that_takes_more",),
    "drain_timeout": ("crates/codemode-server/tests/it/drain.rs::what_does_not_finish_is_interrupted",),
}


def proofs_of(kind: ways.Kind, key: str) -> Proofs:
    """Those in the component's own file first."""
    found: list[str] = []
    if kind == "client" and key in client_effects.EFFECTS:
        found += [f"{KEYS}::test_of_the_client[{key}]", f"{KEYS}::test_of_a_clients_file[{key}-{key}]"]
    if kind == "sidecar" and key in sidecar_effects.EFFECTS:
        found.append(f"{KEYS}::test_of_an_executors_file[{key}-{key}]")
    if key in policy_effects.EFFECTS:
        found.append(f"{KEYS}::test_of_the_policy[{kind}-{key}]")
    of_another = kind == "client" and key in sidecar_effects.EFFECTS
    return (*found, *(() if of_another else ALSO.get(key, ())))


@dataclass(frozen=True)
class Variable:
    name: str
    kind: str
    key: str
    """Empty where no key says the same."""
    about: str
    proofs: Proofs


OTHERS: tuple[Variable, ...] = (
    Variable(
        "CODEMODE_LOG",
        "sidecar",
        "",
        "A filter for the executor's log, in place of its level",
        (
            f"{VARIABLES}::test_a_filter_for_the_log",
            "crates/codemode-cli/tests/it/refused.rs::a_log_filter_that_is_none_is_64",
        ),
    ),
    Variable(
        "CODEMODE_GUEST_INTERPRETER",
        "sidecar",
        "",
        "The Python that runs code where `guest.interpreter` names none",
        (
            f"{VARIABLES}::test_the_interpreter_of_the_environment",
            f"{FACE}/test_cli.py::test_code_runs_in_the_environment_of_the_script",
        ),
    ),
    Variable(
        "CODEMODE_EXECUTABLE",
        "client",
        "",
        "The executor's binary, for a package that was installed without one",
        (f"{FACE}/test_cli.py::test_a_developer_names_the_binary",),
    ),
)


def variables() -> list[Variable]:
    found = [
        Variable(
            variable,
            kind,
            key,
            ways.keys(kind)[key].about,
            (f"{VARIABLES}::test_of_{'the_client' if kind == 'client' else 'an_executor'}[{key}-{variable}]",),
        )
        for kind in ("client", "sidecar")
        for key, variable in ways.variables(kind)
    ]
    return [*found, *OTHERS]


# In the product's texts, but no variable of its own.
_FRAGMENTS = {"CODEMODE_TLS": "the beginning of several"}


def variables_of_the_product() -> set[str]:
    """As its sources spell them."""
    folders = [
        *(ROOT / "crates").glob("*/src"),
        ROOT / "crates" / "codemode-guest" / "py",
        ROOT / "python" / "codemode",
    ]
    files = (path for folder in folders for path in folder.rglob("*") if path.suffix in (".rs", ".py", ".pyi"))
    texts = (path.read_text() for path in files if "snapshots" not in path.parts)
    found = {name for text in texts for name in re.findall(r"\bCODEMODE_[A-Z][A-Z_]*[A-Z]\b", text)}
    return found - set(_FRAGMENTS)


# What the reference says a key is where nobody gives it.
DEFAULTS: dict[str, Any] = {
    "limits.memory_limit": 512 << 20,
    "limits.cpus": 1,
    "limits.processes": 64,
    "limits.open_files": 256,
    "filesystem.sandbox.max_size": None,  # 1 GB, and never above the memory limit
    "filesystem.tmp.max_size": 100 << 20,
    "filesystem.outputs.max_size": 256 << 20,
    "limits.file_size": 256 << 20,
    "limits.output_bytes": 10 << 20,
    "limits.result_bytes": 16 << 20,
    "limits.value_bytes": 16 << 20,
    "limits.max_tool_calls": 1000,
    "limits.max_code_length": 50_000,
    "limits.code_timeout": 30,
    "limits.tool_timeout": 60,
    "limits.total_timeout": 300,
    "max_concurrent_executions": None,  # twice the number of cores
    "queue": 256,
    "isolation.minimum": "none",
    "isolation.require": [],
    "isolation.allow_jit": False,
    "isolation.fresh_interpreter": False,
    "guest.interpreter": None,
    "guest.preload": [],
    "guest.environments": [],
    "pool.min": 1,
    "pool.max": None,
    "pool.environments_memory": 512 << 20,
    "network.mode": "none",
    "network.ports": [80, 443],
    "drain_timeout": 30,
    "log_level": "info",
    "port": 8001,
}
