"""`codemode.prompt()`: each claim is read out of the text, compared with the executor's own words, and carried out."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from codemode import AsyncCodemode, Codemode, ComponentRegistry, ExecutionResult
from codemode.core import ComponentNotFoundError
from e2e.prompt_claims import Claims, claims_of

Policy = dict[str, Any]

# What installs packages, and the client itself.
UNTOLD = {"pip", "setuptools", "wheel", "codemode-runtime"}

# The sizes are small, so that a program reaches them soon.
SMALL: Policy = {
    "limits": {
        "max_tool_calls": 5, "max_code_length": 3000, "memory_limit": "192Mi", "processes": 12, "file_size": "1Mi",
        "output_bytes": "8Ki", "result_bytes": "64Ki", "value_bytes": "32Ki",
    },
    "filesystem": {"sandbox": {"max_size": "4Mi"}, "outputs": {"max_size": "2Mi"}, "tmp": {"max_size": "3Mi"}},
}  # fmt: skip
BRIEF: Policy = {"limits": {"code_timeout": 1.5, "tool_timeout": 0.5, "total_timeout": 4}}
RESTRICTED: Policy = {
    "network": {
        "mode": "restricted", "allowed_domains": ["api.example", "*.files.example"], "ports": [443, 8443],
        "blocked_domains": ["b.files.example"],
    },
}  # fmt: skip
NAMES = ("default", "working", "idle", "restricted", "closed", "small", "brief")


@dataclass
class Case:
    client: Codemode
    text: str
    claims: Claims
    info: dict[str, Any]

    def run(self, code: str, **options: Any) -> ExecutionResult:
        return self.client.execute(code, **options)

    def value(self, code: str, **options: Any) -> Any:
        result = self.run(code, **options)
        assert result.success, str(result)
        return result.result


def weather(location: str, units: str = "metric") -> dict[str, Any]:
    """Current weather of a city.

    Args:
        location: The city.
    """
    return {"location": location, "temperature": 21.5, "units": units}


def registry() -> ComponentRegistry:
    made = ComponentRegistry()
    made.register_tool(weather)
    made.register_tool("wait", _wait, description="Waits.")
    made.register_tool("read-file", lambda path: path, description="Reads a file.")
    return made


def _wait(seconds: float) -> float:
    time.sleep(seconds)  # what the tool is there for
    return seconds


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Policy]:
    workspace = tmp_path_factory.mktemp("workspace")
    (workspace / "data.txt").write_text("one\ntwo\n")
    return {
        "default": {},
        "working": {
            "execution": {"allowed_commands": ["grep", "cat", "bash"]},
            "filesystem": {"workspace": {"mount": str(workspace)}},
        },
        "idle": {"execution": {"allow_direct_execution": True}},
        "restricted": RESTRICTED,
        "closed": {"network": {"mode": "restricted"}},
        "small": SMALL,
        "brief": BRIEF,
    }


@pytest.fixture(scope="module")
def cases(policies: dict[str, Policy]) -> Iterator[Callable[[str], Case]]:
    made: dict[str, Case] = {}

    def case(name: str) -> Case:
        if name not in made:
            client = Codemode.local(policies[name], registry=registry())
            text = client.prompt()
            made[name] = Case(client, text, claims_of(text), client._connection.native.info())
        return made[name]

    yield case
    for each in made.values():
        each.client.close()


@pytest.fixture(params=NAMES)
def case(request: pytest.FixtureRequest, cases: Callable[[str], Case]) -> Case:
    return cases(request.param)


# In every configuration


def test_the_numbers_are_those_of_the_executor(case: Case) -> None:
    limits = case.info["limits"]
    assert case.claims.limits == {name: limits[name] for name in case.claims.limits}
    filesystem = case.info["policy"]["filesystem"]
    assert case.claims.sizes["outputs"] == filesystem["outputs"]["max_size"]
    assert case.claims.sizes["tmp"] == filesystem["tmp"]["max_size"]
    assert case.claims.sizes["file_size"] == limits["file_size"]
    assert case.claims.network == case.info["policy"]["network"]["mode"]
    assert case.claims.commands == case.info["policy"]["execution"]["allowed_commands"]
    assert case.claims.python == case.info["python"]


def test_python_the_result_and_what_is_printed(case: Case) -> None:
    assert case.value("import platform\nplatform.python_version()") == case.claims.python
    assert case.value("result = 1\n2") == 1
    assert case.value("1 + 1") == 2
    assert case.value("import asyncio\nawait asyncio.sleep(0, 'slept')") == "slept"
    assert case.run("print('seen')").stdout == "seen\n"


def test_nothing_is_kept_between_two_runs(case: Case) -> None:
    assert case.value("import os, builtins\nbuiltins.kept = 1\nopen('/sandbox/x', 'w').close()\nos.listdir('/sandbox')")
    assert case.value("import os, builtins\n[os.listdir('/sandbox'), hasattr(builtins, 'kept')]") == [[], False]


def test_the_folders_and_that_the_systems_own_are_read_only(case: Case) -> None:
    code = """
