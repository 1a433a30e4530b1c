"""What `codemode.prompt()` claims, read out of its text: a line that is not understood is an error."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = r"(\d+ (?:bytes|KiB|MiB|GiB))"
_SECONDS = r"(\d+(?:\.\d+)?) s"

_INTRODUCTION = re.compile(
    r"# Running Python\n\nThe code is run by CPython (\S+) in a sandbox of its own\. Nothing is kept between two runs\."
)
_RESULT = re.compile(
    r"The result is the value of the variable `result`, or of the last expression where there is no such variable\. "
    r"What is printed is returned too\. Top-level `await` works\."
)
_FILES = re.compile(
    rf"Files: the current folder is `/sandbox`, for up to {_SIZE}\."
    r"( `/workspace` holds the project's files and is read-only\.)?"
    rf" Files put into `/outputs` are handed over, up to {_SIZE}\. `/tmp` takes {_SIZE}\."
    rf" The system's own folders are read-only\. One file can have {_SIZE}\."
)
_NO_SUBPROCESS = "Programs: none can be started, and `import subprocess` raises ModuleNotFoundError."
_NO_PROGRAM = "Programs: none can be started; `subprocess` raises PermissionError."
_PROGRAMS = re.compile(
    r"Programs: `subprocess` can start (.+) and no others, nor can these\. Another one raises PermissionError\."
)
_NETWORK = re.compile(
    r"Network: HTTP and TLS to (?P<domains>.+) on ports? (?P<ports>[\d, ]*\d)(?:, but not (?P<blocked>.+))?; "
    r"nothing else\."
)
_NETWORKS = {"Network: none.": "none", "Network: open.": "all", "Network: nothing can be reached.": "restricted"}
_NO_PACKAGES = "Packages: the standard library only."
_PACKAGES = re.compile(
    r"Packages besides the standard library: (.+?)"
    r"(?:, and (\d+) more that `importlib\.metadata\.distributions\(\)` lists)?\."
)
_LIMITS = re.compile(
    rf"Limits: {_SECONDS} of running, not counting the time that tools take; {_SECONDS} for each tool call, "
    rf"{_SECONDS} in all\. {_SIZE} of memory, (\d+) processes and threads\. {_SIZE} on each of stdout and stderr, "
    rf"{_SIZE} for the result, {_SIZE} for each tool's arguments and for its answer\. (\d+) tool calls\. "
    r"(\d+) characters of code\."
)
_CONTEXT = "`context` and `config` are read-only dicts from the application."


@dataclass
class Claims:
    """`sizes` are bytes, `subprocess` is what importing it and starting something comes to."""

    python: str
    sizes: dict[str, int]
    has_workspace: bool
    subprocess: str
    commands: list[str]
    network: str
    domains: list[str]
    ports: list[int]
    blocked: list[str]
    packages: list[str]
    more_packages: int
    limits: dict[str, float]
    tools: str = field(repr=False)


def claims_of(prompt: str) -> Claims:
    head, separator, tools = prompt.partition("\n# Tools\n\n")
    assert separator, prompt
    introduction, _, listed = head.partition("\n\n- ")
    python = _whole(_INTRODUCTION, introduction)[1]
    result, files, programs, network, packages, limits, context = listed.rstrip("\n").split("\n- ")
    _whole(_RESULT, result)
    assert context == _CONTEXT, context
    sandbox, workspace, outputs, tmp, file_size = _whole(_FILES, files).groups()
    sizes = {"sandbox": sandbox, "outputs": outputs, "tmp": tmp, "file_size": file_size}
    subprocess, commands = _programs(programs)
    mode, domains, ports, blocked = _network(network)
    names, more = _packages(packages)
    return Claims(
        python=python,
        sizes={name: size(text) for name, text in sizes.items()},
        has_workspace=bool(workspace),
        subprocess=subprocess,
        commands=commands,
        network=mode,
        domains=domains,
        ports=ports,
        blocked=blocked,
        packages=names,
        more_packages=more,
        limits=_limits(limits),
        tools=tools,
    )


def size(text: str) -> int:
    number, unit = text.split()
    return int(number) * _UNITS[unit]


def _whole(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    assert match, f"a claim that no test knows: {text!r}"
    return match


def _programs(text: str) -> tuple[str, list[str]]:
    if text in (_NO_SUBPROCESS, _NO_PROGRAM):
        return "ModuleNotFoundError" if text == _NO_SUBPROCESS else "PermissionError", []
    return "starts", _whole(_PROGRAMS, text)[1].split(", ")


def _network(text: str) -> tuple[str, list[str], list[int], list[str]]:
    if text in _NETWORKS:
        return _NETWORKS[text], [], [], []
    found = _whole(_NETWORK, text)
    blocked = found["blocked"].split(", ") if found["blocked"] else []
    return "restricted", found["domains"].split(", "), [int(port) for port in found["ports"].split(", ")], blocked


def _packages(text: str) -> tuple[list[str], int]:
    if text == _NO_PACKAGES:
        return [], 0
    found = _whole(_PACKAGES, text)
    return found[1].split(", "), int(found[2] or 0)


def _limits(text: str) -> dict[str, float]:
    code, tool, total, memory, processes, output, result, value, calls, code_length = _whole(_LIMITS, text).groups()
    return {
        "code_timeout": float(code),
        "tool_timeout": float(tool),
        "total_timeout": float(total),
        "memory_limit": size(memory),
        "processes": int(processes),
        "output_bytes": size(output),
        "result_bytes": size(result),
        "value_bytes": size(value),
        "max_tool_calls": int(calls),
        "max_code_length": int(code_length),
    }
