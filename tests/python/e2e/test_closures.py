"""Listed commands work: what each of them needs comes along. One that this machine lacks is said aloud."""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codemode import Codemode
from e2e.conftest import Local
from e2e.daemon import CODEMODE

Shell = Callable[[str], str]
Listed = Callable[..., Shell]


@pytest.fixture
def listed(local: Local) -> Listed:
    """Makes a shell in a sandbox with these commands listed, or says that the machine has no such command."""

    def make(*names: str, **policy: Any) -> Shell:
        for name in names:
            if shutil.which(name) is None:
                warnings.warn(f"`{name}` is not installed: this test DID NOT RUN for it", stacklevel=2)
                pytest.skip(f"`{name}` is not installed")
        client = local({"execution": {"allowed_commands": ["bash", *names]}, **policy})
        return lambda text: output_of(client, text)

    return make


def output_of(client: Codemode, text: str) -> str:
    code = f"import subprocess\nd = subprocess.run(['bash', '-ec', {text!r}], capture_output=True, text=True)\n"
    result = client.execute(code + "(d.returncode, d.stdout, d.stderr)")
    assert result.success and result.result[0] == 0, f"{result} {result.result}"
    return str(result.result[1])


def test_git_makes_clones_and_shows_repositories(listed: Listed, tmp_path: Path) -> None:
    shell = listed("git", "cat", filesystem={"workspace": {"mount": str(tmp_path)}})
    who = "git -c user.name=a -c user.email=a@b"
    subprocess.run(["git", "init", "-q", tmp_path / "repository"], check=True)
    assert (
        shell(f"""
cd /sandbox; git init -q made; cd made; echo one > file; git add file; {who} commit -qm 'a word'
git clone -q /sandbox/made /sandbox/copy; cd /sandbox/copy; cat file; git log --format=%s; git diff HEAD
git -C /workspace/repository status --short; git stash list; git gc -q
""")
        == "one\na word\n"
    )


def test_text_tools(listed: Listed) -> None:
    assert listed("awk")("echo 'a b' | awk '{ print $2 }'") == "b\n"
    assert listed("sed")("echo one > /sandbox/f; sed -i s/one/two/ /sandbox/f; sed p -n /sandbox/f") == "two\n"


def test_jq(listed: Listed) -> None:
    assert listed("jq")("""echo '{"a": [1, 2]}' | jq -c .a""") == "[1,2]\n"


def test_curl_says_itself_that_there_is_no_network(listed: Listed) -> None:
    shell = listed("curl")
    assert shell("curl --version").startswith("curl ")
    # 6: could not resolve the host; 7: could not connect.
    assert shell("curl -s http://localhost:1/ || echo $?").strip() in ("6", "7")
    assert shell("curl -s file:///etc/hostname") == "sandbox\n"


@pytest.mark.parametrize(("letter", "compressor"), [("z", "gzip"), ("j", "bzip2"), ("J", "xz")])
def test_tar_brings_its_compressors(listed: Listed, letter: str, compressor: str) -> None:
    if shutil.which(compressor) is None:
        warnings.warn(f"`{compressor}` is not installed: this test DID NOT RUN for it", stacklevel=1)
        pytest.skip(f"`{compressor}` is not installed")
    shell = listed("tar")
    text = f"cd /sandbox; echo one > f; tar c{letter}f a.tar f; echo two > f; tar x{letter}f a.tar"
    assert shell(f"{text}; read word < f; echo $word") == "one\n"


def test_a_script_brings_its_interpreter_and_what_it_runs(listed: Listed) -> None:
    assert listed("gzip", "gunzip")("cd /sandbox; echo one > f; gzip f; gunzip -c f.gz") == "one\n"


def test_python_is_the_guests_own(local: Local) -> None:
    client = local({"execution": {"allowed_commands": ["python", "python3"]}})
    code = """
import subprocess, sys
asked = 'import sys; print(sys.prefix, sys.version_info[:2])'
def ask(python): return subprocess.run([python, '-c', asked], capture_output=True, text=True).stdout
set(map(ask, ['python', 'python3', sys.executable])) == {f'{sys.prefix} {sys.version_info[:2]}\\n'}
"""
    result = client.execute(code)
    assert result.result is True, str(result)


def test_a_python_of_the_codes_own_stands_behind_the_same_walls(local: Local) -> None:
    client = local({"execution": {"allowed_commands": ["python"]}})
    child = "import os; print(os.path.exists('/etc/shadow'), os.getuid() != 0, flush=True); os.execv('/bin/rm', ['rm'])"
    run = f"subprocess.run(['python', '-c', {child!r}], capture_output=True, text=True)"
    result = client.execute(f"import subprocess\ndone = {run}\n(done.stdout, done.stderr)")
    assert result.success, str(result)
    out, errors = result.result
    assert out == "False True\n" and "Permission denied" in errors


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A package with a native part; which one does not matter, nothing loads it."""
    native = next(Path(str(sysconfig.get_config_var("DESTSHARED"))).glob("*.so"))
    name = "tiny-1.0.dist-info"
    files = {
        "tiny/__init__.py": "VALUE = 7\n",
        f"{name}/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        f"{name}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in files.items():
            archive.writestr(member, text)
        archive.write(native, "tiny/native.so")
        members = [*files, "tiny/native.so", f"{name}/RECORD"]
        archive.writestr(f"{name}/RECORD", "".join(f"{member},,\n" for member in members))
    return path


INSTALL = """
import subprocess, sys
words = ['pip', 'install', '--quiet', '--no-index', '--no-deps', '--target', '/sandbox/lib', '/workspace/WHEEL']
done = subprocess.run(words, capture_output=True, text=True)
assert done.returncode == 0, done.stderr
sys.path.insert(0, '/sandbox/lib')
"""


def test_pip_installs_what_is_python_and_says_where_the_rest_belongs(local: Local, wheel: Path) -> None:
    policy = {
        "execution": {"allowed_commands": ["pip"]},
        "filesystem": {"workspace": {"mount": str(wheel.parent)}},
    }
    client = local(policy)
    ask = "import subprocess\nsubprocess.run(['pip', QUESTION], capture_output=True, text=True, check=True).stdout"
    assert client.execute(ask.replace("QUESTION", "'--version'")).result.startswith("pip ")
    assert "pip" in client.execute(ask.replace("QUESTION", "'list'")).result
    install = INSTALL.replace("WHEEL", wheel.name)
    assert client.execute(f"{install}import tiny\ntiny.VALUE").result == 7
    failed = client.execute(f"{install}import tiny.native")
    assert failed.error and failed.error.error_type == "ImportError", str(failed)
    assert "install the package into the environment" in failed.error.message
    assert "install the package into the environment" in failed.error.traceback


def test_doctor_prints_the_closure_of_each_listed_command(tmp_path: Path) -> None:
    config = tmp_path / "codemode.yaml"
    config.write_text("execution: {allowed_commands: [bash, wc, python]}\n")
    words = [str(CODEMODE), "doctor", "--config", str(config)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Commands of {config}" in done.stdout and "note: a shell:" in done.stdout
    document = json.loads(subprocess.run([*words, "--json"], capture_output=True, text=True, timeout=60).stdout)
    commands = {command["name"]: command for command in document["policy"]["commands"]}
    assert set(commands) == {"bash", "wc", "python"}
    assert all(command["loader"] and command["libraries"] for command in commands.values())
    config.write_text("execution: {allowed_commands: [grpe]}\n")
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 69 and "did you mean" in done.stdout, done.stdout
