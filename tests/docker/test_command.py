"""`codemode docker` from build to remove, on a real engine."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from docker import command, engine
from docker.command import NAME, User, inspect, there
from docker.compose import program
from docker.conftest import Folders
from docker.container import Container, docker
from docker.engine import HARDENED

MINE = "codemode-test/mine:1"
# What confines a container, by the engine's own names.
CONFINEMENT = (
    "CapAdd", "CapDrop", "Privileged", "ReadonlyRootfs", "Tmpfs", "Memory", "NanoCpus", "PidsLimit",
    "PidMode", "IpcMode", "UTSMode", "UsernsMode", "Devices",
)  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image from what is installed here."""
    user = User(tmp_path_factory.mktemp("builder"))
    said = user.docker("build", "--image", MINE, "--base", command.base(), "--", "--network", "none")
    assert said.endswith(f"\nbuilt {MINE} with codemode 0.1.0\nnext: codemode docker start\n"), said
    assert not list(Path(tempfile.gettempdir()).glob("codemode-docker-*"))
    yield MINE
    docker("image", "rm", "--force", MINE)


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    home = tmp_path / "home"
    home.mkdir()
    yield User(home)
    for name in docker("ps", "--all", "--quiet", "--filter", f"name={NAME}").split():
        docker("rm", "--force", "--volumes", name)


def test_from_start_to_remove(user: User, built: str) -> None:
    said = user.docker("start", "--image", built)
    assert said.startswith(f"{NAME} is started\n  address  http://127.0.0.1:8001\n  tier     full\n"), said
    assert user.code("import os\n[6 * 7, os.getuid() != 0]") == "[42,true]\n"
    assert user.docker("start").startswith(f"{NAME} is running already\n")
    serving = user.docker("status")
    assert serving == (
        f"{NAME}: serving\n  address  http://127.0.0.1:8001\n  tier     full\n  image    {built}\n  version  0.1.0\n"
    )
    assert user.docker("stop") == f"{NAME} is stopped; `codemode docker start` starts it again\n"
    assert user.docker("stop") == f"{NAME} is stopped already\n"
    stopped = user.run("docker", "status")
    assert (stopped.returncode, stopped.stdout.splitlines()[0]) == (1, f"{NAME}: stopped, with exit code 0")
    assert user.refused("env")[0] == 1
    assert user.docker("start").startswith(f"{NAME} is started again, as it was made\n")
    assert user.code("'the same key'") == "the same key\n"
    code, text = user.refused("remove")
    assert code == 64 and text == f"{NAME} is running; `codemode docker stop` first, or add --force"
    assert user.docker("remove", "--force") == f"{NAME} is removed, and its key\n"
    assert not there() and user.places == []
    assert user.refused("stop") == (1, f"there is no container {NAME}; make it with `codemode docker start`")
    absent = user.status()
    assert (absent["name"], absent["state"], absent["serving"], absent["address"]) == (NAME, "absent", False, None)


def test_two_starts_at_once_make_one_container(user: User, built: str) -> None:
    with ThreadPoolExecutor() as pool:
        said = sorted(pool.map(lambda _: user.docker("start", "--image", built).splitlines()[0], range(2)))
    assert said == [f"{NAME} is running already", f"{NAME} is started"]
    assert user.code("'one key'") == "one key\n"


def test_the_key_is_in_a_file_and_nowhere_else(user: User, built: str) -> None:
    user.docker("start", "--image", built, "--port", "0")
    file = Path(user.status()["api_key_file"])
    owner = file.stat()
    assert (stat.S_IMODE(owner.st_mode), owner.st_uid) == (0o400, 10001)
    key = file.read_text().strip()
    assert len(key) == 64 and key not in docker("inspect", NAME) + docker("logs", NAME)
    exports = user.docker("env")
    assert key not in exports and f"export CODEMODE_EXECUTOR_API_KEY_FILE={file}\n" in exports
    # Without it nobody comes in.
    url = user.status()["address"]
    outsider = user.run("run", "-", "--url", url)
    assert outsider.returncode == 69 and "key" in outsider.stderr, outsider.stderr


@pytest.mark.parametrize("way", ["variable", "file of a variable", "option"])
def test_the_key_may_be_the_caller_s(user: User, built: str, way: str) -> None:
    key = "k-of-the-caller-7f31"
    (user.home / "key").write_text(f"{key}\n")
    options, variables = {
        "variable": ([], {"CODEMODE_API_KEY": key}),
        "file of a variable": ([], {"CODEMODE_API_KEY_FILE": "key"}),
        "option": (["--api-key-file", "key"], {}),
    }[way]
    user.docker("start", "--image", built, "--port", "0", *options, **variables)
    ran = user.run("docker", "env")
    url = ran.stdout.splitlines()[0].partition("=")[2]
    (user.home / "one.py").write_text("1 + 1")
    asked = user.run("run", "one.py", CODEMODE_EXECUTOR_URL=url, CODEMODE_EXECUTOR_API_KEY=key)
    assert asked.stdout == "2\n", asked.stderr
    assert key not in docker("inspect", NAME)


