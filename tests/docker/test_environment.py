"""What the documentation sets by environment, and the plain `docker run` it prints."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from codemode import AuthenticationError, Codemode
from docker import engine
from docker.conftest import Started, client
from docker.container import Container
from docker.engine import Setup

# As the documentation prints it.
PLAIN = r"""docker run -d \
  -p 8001:8001 \
  -e CODEMODE_API_KEY=your-secret-key \
  -e CODEMODE_MAX_EXEC_TIME=60 \
  -e CODEMODE_MEMORY_LIMIT=512m \
  codemode/executor:latest
"""
_MIB = 1 << 20


def _fill(mebibytes: int) -> str:
    return f"len(bytearray(b'x') * ({mebibytes} << 20))"


def _assert_bounds(codemode: Codemode, memory: int, seconds: int) -> None:
    assert codemode.execute(_fill(memory // 2)).result == memory // 2 * _MIB
    assert codemode.execute(_fill(memory + 100)).outcome == "memory_limit"
    result = codemode.execute("1", execution_timeout=seconds + 30)
    assert any(f"{seconds} s" in warning and "code_timeout" in warning for warning in result.warnings), result.warnings


@pytest.fixture(scope="module")
def plain() -> Iterator[Container]:
    with engine.run_command(PLAIN, 8001) as container:
        yield container


def test_the_plain_command_takes_its_key(plain: Container) -> None:
    with client(plain, "your-secret-key") as codemode:
        assert codemode.execute("2 + 2").result == 4
    for wrong in (None, "your-secret-kez"):
        with client(plain, wrong) as codemode, pytest.raises(AuthenticationError):
            codemode.execute("2 + 2")


def test_the_plain_command_takes_its_limits(plain: Container) -> None:
    with client(plain, "your-secret-key") as codemode:
        _assert_bounds(codemode, memory=512, seconds=60)


@pytest.fixture(scope="module")
def tuned(setup: Setup, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    base = tmp_path_factory.mktemp(f"{setup.name}-tuned")
    (base / "workspace").mkdir()
    (base / "outputs").mkdir()
    env = {"CODEMODE_MAX_EXEC_TIME": "1", "CODEMODE_MEMORY_LIMIT": "96m", "CODEMODE_PORT": "9123"}
    with engine.run(setup, base / "workspace", base / "outputs", env) as container:
        yield container


def test_limits_from_the_environment_hold(tuned: Container) -> None:
    with client(tuned) as codemode:
        _assert_bounds(codemode, memory=96, seconds=1)
        assert codemode.execute("while True: pass").outcome in ("timeout", "cpu_limit")


def test_the_health_check_follows_the_port_of_the_environment(tuned: Container) -> None:
    asked = tuned.exec("codemode", "health", "--config", "/etc/codemode/codemode.yaml")
    assert (asked.returncode, asked.stdout) == (0, "serving: http://127.0.0.1:9123\n")


def test_without_a_key_nothing_is_served(start: Started) -> None:
    with pytest.raises(AssertionError, match="CODEMODE_API_KEY: is empty; set a key"):
        start({"CODEMODE_API_KEY": ""})