import os, sys
folders = '/ /dev /dev/shm /etc /home /mnt /proc /root /run /sys /usr /usr/lib /var /var/tmp /workspace'.split()
folders += ['/sandbox', '/outputs', '/tmp', sys.prefix, os.path.dirname(os.__file__), os.path.expanduser('~')]
with open('/proc/self/mounts') as mounts:
    folders += [line.split()[1] for line in mounts]
written = set()
for folder in folders:
    try:
        with open(f'{folder}/probe', 'w') as file: file.write('x')
        written.add(os.path.realpath(folder))
    except OSError: pass
[os.getcwd(), sorted(written), os.path.exists('/workspace/data.txt')]
"""
    folder, written, has_data = case.value(code)
    assert folder == "/sandbox"
    # Shared memory is no folder of the system.
    assert written == ["/dev/shm", "/outputs", "/sandbox", "/tmp"]
    assert has_data is case.claims.has_workspace
    artifacts = case.run("open('/outputs/report.txt', 'w').write('x')").artifacts
    assert [artifact.path.rpartition("/")[2] for artifact in artifacts] == ["report.txt"]


def test_the_programs(case: Case) -> None:
    assert case.value("""
def started(*words):
    try:
        import subprocess
        return subprocess.run(words, capture_output=True, text=True).stdout
    except (ImportError, PermissionError) as error: return type(error).__name__
started('ls', '/')
""") == ("PermissionError" if case.claims.subprocess == "starts" else case.claims.subprocess)
    for command in case.claims.commands:
        assert case.value(f"import subprocess\nsubprocess.run(['{command}', '--version']).returncode") == 0


def test_the_network_is_closed_where_that_is_said(case: Case) -> None:
    code = """
import urllib.request
try: urllib.request.urlopen('http://not.listed.example/', timeout=10)
except OSError as error: result = str(error)
"""
    assert case.claims.network in ("none", "restricted")
    assert case.value(code)


def test_the_packages(case: Case) -> None:
    code = """
import importlib.metadata as metadata
[[each.metadata['Name'], each.version] for each in metadata.distributions()]
"""
    installed = {_normal(name): version for name, version in case.value(code)}
    told = dict(package.rsplit(" ", 1) for package in case.claims.packages)
    assert {_normal(name): version for name, version in told.items()}.items() <= installed.items()
    assert len(told) + case.claims.more_packages == len(set(installed) - UNTOLD)
    names = {"idna", "packaging", "numpy", "requests", "iniconfig"} & {_normal(name) for name in told}
    assert names
    imports = "".join(f"import {name}\n" for name in sorted(names))
    assert case.value(f"{imports}[{', '.join(f'{name}.__name__' for name in sorted(names))}]") == sorted(names)


def test_context_and_config_are_read_only_dicts_of_the_application(case: Case) -> None:
    code = """
refused = []
for values in (context, config):
    try: values['x'] = 1
    except TypeError: refused.append(isinstance(values, dict))