def test_another_key_is_not_taken_for_the_one_it_has(user: User, built: str) -> None:
    user.docker("start", "--image", built, "--port", "0", CODEMODE_API_KEY="first")
    code, text = user.refused("start", CODEMODE_API_KEY="second")
    assert code == 64 and text == (
        f"{NAME} is there already, and was made with another key; `codemode docker remove --force` first, or choose "
        "another --name"
    )
    assert user.docker("start", CODEMODE_API_KEY="first").startswith(f"{NAME} is running already\n")


def test_it_serves_again_after_docker_restarts_it(user: User, built: str) -> None:
    user.docker("start", "--image", built)
    docker("restart", NAME)
    assert user.docker("start").startswith(f"{NAME} is running already\n")
    assert user.code("'the same key'") == "the same key\n"


def confinement(document: Any) -> dict[str, Any]:
    """Without regard to order and spelling: the two programs that ask the engine have their own."""
    host = document["HostConfig"]
    options = [option.partition("seccomp=") for option in sorted(host["SecurityOpt"])]
    filters = [json.loads(profile) for _, found, profile in options if found]
    named = [option for option, found, _ in options if not found]
    others = {name: host[name] or None for name in CONFINEMENT}
    return {**others, "named": named, "filters": filters, "User": document["Config"]["User"]}


