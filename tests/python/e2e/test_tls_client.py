"""TLS from the client's side. Each way to fail says the same in Python, in `codemode run` and in `codemode health`."""

from __future__ import annotations

import datetime
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from codemode import (
    AuthenticationError,
    ClientConfig,
    Codemode,
    CodemodeError,
    ConfigError,
    ExecutorConnectionError,
    ExecutorTimeoutError,
)
from e2e.daemon import CODEMODE, KEY, Daemon

Settings = dict[str, Any]

# The words of the command line for the keys of `tls`.
_OPTIONS = {"ca_file": "--tls-ca", "client_cert_file": "--tls-cert", "client_key_file": "--tls-key"}


@dataclass
class Pair:
    """A certificate and its key, as files."""

    cert: Path
    key: Path

    @classmethod
    def write(cls, certificate: trustme.LeafCert, folder: Path, name: str) -> Pair:
        pair = cls(folder / f"{name}.pem", folder / f"{name}.key")
        pair.put(certificate)
        return pair

    def put(self, certificate: trustme.LeafCert) -> None:
        certificate.private_key_pem.write_to_path(str(self.key))
        self.key.chmod(0o600)
        self.cert.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))

    @property
    def client(self) -> Settings:
        return {"client_cert_file": str(self.cert), "client_key_file": str(self.key)}


class Authority:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.bundle = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.bundle))
        self.server = Pair.write(self.ca.issue_cert("localhost", "127.0.0.1"), folder, "server")
        self.client = Pair.write(self.ca.issue_cert("client"), folder, "client")

    @property
    def trusted(self) -> Settings:
        return {"ca_file": str(self.bundle)}

    def valid(self, name: str, first: int, last: int) -> Pair:
        dates = [datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc) for year in (first, last)]
        leaf = self.ca.issue_cert("localhost", "127.0.0.1", not_before=dates[0], not_after=dates[1])
        return Pair.write(leaf, self.folder, name)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("strangers"))


@contextmanager
def serving(folder: Path, pair: Pair, clients: Path | None = None, **variables: str) -> Iterator[Daemon]:
    """An executor that speaks TLS, and lets only clients of this CA in."""
    tls = {"cert_file": str(pair.cert), "key_file": str(pair.key)}
    tls |= {"ca_file": str(clients)} if clients else {}
    with Daemon(folder, {"tls": tls}, **variables) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def secure(ours: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with serving(tmp_path_factory.mktemp("secure"), ours.server) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def mutual(ours: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with serving(tmp_path_factory.mktemp("mutual"), ours.server, clients=ours.bundle) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("plain")) as daemon:
        yield daemon


def url(daemon: Daemon, scheme: str = "https", host: str = "127.0.0.1") -> str:
    return f"{scheme}://{host}:{daemon.port}"


def connect(url: str, tls: Settings | None = None, key: str | None = KEY) -> Codemode:
    return Codemode.from_client_config({"executor_url": url, "executor_api_key": key, "tls": tls or {}})


def command(verb: list[str], url: str, tls: Settings, **environ: str) -> subprocess.CompletedProcess[str]:
    options = [word for key, value in tls.items() for word in (_OPTIONS[key], value)]
    environment = {"PATH": "/usr/bin:/bin", **environ}
    arguments = [str(CODEMODE), *verb, "--url", url, *options]
    return subprocess.run(arguments, input="2 + 2", capture_output=True, text=True, timeout=60, env=environment)


def refusal(url: str, tls: Settings | None = None, **environ: str) -> CodemodeError:
    """What everybody is told who comes with these settings: the exit codes differ, the words do not."""
    with pytest.raises(CodemodeError) as caught, connect(url, tls) as codemode:
        codemode.execute("2 + 2")
    error, said = caught.value, f"codemode: {caught.value}\n"
    usage = isinstance(error, ConfigError)
    for verb, exit_code in ((["run", "-"], 64 if usage else 69), (["health"], 64 if usage else 1)):
        ran = command(verb, url, tls or {}, CODEMODE_EXECUTOR_API_KEY=KEY, **environ)
        assert (ran.returncode, ran.stdout, ran.stderr) == (exit_code, "", said), verb
    assert not error.retryable and error.execution_id is None
    return error


# --- what works


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_ca_of_ones_own(secure: Daemon, ours: Authority, scheme: str, host: str) -> None:
    config = ClientConfig(
        executor_url=url(secure, scheme, host),
        executor_api_key=KEY,  # type: ignore[arg-type]
        tls_enabled=True,
        tls_cert_path=str(ours.bundle),
    )
    with Codemode.from_client_config(config) as codemode:
        assert codemode.execute("2 + 2").result == 4
        assert codemode.health_check() and codemode.ready_check()


def test_the_roots_of_this_machine(secure: Daemon, ours: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.bundle))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with connect(url(secure), {"mode": "system"}) as codemode:
        assert codemode.execute("2 + 2").result == 4