[refused, context['user'], config['depth']]
"""
    assert case.value(code, context={"user": "ada"}, config={"depth": 2}) == [[True, True], "ada", 2]


def test_the_calls_that_are_shown(case: Case) -> None:
    shown = re.findall(r"`((?:await )?tools[^`]*)`", case.claims.tools)
    assert shown[1:] == [
        "tools['weather'].run(location=...)",
        "tools.weather(location=...)",
        "await tools['weather'].arun(location=...)",
        "tools['weather'].map([{...}, {...}])",
        "tools.gather(...)",
        "tools['weather'].call(location=...)",
        "tools[...]",
    ]
    oslo = "location='Oslo'"
    run, attribute, arun, _, _, call = (text.replace("location=...", oslo) for text in shown[1:7])
    code = f"[{run}, {attribute}, {arun}, tools.gather({call}, {call})[1]]"
    assert case.value(code) == [weather("Oslo")] * 4
    several = "[{'location': 'Oslo'}, {'location': 'Rome'}]"
    mapped = case.value(f"tools['weather'].map({several})")
    assert mapped == [weather("Oslo"), weather("Rome")]


def test_a_failed_call_says_what_is_wrong(case: Case) -> None:
    code = "try: tools.weather(locaton='Oslo')\nexcept ToolError as error: result = str(error)"
    told = case.value(code, check_tools=False)  # or the check before the run tells it
    assert "location" in told and "units" in told


def test_the_stub_shows_the_tools_that_have_a_name_and_words_the_others(case: Case) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", case.claims.tools, re.MULTILINE | re.DOTALL)
    functions = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.FunctionDef)]
    assert [function.name for function in functions] == ["weather", "wait"]
    assert [argument.arg for argument in functions[0].args.kwonlyargs] == ["location", "units"]
    assert case.claims.tools.endswith("- tools['read-file']: Reads a file. Takes path*: anything.\n")
    assert case.value("tools['read-file'].run(path='x')") == "x"


# In one


def test_listed_commands_start_from_each_other_and_unlisted_ones_from_none(cases: Callable[[str], Case]) -> None:
    case = cases("working")
    assert case.claims.has_workspace
    code = """
import subprocess
shell = lambda script: subprocess.run(['bash', '-c', script], capture_output=True, text=True)
[shell('cat /workspace/data.txt | grep two').stdout, shell('ls /').returncode]
"""
    output, code_of_unlisted = case.value(code)
    assert output == "two\n" and code_of_unlisted != 0


@pytest.mark.parametrize(("name", "kind"), [("default", "ModuleNotFoundError"), ("idle", "PermissionError")])
def test_what_no_program_at_all_means(cases: Callable[[str], Case], name: str, kind: str) -> None:
    assert cases(name).claims.subprocess == kind


def test_what_is_refused_in_a_restricted_network(cases: Callable[[str], Case]) -> None:
    """Nothing leaves the machine: each is refused before a name is looked up."""
    case = cases("restricted")
    claims = case.claims
    assert (claims.domains, claims.ports, claims.blocked) == (
        ["api.example", "*.files.example"], [443, 8443], ["b.files.example"],
    )  # fmt: skip
    urls = [
        f"https://{claims.blocked[0]}/",
        f"http://{claims.domains[0]}/",
        "https://other.example/",
        "https://files.example/",
    ]
    code = f"""
import urllib.request
for url in {urls!r}:
    try: urllib.request.urlopen(url, timeout=20)
    except OSError as error: pass
"""
    reasons = {entry.detail.split(":")[0] for entry in case.run(code).violations}
    assert reasons == {"b.files.example", "api.example", "other.example", "files.example"}


def test_a_restricted_network_without_names_reaches_nothing(cases: Callable[[str], Case]) -> None:
    assert cases("closed").text.count("- Network: nothing can be reached.\n") == 1


def test_sizes_of_files_and_folders(cases: Callable[[str], Case]) -> None:
    case = cases("small")
    sizes = case.claims.sizes
    code = """
import errno
def fill(folder, count, size):
    try:
        for number in range(count):
            with open(f'{folder}/{number}', 'wb') as file: file.write(b'x' * size)
    except OSError as error: return errno.errorcode[error.errno]
"""
    one = sizes["file_size"]
    room = {name: sizes[name] // one for name in ("sandbox", "tmp")}
    assert case.value(f"{code}[fill('/sandbox', 1, {one}), fill('/sandbox', 1, {one + 1})]") == [None, "EFBIG"]
    for folder, count in room.items():
        assert case.value(f"{code}fill('/{folder}', {count - 1}, {one})") is None
        assert case.value(f"{code}fill('/{folder}', {count + 1}, {one})") == "ENOSPC"
    count = sizes["outputs"] // one
    assert len(case.run(f"{code}fill('/outputs', {count - 1}, {one})").artifacts) == count - 1
    over = case.run(f"{code}fill('/outputs', {count + 1}, {one})")
    assert over.result == "ENOSPC" or over.violations or over.warnings, str(over)
    assert sum(artifact.size for artifact in over.artifacts) <= sizes["outputs"]


def test_memory_processes_and_code(cases: Callable[[str], Case]) -> None:
    case = cases("small")
    limits = case.claims.limits
    half, all_of_it = int(limits["memory_limit"]) // 2, int(limits["memory_limit"])
    assert case.value(f"len(bytearray({half}))") == half
    # It stays, for where no control group counts, somebody has to look.
    too_much = f"import time\ndata = bytearray(b'x') * {all_of_it}\nwhile True: time.sleep(1)"
    assert case.run(too_much).outcome in ("memory_limit", "error")
    code = """