def test_it_is_confined_as_the_compose_file_says(user: User, built: str, folders: Folders) -> None:
    user.docker("start", "--image", built, "--port", "0")
    with engine.run(HARDENED, folders.workspace, folders.outputs) as composed:
        shipped = composed.inspect()
    ours = inspect()

    assert confinement(ours) == confinement(shipped)
    assert ours["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert ours["HostConfig"]["Memory"] == 2 << 30 and ours["Config"]["User"] == "10001:10001"
    (published,) = ours["NetworkSettings"]["Ports"]["8001/tcp"]
    assert published["HostIp"] == "127.0.0.1"


def test_its_folders_and_its_configuration(user: User, built: str, folders: Folders) -> None:
    (user.home / "mine.yaml").write_text(
        # An address and a port for outside of containers: within, they are the command's.
        "host: 127.0.0.1\nport: 9999\nexecution: {allowed_commands: [wc]}\n"
        "filesystem: {workspace: {mount: /workspace}, outputs: {mount: /outputs}}\n"
    )
    results = user.home / "new" / "results"
    options = ["--config", "mine.yaml", "--workspace", str(folders.workspace), "--outputs", str(results)]
    user.docker("start", "--image", built, *options)
    counted = (
        "import subprocess\nsubprocess.run(['wc', '-l', '/workspace/data.txt'], capture_output=True, text=True).stdout"
    )
    assert user.code(counted).strip() == "3 /workspace/data.txt"
    user.code("open('/outputs/report.txt', 'w').write('42')")
    report = results / "report.txt"
    assert report.read_text() == "42" and report.stat().st_uid == 10001
    # The same once more is the same; anything else is not taken for it.
    assert "is running already" in user.docker("start", "--image", built, *options)
    code, text = user.refused("start", "--image", built, "--port", "9001")
    assert code == 64 and text.startswith(f"{NAME} is there already, and was made with other options; "), text


def test_without_a_folder_results_have_no_place(user: User, built: str) -> None:
    user.docker("start", "--image", built)
    assert user.code("import os\nos.listdir('/workspace')") == "[]\n"
    result = json.loads(user.code("open('/outputs/x', 'w').write('1')", "--json"))
    assert result["success"] and result["warnings"] == ["/outputs/x: Read-only file system (os error 30)"], result


def test_the_engine_s_own_options_reach_it(user: User, built: str) -> None:
    user.docker("start", "--image", built, "--memory", "1g", "--cpus", "0.5", "--", "--env", "CODEMODE_MAX_EXEC_TIME=2")
    host = inspect()["HostConfig"]
    assert (host["Memory"], host["NanoCpus"]) == (1 << 30, 500_000_000)
    assert "CODEMODE_MAX_EXEC_TIME=2" in inspect()["Config"]["Env"]


def test_an_executor_with_a_certificate(user: User, built: str) -> None:
    assert user.run("tls", "generate-certs", "--out", "certs").returncode == 0
    certs = user.home / "certs"
    os.chown(certs, 10001, 10001)
    os.chown(certs / "server-key.pem", 10001, 10001)
    files = (
        "--env",
        "CODEMODE_TLS_CERT_FILE=/certs/server.pem",
        "--env",
        "CODEMODE_TLS_KEY_FILE=/certs/server-key.pem",
    )
    more = ("--mount", f"type=bind,source={certs},target=/certs,readonly")
    user.docker("start", "--image", built, "--port", "0", "--", *files, *more)
    address = user.status()["address"]
    assert address.startswith("https://127.0.0.1:")
    assert user.code("1 + 1", "--url", address, "--tls-ca", "certs/ca.pem") == "2\n"


# --- what goes wrong


def test_an_executor_that_does_not_start_says_why_and_is_gone(user: User, built: str) -> None:
    (user.home / "bad.yaml").write_text("limts: {}\n")
    code, text = user.refused("start", "--image", built, "--config", "bad.yaml")
    assert code == 69 and text.startswith(f"the executor in {NAME} "), text
    assert "the last lines of its log:\n  " in text and "limts: unknown key; did you mean `limits`?" in text, text
    assert not there() and user.places == []


def test_a_paused_container_is_told_and_stays_paused(user: User, built: str) -> None:
    user.docker("start", "--image", built, "--port", "0")
    docker("pause", NAME)
    assert user.refused("start") == (64, f"{NAME} is paused; `docker unpause {NAME}` lets it go on")
    assert inspect()["State"]["Status"] == "paused"


def test_what_docker_refuses_is_one_line(user: User, built: str) -> None:
    for options, reason in (
        (["--", "--foo"], "unknown flag: --foo"),
        (["--memory", "much"], "invalid size: 'much'"),
        (["--cpus", "9999"], "Range of CPUs is from"),
    ):
        code, text = user.refused("start", "--image", built, "--port", "0", *options)
        assert code == 69 and "\n" not in text and text.startswith(f"docker cannot make {NAME}: ") and reason in text
    assert not there() and user.places == []


def test_a_key_made_elsewhere_is_not_said_to_be_gone(user: User, built: str) -> None:
    user.docker("start", "--image", built, "--port", "0")
    file = Path(user.status()["api_key_file"])
    other = user.home / "other"
    other.mkdir()
    said = user.docker("remove", "--force", HOME=str(other))
    assert said == f"{NAME} is removed; its key was not made here, and stays in {file}\n" and file.exists()


def test_advice_is_for_the_container_that_it_is_about(user: User) -> None:
    code, text = user.refused("stop", "--name", "second")
    assert (code, text) == (1, "there is no container second; make it with `codemode docker start --name second`")


def test_a_port_that_is_taken(user: User, built: str) -> None:
    user.docker("start", "--image", built)
    code, text = user.refused("start", "--image", built, "--name", f"{NAME}-2")
    assert code == 69
    assert text == "port 8001 of 127.0.0.1 is taken; choose another with --port, or 0 for a free one"
    assert not there(f"{NAME}-2") and [place.name for place in user.places] == [NAME]


def test_an_image_that_is_not_there(user: User) -> None:
    code, text = user.refused("start", "--image", "nowhere/none:1")
    assert code == 69 and text == (
        "there is no image nowhere/none:1 at the engine; make it with `codemode docker build --image nowhere/none:1`"
    )


@pytest.mark.parametrize(
    "words", [["start"], ["stop"], ["remove", "--force"], ["status"], ["env"]], ids=lambda it: it[0]
)
def test_a_container_of_others_is_left_alone(user: User, words: list[str]) -> None:
    docker("create", "--name", NAME, "--network", "none", engine.image())
    code, text = user.refused(*words)
    assert code == 64 and text == (
        f"the container {NAME} was not made by `codemode docker start` and stays as it is; choose another --name"
    )
    assert inspect()["State"]["Status"] == "created"


def test_a_build_that_fails(user: User) -> None:
    ran = user.run("docker", "build", "--image", MINE, "--base", "nowhere/none:1", "--", "--network", "none")
    assert ran.returncode == 69
    assert ran.stderr.endswith(f"codemode: docker build failed; {MINE} is as it was\n"), ran.stderr


# --- what there is


def test_check(user: User, built: str) -> None:
    lines = user.docker("check", "--image", built).splitlines()
    names = [line[2:18].strip() for line in lines[:-2]]
    assert names == ["engine", "user ids", "seccomp", "limits", "user namespaces", "image", "isolation"]
    assert {line[0] for line in lines[:-2]} == {"+"} and lines[-1] == "codemode docker start can run here."
    assert "tier full in a container of this image" in lines[-3]
    lines = user.docker("check", "--image", "nowhere/none:1").splitlines()
    assert lines[-1] == "Next: codemode docker build" and lines[-3].startswith("- image ")


def test_an_image_of_another_version_is_told(user: User, built: str) -> None:
    older = "codemode-test/older:1"
    dockerfile = f"FROM {built}\nLABEL org.opencontainers.image.version=0.0.9\n"
    command.succeed(["docker", "build", "--quiet", "--tag", older, "-"], user.home, user.environment, dockerfile)
    user.docker("start", "--image", older)
    user.docker("stop")
    said = user.run("docker", "status").stdout
    assert said.endswith(
        "  version  0.0.9, and this command is 0.1.0: `codemode docker build`, remove the container and start it\n"
    )
    user.docker("remove")
    docker("image", "rm", older)


def test_the_folder_of_assets_is_enough(user: User) -> None:
    user.docker("assets", "--output", "sidecar")
    folder, image = user.home / "sidecar", "codemode-test/assets:1"
    docker("build", "--tag", image, "--build-arg", f"BASE_IMAGE={command.base()}", "--network", "none", str(folder))
    for name in ("project_files", "outputs"):
        (folder / name).mkdir()
    os.chown(folder / "outputs", 10001, 10001)
    override = folder / "docker-compose.override.yml"
    override.write_text(override.read_text().replace("codemode/executor:latest", image).replace(":8001:8001", "::8001"))
    compose = [*program(), "--project-name", "codemode-assets"]
    environment = {**user.environment, "CODEMODE_API_KEY": engine.KEY}
    try:
        command.succeed([*compose, "up", "--detach"], folder, environment)
        (identity,) = command.succeed([*compose, "ps", "--quiet"], folder, environment).split()
        container = Container(identity, "", lambda: None)
        container.wait_for_log(" serving address=")
        assert "tier=full" in container.logs()
        address = docker("port", identity, "8001").split()[0]
        (user.home / "one.py").write_text("1 + 1")
        asked = user.run("run", "one.py", "--url", f"http://{address}", CODEMODE_EXECUTOR_API_KEY=engine.KEY)
        assert asked.stdout == "2\n", asked.stderr
    finally:
        command.succeed([*compose, "down", "--volumes"], folder, environment)
        docker("image", "rm", "--force", image)


# --- an ordinary user who may use the engine

_UID = 23456


@pytest.fixture
def ordinary() -> Iterator[User]:
    """The engine's socket is this user's as well, while the test runs."""
    socket = Path(os.environ["DOCKER_HOST"].removeprefix("unix://"))
    home = Path(tempfile.mkdtemp())
    os.chown(home, _UID, _UID)
    # The installation may lie where this user cannot go: the parts that an image gets are one as well.
    User(home).docker("assets", "--output", "installed")
    folder, mode = socket.parent, stat.S_IMODE(socket.parent.stat().st_mode)
    owner = socket.stat()
    folder.chmod(0o711)
    os.chown(socket, owner.st_uid, _UID)
    try:
        yield User(home, home / "installed" / "local" / "bin" / "codemode", _UID)
    finally:
        folder.chmod(mode)
        os.chown(socket, owner.st_uid, owner.st_gid)
        if there():
            docker("rm", "--force", "--volumes", NAME)


def test_an_ordinary_user_s_container_is_that_user(ordinary: User, built: str) -> None:
    results = ordinary.home / "results"
    ordinary.docker("start", "--image", built, "--port", "0", "--outputs", "results")
    assert inspect()["Config"]["User"] == f"{_UID}:{_UID}"
    assert ordinary.status()["tier"] == "full"
    ordinary.code("open('/outputs/mine.txt', 'w').write('42')")
    assert (results / "mine.txt").stat().st_uid == results.stat().st_uid == _UID
    ordinary.docker("remove", "--force")
    assert ordinary.places == []


def test_a_folder_that_the_user_may_not_write_to(ordinary: User, built: str) -> None:
    folder = ordinary.home / "of-another"
    folder.mkdir(mode=0o755)
    code, text = ordinary.refused("start", "--image", built, "--port", "0", "--outputs", "of-another")
    assert code == 64 and text == f"--outputs {folder}: Permission denied (os error 13)"
    assert not there() and ordinary.places == []


def test_a_user_who_may_not_use_the_engine(ordinary: User) -> None:
    os.chown(os.environ["DOCKER_HOST"].removeprefix("unix://"), 0, 0)
    code, text = ordinary.refused("status")
    assert code == 69 and text.count("\n") == 0
    assert text.startswith(f"docker: this user may not use the engine at {os.environ['DOCKER_HOST']}; "), text


def test_an_engine_that_does_not_answer(user: User) -> None:
    for words in (["check"], ["build"], ["start"], ["stop"], ["remove"], ["status"], ["env"]):
        code, text = user.refused(*words, DOCKER_HOST="unix:///nowhere/docker.sock")
        assert (code, text.count("\n")) == (69, 0)
        assert text.startswith("docker: no engine answers at unix:///nowhere/docker.sock; start it "), text
