"""What configures a client: `ClientConfig` and the constructors of `Codemode`. Its rules are Rust's, and not faked."""

from __future__ import annotations

import functools
import inspect
import json
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from fake_native import NativeClient
from pydantic import BaseModel

from codemode import Codemode, ComponentRegistry, _native
from codemode._settings import Settings
from codemode.config import (
    ClientConfig,
    ConfigError,
    ConfigLoadError,
    ObservabilityConfig,
    RetryConfig,
    SidecarConfig,
    TlsConfig,
)
from codemode.tools import ApprovalRequest

SECTIONS: dict[str, type[BaseModel]] = {"retry": RetryConfig, "tls": TlsConfig, "observability": ObservabilityConfig}
NOT_VALID = "the client configuration is not valid:\n  "


def refused(**values: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        ClientConfig(**values)
    return str(caught.value).removeprefix(NOT_VALID)


def refused_environment(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        ClientConfig.from_env(environ)
    return str(caught.value).removeprefix(NOT_VALID)


def test_the_seeds_example() -> None:
    config = ClientConfig(
        executor_url="http://localhost:8001",
        executor_api_key="your-secret-key",
        timeout=30,
        tls_enabled=False,
        tls_cert_path=None,
    )
    assert (config.executor_url, config.timeout, config.executor_timeout) == ("http://localhost:8001", 30, 30)
    assert config.connect_options() == {"api_key": "your-secret-key", "timeout": 30.0, "tls_enabled": False}
    assert "your-secret-key" not in repr(config) + str(config) + config.model_dump_json() + str(config.to_dict())


def test_it_is_a_value() -> None:
    config = ClientConfig(executor_url="http://x", executor_api_key="k", limits={"processes": 9})
    twin = pickle.loads(pickle.dumps(config))
    assert twin == config and twin.policy == config.policy == {"limits": {"processes": 9}}
    assert ClientConfig.model_validate(config) is config
    assert config.model_fields_set == {"executor_url", "executor_api_key"}
    assert ClientConfig() == ClientConfig.from_env({}) != config
    with pytest.raises(ValueError, match="frozen"):
        config.timeout = 3.0
    config.policy["limits"]["processes"] = 1000
    assert config.policy == {"limits": {"processes": 9}}


def test_what_is_declared_is_what_holds() -> None:
    """Names, defaults and words of the classes are those of the one model."""
    described = {key["key"]: key for key in _native.config_keys("client")}
    declared = {name: field.default for name, field in ClientConfig.model_fields.items() if name not in SECTIONS}
    for section, model in SECTIONS.items():
        declared |= {f"{section}.{name}": field.default for name, field in model.model_fields.items()}
    names = {name: key for key in described.values() for name in (key["key"], *key["aliases"])}
    policy = {name for name in described if name.partition(".")[0] in {*SidecarConfig.model_fields} - {"tls"}}
    assert {names[name]["key"] for name in declared} == set(described) - policy
    assert {name: json.loads(names[name]["default"]) for name in declared} == declared
    for name in ("tls.mode", "observability.log_level"):
        section, _, field = name.partition(".")
        words = re.findall(r"'(\w+)'", str(SECTIONS[section].model_fields[field].annotation))
        assert sorted(words) == sorted(json.loads(described[name]["allowed"]))


@pytest.mark.parametrize(
    ("said", "level"),
    [("warn", "WARNING"), ("TRACE", "DEBUG"), ("error", "ERROR"), ("Warning", "WARNING"), ("critical", "CRITICAL")],
)
def test_the_executors_words_for_log_levels(said: str, level: str) -> None:
    assert ClientConfig.from_env({"CODEMODE_LOG_LEVEL": said}).observability.log_level == level


def test_a_client_without_a_configuration_has_the_same_defaults() -> None:
    assert Settings() == ClientConfig().settings()
    retry: list[dict[str, Any]] = [
        {"executor_url": "http://x"},
        {"retry": {"max_attempts": 2}},
        {"retry": {"enabled": False}},
    ]
    assert [ClientConfig.from_dict(values).settings().attempts for values in retry] == [3, 2, 1]


def test_every_spelling_means_the_same() -> None:
    short = ClientConfig(timeout=40, tls_enabled=True, tls_cert_path=Path("/ca.pem"), executor_url="https://x")
    for values in (
        {"executor_timeout": 40, "tls": {"enabled": True, "ca_file": "/ca.pem"}, "executor_url": "https://x"},
        {"executor": {"timeout": 40.0, "url": "https://x", "tls": TlsConfig(enabled=True, ca_file="/ca.pem")}},
        {"timeout": 40, "executor_timeout": 40.0, "tls_enabled": True, "tls_cert_path": "/ca.pem",
         "executor_url": "https://x", "tls": {"enabled": True}},
    ):  # fmt: skip
        assert ClientConfig.from_dict(values) == short
    assert (short.timeout, short.tls_enabled, short.tls_cert_path, short.tls.ca_file) == (
        40,
        True,
        "/ca.pem",
        "/ca.pem",
    )


def test_sections_alone() -> None:
    config = ClientConfig(retry=RetryConfig(max_attempts=5), observability={"traceback_limit": 2})
    assert (config.retry.max_attempts, config.retry.backoff_max_ms, config.observability.traceback_limit) == (
        5,
        5000,
        2,
    )
    assert config.retry.model_fields_set == {"max_attempts"}
    with pytest.raises(ConfigError, match=r"retry\.max_attempts: must be a whole number from 1 to 10, found .* 11"):
        RetryConfig(max_attempts=11)
    with pytest.raises(ConfigError, match="tls must be a mapping of keys to values, got int"):
        TlsConfig.model_validate(3)
    with pytest.raises(ConfigError, match="a client configuration must be a mapping of keys to values, got list"):
        ClientConfig.model_validate(["executor_url"])


def test_relative_files_of_arguments_begin_where_the_process_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = ClientConfig(executor_url="https://x", tls_cert_path="ca.pem", filesystem={"outputs": {"mount": "out"}})
    monkeypatch.chdir("/")
    assert config.tls_cert_path == f"{tmp_path}/ca.pem"
    assert (config.policy, config.base_dir) == ({"filesystem": {"outputs": {"mount": "out"}}}, str(tmp_path))


@pytest.mark.parametrize("url", ["unix:///run/codemode.sock", "unix:codemode.sock", "grpcs://[::1]:8001", "http://x"])
def test_addresses(url: str) -> None:
    assert ClientConfig(executor_url=url).executor_url == url


@pytest.mark.parametrize("url", ["http:x", "unix:", "http://", "ftp://x", ""])
def test_what_is_no_address(url: str) -> None:
    assert "executor_url: must begin with one of" in refused(executor_url=url)


def test_mutual_tls_reaches_the_native_client() -> None:
    tls = {"client_cert_file": "/c.pem", "client_key_file": "/k.pem"}
    options = ClientConfig.from_dict({"executor_url": "https://x", "tls": tls}).connect_options()
    assert (options["tls_client_cert_path"], options["tls_client_key_path"]) == ("/c.pem", "/k.pem")


def test_every_wrong_key_is_named_at_once() -> None:
    assert refused(executor_urll="x", timeout=0, executor_api_key=3, retry={"max_attempt": 1}, tls={"mode": "own"}) == (
        "executor_urll: unknown key; did you mean `executor_url`?\n"
        "  retry.max_attempt: unknown key; did you mean `max_attempts`?\n"
        "  executor_api_key: must be printable ASCII without spaces, as text: put it in quotes\n"
        "  timeout: must be a number of seconds from 1 to 600, found the number 0\n"
        '  tls.mode: must be system or custom, found the text "own"'
    )


def test_what_yaml_could_not_say_either() -> None:
    endless: dict[str, Any] = {}
    endless["limits"] = endless
    assert refused(timeout=float("nan"), executor_url=object(), limits={1: 2, "cpus": 10**400}, retry="\udc80") == (
        "the client configuration must hold plain values as YAML has them:\n"
        "  timeout: is out of range\n"
        "  executor_url: got object\n"
        "  limits.1: keys are text\n"
        "  limits.cpus: is out of range\n"
        "  retry: is not valid text"
    )
    assert refused(**endless) == "the client configuration is nested too deeply, or holds itself"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"executor_url": "http://x", "tls_enabled": True},
            "executor_url: http://x says no TLS but tls_enabled is true; use https:// or leave tls_enabled out",
        ),
        (
            {"executor_url": "grpc://x", "tls_cert_path": "/ca"},
            "executor_url: grpc://x says no TLS but tls_cert_path is /ca; use grpcs:// or leave tls_cert_path out",
        ),
        (
            {"executor_url": "x:1"},
            'executor_url: must begin with one of http://, https://, grpc://, grpcs://, unix://, found the text "x:1"',
        ),
        (
            {"executor_url": "unix:///x", "tls_enabled": True},
            "executor_url: unix:///x says no TLS but tls_enabled is true; leave tls_enabled out",
        ),
        (
            {"executor_url": "https://x", "tls_enabled": False},
            "executor_url: https://x says TLS but tls_enabled is false; use http:// or leave tls_enabled out",
        ),
        (
            {"executor_url": "http://x", "tls": {"mode": "system"}},
            "executor_url: http://x says no TLS but tls.mode is system; use https:// or leave tls.mode out",
        ),
        ({"executor_url": "http://me:pass@x"}, "executor_url: must not hold credentials; set executor_api_key"),
        (
            {"timeout": 30, "executor_timeout": 31},
            "timeout: `executor_timeout` says something else than `timeout`, the same setting; keep one",
        ),
        (
            {"tls_enabled": True, "tls": {"enabled": False}},
            "tls.enabled: `tls.enabled` says something else than `tls_enabled`, the same setting; keep one",
        ),
        (
            {"tls": {"mode": "system", "ca_file": "/ca"}},
            "tls.mode: is system but tls.ca_file is set; use mode custom, or leave one out",
        ),
        ({"tls": {"mode": "custom"}}, "tls.mode: is custom but tls.ca_file (tls_cert_path) is not set"),
        (
            {"tls": {"client_key_file": "/k"}},
            "tls.client_key_file: needs tls.client_cert_file: a certificate and its key belong together",
        ),
        (
            {"retry": {"backoff_base_ms": 600, "backoff_max_ms": 500}},
            "retry.backoff_base_ms: retry.backoff_base_ms (600) is above retry.backoff_max_ms (500)",
        ),
        ({"tls": 3}, "tls: must be a mapping of keys to values"),
        ({"max_code_length": 0}, "max_code_length: must be a whole number, 1 or more, found the number 0"),
        ({"timeout": True}, "timeout: must be a number of seconds from 1 to 600, found true"),
        ({"limits": {"code_timout": 3}}, "limits.code_timout: unknown key; did you mean `code_timeout`?"),
        (
            {"port": 8001},
            "port: is a setting of `codemode serve`, in its configuration; a client takes none of it, so leave it out",
        ),
        (
            {"executor_url": "http://x", "audit": "/var/log/audit"},
            "audit: is the executor's own setting, and executor_url names one of others; leave it out",
        ),
    ],
)
def test_refusals(values: dict[str, Any], message: str) -> None:
    assert refused(**values) == message