import threading
hold = threading.Event()
threads = []
try:
    while len(threads) < 200:
        threads.append(threading.Thread(target=hold.wait, daemon=True))
        threads[-1].start()
except RuntimeError: threads.pop()
hold.set()
result = len(threads) + 1
"""
    assert 2 < case.value(code) <= limits["processes"]
    longest = int(limits["max_code_length"])
    assert case.value("1".ljust(longest)) == 1
    assert case.run("1".ljust(longest + 1)).outcome == "rejected"


def test_output_result_and_values(cases: Callable[[str], Case]) -> None:
    case = cases("small")
    limits = {name: int(value) for name, value in case.claims.limits.items()}
    for stream in ("stdout", "stderr"):
        write = f"import sys\nsys.{stream}.write('x' * {{}})\nNone"
        fits, over = case.run(write.format(limits["output_bytes"])), case.run(write.format(limits["output_bytes"] + 1))
        assert not getattr(fits, f"{stream}_truncated") and len(getattr(fits, stream)) == limits["output_bytes"]
        assert getattr(over, f"{stream}_truncated")
    assert case.run(f"'x' * {limits['result_bytes'] - 100}").success
    assert not case.run(f"'x' * {limits['result_bytes']}").success
    call = (
        "try: result = len(tools['read-file'].run(path='x' * {}))\nexcept ToolError as error: result = error.error_type"
    )
    assert case.value(call.format(limits["value_bytes"] - 100)) == limits["value_bytes"] - 100
    assert case.value(call.format(limits["value_bytes"])) == "ValueTooLarge"


def test_the_number_of_tool_calls(cases: Callable[[str], Case]) -> None:
    case = cases("small")
    most = int(case.claims.limits["max_tool_calls"])
    calls = "for _ in range({}): tools.weather(location='Oslo')"
    assert len(case.run(calls.format(most)).tool_calls) == most
    assert case.run(calls.format(most)).success
    assert case.run(calls.format(most + 1)).outcome == "tool_call_limit"


def test_the_times(cases: Callable[[str], Case]) -> None:
    case = cases("brief")
    limits = case.claims.limits
    running = case.run("while True: pass")
    assert running.outcome in ("timeout", "cpu_limit") and f"{limits['code_timeout']:g}" in str(running)
    slow = f"try: tools.wait(seconds={limits['tool_timeout'] * 20})\nexcept ToolError as error: result = str(error)"
    assert f"{limits['tool_timeout']:g}" in case.value(slow)
    # The time that tools take is not the code's own, until all of it is over.
    each = limits["tool_timeout"] * 0.8
    count = int(limits["code_timeout"] / each) + 1
    assert case.value(f"[tools.wait(seconds={each}) for _ in range({count})]") == [each] * count
    whole = case.run(f"while True: tools.wait(seconds={each})")
    assert whole.outcome == "timeout" and f"{limits['total_timeout']:g}" in str(whole)


# The text itself


def test_two_clients_and_two_processes_get_the_same_text(
    cases: Callable[[str], Case], policies: dict[str, Policy]
) -> None:
    text = cases("working").text
    program = """
import json, sys
from codemode import Codemode
from e2e.test_prompt import registry
with Codemode.local(json.loads(sys.argv[1]), registry=registry()) as client:
    print(client.prompt(), end='')
"""
    folders = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(folders)}
        words = [sys.executable, "-c", program, json.dumps(policies["working"])]
        assert subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout == text

    async def other() -> str:
        async with AsyncCodemode.local(policies["working"], registry=registry()) as client:
            return await client.prompt()

    assert asyncio.run(other()) == text


def test_a_filter_and_a_scope_show_fewer_tools(cases: Callable[[str], Case]) -> None:
    client = cases("default").client
    text = client.prompt(tool_filter=["wait"])
    assert "def wait(" in text and "weather" not in text and "read-file" not in text
    assert "There are none." in client.prompt(tool_filter=[])
    with pytest.raises(ComponentNotFoundError, match="did you mean 'weather'"):
        client.prompt(tool_filter=["wether"])


def test_it_can_be_asked_for_from_many_threads(cases: Callable[[str], Case]) -> None:
    case = cases("default")
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append(case.client.prompt())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == [case.text] * 8


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