def test_both_sides_show_a_certificate(mutual: Daemon, ours: Authority) -> None:
    settings = ours.trusted | ours.client.client
    with connect(url(mutual), settings) as codemode:
        assert codemode.execute("2 + 2").result == 4
    ran = command(["run", "-"], url(mutual), settings, CODEMODE_EXECUTOR_API_KEY=KEY)
    assert (ran.returncode, ran.stdout) == (0, "4\n"), ran.stderr


def test_the_command_line_and_the_environment(mutual: Daemon, ours: Authority, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    settings = {
        "CODEMODE_EXECUTOR_API_KEY_FILE": str(tmp_path / "key"),
        "CODEMODE_TLS_ENABLED": "true",
        "CODEMODE_TLS_CA_FILE": str(ours.bundle),
        "CODEMODE_TLS_CLIENT_CERT_FILE": str(ours.client.cert),
        "CODEMODE_TLS_CLIENT_KEY_FILE": str(ours.client.key),
    }
    ran = command(["run", "-"], url(mutual), {}, **settings)
    assert (ran.returncode, ran.stdout) == (0, "4\n"), ran.stderr
    ran = command(["health"], url(mutual), {}, **settings)
    assert (ran.returncode, ran.stdout) == (0, f"serving: {url(mutual)}\n"), ran.stderr
    with_key = ["health", "--api-key-file", str(tmp_path / "key")]
    ran = command(with_key, url(mutual), ours.trusted | ours.client.client)
    assert (ran.returncode, ran.stdout) == (0, f"serving: {url(mutual)}\n"), ran.stderr


def test_certificates_for_development(tmp_path: Path) -> None:
    """As the documentation shows it, from nothing to both sides known to each other."""
    made = subprocess.run(
        [CODEMODE, "tls", "generate-certs", "--out", tmp_path / "certs", "--client", "alice"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    certs = tmp_path / "certs"
    server = Pair(certs / "server.pem", certs / "server-key.pem")
    alice = Pair(certs / "alice.pem", certs / "alice-key.pem")
    trusted = {"ca_file": str(certs / "ca.pem")}
    with serving(tmp_path, server, clients=certs / "ca.pem") as daemon:
        for host in ("localhost", "127.0.0.1"):
            with connect(url(daemon, host=host), trusted | alice.client) as codemode:
                assert codemode.execute("2 + 2").result == 4
        # The executor's own certificate is none of a client.
        with pytest.raises(AuthenticationError) as caught, connect(url(daemon), trusted | server.client) as codemode:
            codemode.execute("2 + 2")
    assert "it is not for clients (extended key usage clientAuth)" in str(caught.value)


def test_health_asks_where_the_same_file_would_serve(ours: Authority, tmp_path: Path) -> None:
    """As a container's HEALTHCHECK does: it knows the executor's certificate, whatever names are in it."""
    pair = Pair.write(ours.ca.issue_cert("executor.example"), tmp_path, "executor")
    with serving(tmp_path, pair) as daemon:

        def health(*options: str, **environ: str) -> subprocess.CompletedProcess[str]:
            arguments = [CODEMODE, "health", "--config", tmp_path / "policy.yaml", *options]
            environment = {"PATH": "/usr/bin:/bin", "CODEMODE_PORT": str(daemon.port), **environ}
            return subprocess.run(arguments, capture_output=True, text=True, timeout=60, env=environment, check=False)

        ran = health()
        assert (ran.returncode, ran.stdout) == (0, f"serving: {url(daemon)}\n"), ran.stderr
        # A CA that is named is asked, and then names matter.
        ran = health("--tls-ca", str(ours.bundle))
        assert ran.returncode == 1 and "its certificate is for executor.example, not for 127.0.0.1" in ran.stderr
        # Somebody else's executor is at this port.
        ran = health(CODEMODE_TLS_CERT_FILE=str(ours.server.cert), CODEMODE_TLS_KEY_FILE=str(ours.server.key))
        assert ran.returncode == 1 and f"it is not the one in {ours.server.cert}" in ran.stderr


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_both_sides_of_a_fork_work(secure: Daemon, ours: Authority) -> None:
    """The child says no farewell on the parent's connection, and makes one of its own."""
    with connect(url(secure), ours.trusted) as codemode:
        assert codemode.execute("1").result == 1
        child = os.fork()
        if child == 0:
            worked = codemode.execute("2 + 2").result == 4
            os._exit(0 if worked else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert codemode.execute("3").result == 3


def test_a_tool_is_called_over_tls(secure: Daemon, ours: Authority) -> None:
    with connect(url(secure), ours.trusted) as codemode:
        codemode.registry.register_tool("double", lambda number: number * 2, description="Twice the number.")
        assert codemode.execute("tools['double'].run(number=21)").result == 42


def test_many_at_once(secure: Daemon, ours: Authority) -> None:
    with connect(url(secure), ours.trusted) as codemode:
        big = codemode.execute("print('x' * 3_000_000, end='')\n'y' * 3_000_000")
        assert (len(big.stdout), len(big.result)) == (3_000_000, 3_000_000)


# --- keys


@pytest.mark.parametrize("key", [None, "wrong"])
def test_a_wrong_key_or_none(secure: Daemon, ours: Authority, tmp_path: Path, key: str | None) -> None:
    with pytest.raises(AuthenticationError) as caught, connect(url(secure), ours.trusted, key) as codemode:
        codemode.execute("2 + 2")
    assert caught.value.code == "unauthenticated"
    start = f"the executor at {url(secure)} refused "
    way_out = "the API key. Use the key it was started with" if key else "the connection: it wants an API key and none"
    assert str(caught.value).startswith(start + way_out)
    environment = {"CODEMODE_EXECUTOR_API_KEY": key} if key else {}
    ran = command(["run", "-"], url(secure), ours.trusted, **environment)
    assert (ran.returncode, ran.stdout, ran.stderr) == (69, "", f"codemode: {caught.value}\n")
    if key:
        (tmp_path / "key").write_text(key)
        ran = command(["health", "--api-key-file", str(tmp_path / "key")], url(secure), ours.trusted)
        assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", f"codemode: {caught.value}\n")


def test_two_keys_at_once_and_one_after_the_other(ours: Authority, tmp_path: Path) -> None:
    """The new key joins, the clients change over, the old one goes, under one executor that never stops."""
    keys = tmp_path / "keys"
    keys.write_text("old-key-5a0c9e\n")
    keys.chmod(0o600)
    tls = {"cert_file": str(ours.server.cert), "key_file": str(ours.server.key)}
    with Daemon(tmp_path, {"tls": tls}, key=None, CODEMODE_API_KEY_FILE=str(keys)) as daemon:

        def accepted(key: str) -> bool:
            with connect(url(daemon), ours.trusted, key) as codemode:
                try:
                    return bool(codemode.execute("2 + 2").result == 4)
                except AuthenticationError:
                    return False

        def told(content: str, key: str, wanted: bool) -> None:
            keys.write_text(content)
            daemon.process.send_signal(signal.SIGHUP)
            while accepted(key) is not wanted:
                pass  # pytest's own limit ends this

        assert accepted("old-key-5a0c9e") and not accepted("new-key-71bd33")
        with connect(url(daemon), ours.trusted, "old-key-5a0c9e") as living:
            assert living.execute("1").result == 1
            told("old-key-5a0c9e\nnew-key-71bd33\n", "new-key-71bd33", True)
            assert accepted("old-key-5a0c9e")
            told("new-key-71bd33\n", "old-key-5a0c9e", False)
            assert accepted("new-key-71bd33")


# --- the executor's certificate


def test_an_expired_certificate(ours: Authority, tmp_path: Path) -> None:
    with serving(tmp_path, ours.valid("expired", 2020, 2021)) as daemon:
        error = refusal(url(daemon), ours.trusted)
        with connect(url(daemon), ours.trusted) as codemode:
            assert codemode.health_check() is False
    assert isinstance(error, ExecutorConnectionError) and error.code == "tls_certificate_expired"
    assert str(error) == (
        f"cannot connect to the executor at {url(daemon)}: its certificate expired at 2021-01-01T00:00:00Z. "
        "Put a new one into the executor's tls.cert_file"
    )


def test_a_certificate_of_the_future(ours: Authority, tmp_path: Path) -> None:
    with serving(tmp_path, ours.valid("future", 4000, 4001)) as daemon:
        error = refusal(url(daemon), ours.trusted)
    assert isinstance(error, ExecutorConnectionError) and error.code == "tls_certificate_not_yet_valid"
    assert str(error) == (
        f"cannot connect to the executor at {url(daemon)}: its certificate is not valid before "
        "4000-01-01T00:00:00Z. Look whether the clocks of both machines are right"
    )


def test_a_certificate_for_another_host(ours: Authority, tmp_path: Path) -> None:
    pair = Pair.write(ours.ca.issue_cert("executor.example", "10.0.0.1"), tmp_path, "elsewhere")
    with serving(tmp_path, pair) as daemon:
        error = refusal(url(daemon, host="localhost"), ours.trusted)
    assert isinstance(error, ExecutorConnectionError) and error.code == "tls_wrong_host_name"
    assert str(error) == (
        f"cannot connect to the executor at {url(daemon, host='localhost')}: its certificate is for "
        "executor.example, 10.0.0.1, not for localhost. Use a name of the certificate in the URL, or put one for "
        "localhost into the executor's tls.cert_file"
    )


def test_a_certificate_of_an_unknown_ca(secure: Daemon, strangers: Authority) -> None:
    error = refusal(url(secure), strangers.trusted)
    assert isinstance(error, ExecutorConnectionError) and error.code == "tls_unknown_issuer"
    assert str(error) == (
        f"cannot connect to the executor at {url(secure)}: its certificate comes from no CA in {strangers.bundle}. "
        "Set tls.ca_file (tls_cert_path, CODEMODE_TLS_CA_FILE, --tls-ca) to the certificate of the CA that issued it"
    )


def test_a_certificate_that_this_machine_does_not_trust(
    secure: Daemon, strangers: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(strangers.bundle))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    error = refusal(url(secure), SSL_CERT_FILE=str(strangers.bundle))
    assert isinstance(error, ExecutorConnectionError) and error.code == "tls_unknown_issuer"
    assert "comes from no CA that this machine trusts (a private CA, or self-signed). Set tls.ca_file" in str(error)


def test_a_machine_that_trusts_nobody(secure: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nothing").touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing"))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    error = refusal(url(secure), SSL_CERT_FILE=str(tmp_path / "nothing"))
    assert isinstance(error, ConfigError)
    assert "no root certificates were found on this machine" in str(error) and "or set tls.ca_file" in str(error)


# --- who speaks TLS


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_without_tls_to_a_port_with_tls(secure: Daemon, scheme: str) -> None:
    error = refusal(url(secure, scheme))
    assert isinstance(error, ExecutorConnectionError) and error.code == "tls_required"
    assert str(error) == f"the executor at {url(secure, scheme)} speaks TLS: use {url(secure, scheme + 's')}"


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_with_tls_to_a_port_without(plain: Daemon, ours: Authority, scheme: str) -> None:
    error = refusal(url(plain, scheme + "s"), ours.trusted)
    assert isinstance(error, ExecutorConnectionError) and error.code == "tls_not_spoken"
    assert str(error) == (
        f"the executor at {url(plain, scheme + 's')} does not speak TLS: use {url(plain, scheme)} if you trust the "
        "network, or set the executor's tls.cert_file and tls.key_file"
    )


def test_a_peer_that_never_answers_the_handshake(ours: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = {"executor_url": f"https://127.0.0.1:{silent.getsockname()[1]}", "timeout": 1, "tls": ours.trusted}
        with Codemode.from_client_config(config) as codemode, pytest.raises(CodemodeError) as caught:
            codemode.execute("2 + 2")
    assert isinstance(caught.value, ExecutorTimeoutError) and "no sign of life from the executor" in str(caught.value)


# --- the client's certificate


def test_no_certificate_where_one_is_wanted(mutual: Daemon, ours: Authority) -> None:
    error = refusal(url(mutual), ours.trusted)
    assert isinstance(error, AuthenticationError) and error.code == "tls_client_certificate_required"
    assert str(error) == (
        f"the executor at {url(mutual)} wants a certificate of the client and none was given. Set "
        "tls.client_cert_file (CODEMODE_TLS_CLIENT_CERT_FILE, --tls-cert) and tls.client_key_file "
        "(CODEMODE_TLS_CLIENT_KEY_FILE, --tls-key)"
    )


def test_a_certificate_that_the_executor_does_not_accept(mutual: Daemon, ours: Authority, strangers: Authority) -> None:
    for pair, reason in (
        (strangers.client, "the executor does not know the CA that issued it"),
        (ours.valid("past", 2020, 2021), "it has expired, or is not valid yet"),
    ):
        error = refusal(url(mutual), ours.trusted | pair.client)
        assert isinstance(error, AuthenticationError) and error.code == "tls_client_certificate_refused"
        start = f"the executor at {url(mutual)} refused the client certificate {pair.cert}: {reason}. "
        assert str(error).startswith(f"{start}Set tls.client_cert_file ")


# --- files


def test_files_that_cannot_be_used(secure: Daemon, ours: Authority, strangers: Authority, tmp_path: Path) -> None:
    (tmp_path / "words.pem").write_text("no certificate in here\n")
    mixed = {"client_cert_file": str(ours.client.cert), "client_key_file": str(strangers.client.key)}
    for tls, words in (
        ({"ca_file": "/no/such.pem"}, "cannot read /no/such.pem: No such file or directory"),
        ({"ca_file": str(tmp_path / "words.pem")}, "there is no certificate in"),
        (mixed, f"the key in {strangers.client.key} is not the key of the certificate in {ours.client.cert}"),
    ):
        error = refusal(url(secure), tls)
        assert isinstance(error, ConfigError) and error.code == "config" and words in str(error)


# --- what changes under a living client


def test_the_executors_certificate_is_replaced_under_a_client(
    ours: Authority, strangers: Authority, tmp_path: Path
) -> None:
    """What runs goes on; a new connection sees the new certificate, and the client's new bundle."""
    pair = Pair.write(ours.ca.issue_cert("127.0.0.1"), tmp_path, "server")
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(ours.bundle.read_bytes())
    with serving(tmp_path, pair) as daemon, connect(url(daemon), {"ca_file": str(bundle)}) as codemode:
        assert codemode.execute("2 + 2").result == 4
        pair.put(strangers.ca.issue_cert("127.0.0.1"))
        daemon.process.send_signal(signal.SIGHUP)
        while not accepts(daemon, strangers):
            assert codemode.execute("2 + 2").result == 4
        # The connection outlives the certificate that it began with.
        assert codemode.execute("2 + 2").result == 4
        with (
            pytest.raises(ExecutorConnectionError, match="comes from no CA in"),
            connect(url(daemon), ours.trusted) as late,
        ):
            late.execute("2 + 2")
        bundle.write_bytes(strangers.bundle.read_bytes())
        with connect(url(daemon), {"ca_file": str(bundle)}) as late:
            assert late.execute("2 + 2").result == 4


def accepts(daemon: Daemon, authority: Authority) -> bool:
    with connect(url(daemon), authority.trusted) as codemode:
        return codemode.health_check()


def test_a_client_takes_its_new_files_when_it_connects_again(ours: Authority, tmp_path: Path) -> None:
    """The certificate of the client expires and is replaced, and the application never restarts."""
    pair = Pair.write(ours.ca.issue_cert("client"), tmp_path, "client")
    past = ours.valid("past-client", 2020, 2021)
    with serving(tmp_path, ours.server, clients=ours.bundle) as daemon:
        codemode = connect(url(daemon), ours.trusted | pair.client)
        port, good = daemon.port, (pair.cert.read_bytes(), pair.key.read_bytes())
        assert codemode.execute("2 + 2").result == 4
    # The executor restarts where it was, and the client's files are those of somebody else meanwhile.
    pair.cert.write_bytes(past.cert.read_bytes())
    pair.key.write_bytes(past.key.read_bytes())
    with codemode, serving(tmp_path, ours.server, clients=ours.bundle, CODEMODE_PORT=str(port)):
        with pytest.raises(AuthenticationError, match="it has expired, or is not valid yet"):
            codemode.execute("2 + 2")
        pair.cert.write_bytes(good[0])
        pair.key.write_bytes(good[1])
        assert codemode.execute("2 + 2").result == 4