def test_environment(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret\n")
    config = ClientConfig.from_env(
        {
            "CODEMODE_EXECUTOR_URL": "https://executor:8001/",
            "CODEMODE_EXECUTOR_API_KEY_FILE": str(key),
            "CODEMODE_TIMEOUT": "12.5",
            "CODEMODE_EXECUTOR_TIMEOUT": "12.50",
            "CODEMODE_TLS_ENABLED": "true",
            "CODEMODE_RETRY_ENABLED": "false",
            "CODEMODE_CORRELATION_ID_PREFIX": "app",
            "CODEMODE_LOG_LEVEL": "",
            "SOMEBODY_ELSES": "no text \udc80",
        }
    )
    assert (config.executor_url, config.timeout, config.tls.enabled) == ("https://executor:8001", 12.5, True)
    assert config.executor_api_key is not None
    assert config.executor_api_key.get_secret_value() == "secret"
    settings = config.settings()
    assert settings.attempts == 1
    assert (settings.correlation_id() or "").startswith("app-")


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"CODEMODE_TIMEOUT": "1", "CODEMODE_EXECUTOR_TIMEOUT": "2"},
            "CODEMODE_EXECUTOR_TIMEOUT: says something else than CODEMODE_TIMEOUT, which is the same setting; keep one",
        ),
        (
            {"CODEMODE_TIMEOUT": "soon", "CODEMODE_RETRY_ENABLED": "perhaps"},
            (
                'CODEMODE_TIMEOUT: must be a number of seconds from 1 to 600, found the text "soon"\n'
                '  CODEMODE_RETRY_ENABLED: must be true or false, found the text "perhaps"'
            ),
        ),
        (
            {"CODEMODE_EXECUTOR_API_KEY_FILE": "/does/not/exist"},
            "CODEMODE_EXECUTOR_API_KEY_FILE: cannot read /does/not/exist: No such file or directory (os error 2)",
        ),
        (
            {"CODEMODE_EXECUTOR_API_KEY_FILE": "/x", "CODEMODE_EXECUTOR_API_KEY": "y"},
            "CODEMODE_EXECUTOR_API_KEY_FILE: CODEMODE_EXECUTOR_API_KEY is set as well; keep one",
        ),
        ({"CODEMODE_TIMEOUT": "\udc80"}, "CODEMODE_TIMEOUT: is not valid text"),
    ],
)
def test_environment_refusals(environ: dict[str, str], message: str) -> None:
    assert refused_environment(environ) == message


def test_backoff() -> None:
    pauses = list(ClientConfig(retry={"max_attempts": 4}).settings().pauses())
    assert pauses[-1] is None
    assert all(low <= (pause or 0) <= 2 * low for pause, low in zip(pauses, (0.05, 0.1, 0.2), strict=False))


def test_what_wins(tmp_path: Path) -> None:
    """The environment over `.env`, that over the YAML file, that over the default."""
    file = tmp_path / "codemode-client.yaml"
    file.write_text("executor_url: http://${HOST:-file}\ntimeout: 20\nmax_code_length: 20\n")
    (tmp_path / ".env").write_text("CODEMODE_TIMEOUT=30\nCODEMODE_MAX_CODE_LENGTH=30\nOTHERS=x\n")
    config = ClientConfig.from_yaml(file, {"CODEMODE_MAX_CODE_LENGTH": "40", "HOST": "host"})
    assert (config.executor_url, config.timeout, config.max_code_length) == ("http://host", 30, 40)
    assert config.retry.max_attempts == 3
    assert ClientConfig.from_env({}, dotenv=tmp_path / ".env").timeout == 30
    assert ClientConfig.from_env({"CODEMODE_TIMEOUT": "50"}, dotenv=tmp_path / ".env").timeout == 50
    with pytest.raises(ConfigLoadError, match=r"the file '.*none' does not exist; write it, or leave dotenv out"):
        ClientConfig.from_env({}, dotenv=tmp_path / "none")


def test_what_is_wrong_with_a_file_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "codemode.yaml"
    file.write_text(
        "executor:\n  url: http://x\n  api_key: ${NOT_SET_ANYWHERE}\n  timeout: soon\nlimits:\n  memory_limit: much\n"
    )
    with pytest.raises(ConfigLoadError) as caught:
        ClientConfig.from_yaml(file, {})
    assert str(caught.value).removeprefix(NOT_VALID) == (
        f"{file}:3: executor.api_key: the environment variable NOT_SET_ANYWHERE is not set; "
        "write ${NOT_SET_ANYWHERE:-…} for a default\n"
        f'  {file}:4: executor.timeout: must be a number of seconds from 1 to 600, found the text "soon"\n'
        f"  {file}:6: limits.memory_limit: `much` is not a size: write bytes or a number with a unit, such as 512m, "
        "512Mi or 1GB"
    )
    file.write_text("a: [1,\n")
    with pytest.raises(ConfigLoadError, match=r"codemode\.yaml:\d+: this is not YAML: "):
        ClientConfig.from_yaml(file, {})


def test_constructors(native: type[NativeClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "client.yaml"
    file.write_text("executor: {url: 'http://x', limits: {processes: 9}}\nfilesystem: {outputs: {mount: out}}\n")
    registry = ComponentRegistry()
    mapping = {"executor_url": "http://x", "limits": {"processes": 9}}
    monkeypatch.setenv("CODEMODE_MAX_CODE_LENGTH", "5")
    made = [
        Codemode.from_config(file, registry),
        Codemode.from_client_config(config_path=file, registry=registry),
        Codemode.from_dict(mapping, registry),
        Codemode.from_client_config(ClientConfig.from_dict(mapping), registry),
        Codemode.from_client_config(mapping, registry=registry),
        Codemode(mapping, registry=registry),
    ]
    assert all(client.registry is registry for client in made)
    assert {client.url for client in native.created} == {"http://x"}
    policies = [json.loads(client.options["policy"]) for client in native.created]
    limits = {"limits": {"processes": 9}}
    assert policies == [{**limits, "filesystem": {"outputs": {"mount": "out"}}}] * 2 + [limits] * 4
    # The environment stands beside a file, and has no say where a mapping or an object is given.
    assert [client._settings.max_code_length for client in made] == [5, 5, None, None, None, None]


def test_every_constructor_takes_on_approval(native: type[NativeClient], tmp_path: Path) -> None:
    file = tmp_path / "client.yaml"
    file.write_text("timeout: 9\n")
    (tmp_path / ".env").write_text("CODEMODE_TIMEOUT=9\n")

    def on_approval(request: ApprovalRequest) -> bool:
        return True

    for make in (
        Codemode,
        Codemode.local,
        Codemode.from_env,
        functools.partial(Codemode.from_env, dotenv=tmp_path / ".env"),
        functools.partial(Codemode.from_config, file),
        functools.partial(Codemode.from_dict, {"timeout": 9}),
        Codemode.from_client_config,
        functools.partial(Codemode.from_client_config, {"timeout": 9}),
        functools.partial(Codemode.from_client_config, config_path=file),
    ):
        assert make(on_approval=on_approval)._on_approval is on_approval
        with pytest.raises(TypeError, match="on_approval must be a function, got int 5"):
            make(on_approval=5)  # type: ignore[arg-type]


def test_an_env_file_counts_where_it_is_named(
    native: type[NativeClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("CODEMODE_EXECUTOR_URL=http://x\n")
    Codemode()
    Codemode.from_env()
    Codemode.from_env(dotenv=".env")
    assert [client.url for client in native.created] == [None, None, "http://x"]


def test_policies_without_an_address_are_the_private_executors(native: type[NativeClient], tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "executor: {filesystem: {outputs: {mount: out}}}\naudit: audit.jsonl\ntimeout: 9\n"
    )
    Codemode.from_config(tmp_path / "c.yaml")
    Codemode({"network": {"mode": "none"}})
    of_file, of_mapping = (client.options for client in native.created)
    assert json.loads(of_file["policy"]) == {
        "filesystem": {"outputs": {"mount": "out"}},
        "audit": f"{tmp_path}/audit.jsonl",
    }
    assert (of_file["base_dir"], of_file["timeout"]) == (str(tmp_path), 9)
    assert json.loads(of_mapping["policy"]) == {"network": {"mode": "none"}}


def test_what_a_private_executor_could_not_honour(native: type[NativeClient]) -> None:
    with pytest.raises(ConfigError) as caught:
        Codemode(ClientConfig(executor_api_key="k", tls_cert_path="/ca.pem", tls={"mode": "custom"}))
    assert str(caught.value) == (
        "executor_api_key and tls_cert_path and tls.mode cannot take effect without executor_url; "
        "set it or leave them out"
    )
    Codemode(ClientConfig(tls_enabled=False))
    assert len(native.created) == 1


def test_constructors_that_are_misused(native: type[NativeClient], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="config and config_path are both given; give one of them"):
        Codemode.from_client_config({}, config_path=tmp_path / "x")
    with pytest.raises(ConfigLoadError) as caught:
        Codemode.from_config(tmp_path / "nope.yaml")
    path = tmp_path / "nope.yaml"
    assert str(caught.value) == (
        f"the configuration file {str(path)!r} does not exist (looked for {path}); "
        "give the path of a YAML file, or read the environment with from_env()"
    )
    with pytest.raises(ConfigLoadError, match="is a folder"):
        Codemode.from_config(tmp_path)
    for arguments in ({"executor_url": "http://x"}, {"executor_timeout": 3}, {"limits": {}}):
        with pytest.raises(ConfigError, match=r"settings are given as one value: write Codemode\(ClientConfig\("):
            Codemode(**arguments)
    with pytest.raises(TypeError, match="takes a configuration and registry=…, but got nonsense=…"):
        Codemode(nonsense=1)  # type: ignore[arg-type]
    assert not native.created


def test_names_of_the_published_package() -> None:
    for constructor, names in (
        (Codemode.from_client_config, ["config", "registry", "config_path"]),
        (Codemode.from_config, ["config_path", "registry"]),
        (Codemode.from_dict, ["config_dict", "registry"]),
        (Codemode.from_env, ["registry", "dotenv"]),
    ):
        assert list(inspect.signature(constructor).parameters) == [*names, "on_approval"]
