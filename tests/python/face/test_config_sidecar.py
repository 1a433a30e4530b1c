"""The typed view of what `codemode serve` would do, and `ConfigLoader`. Nothing is faked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from codemode import _native
from codemode.config import ClientConfig, ConfigError, ConfigLoader, ConfigLoadError, SidecarConfig

KEY = "k-77c2f4a91b"
FILE = """
executor:
  api_key: ${KEY}
  execution: {allowed_commands: [ls, cat]}
  filesystem:
    workspace: {mount: files}
    sandbox: {max_size: 64m}
host: 0.0.0.0
port: 9000
limits:
  memory_limit: 256Mi
  code_timeout: 2.5
log_level: WARNING
"""


def leaves(model: type[BaseModel], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= leaves(kind, f"{prefix}{name}.")
        else:
            found.add(prefix + name)
    return found


def test_every_key_has_its_field() -> None:
    described = {key["key"] for key in _native.config_keys("sidecar")}
    assert leaves(SidecarConfig) == described - {"api_key"} | {"api_keys"}


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "codemode.yaml").write_text(FILE)
    config = SidecarConfig.from_yaml(tmp_path / "codemode.yaml", {"KEY": KEY, "CODEMODE_MAX_EXEC_TIME": "7"})
    assert (config.host, config.port, config.listen) == ("0.0.0.0", 9000, "0.0.0.0:9000")
    assert config.get_grpc_address() == "0.0.0.0:9000"
    assert config.api_key and config.api_key.get_secret_value() == KEY
    assert (config.limits.memory_limit, config.limits.code_timeout, config.limits.tool_timeout) == (256 << 20, 7, 60)
    assert config.security.allowed_commands == ("ls", "cat")
    assert config.filesystem.workspace.mount == str(tmp_path / "files")
    assert (config.filesystem.sandbox.max_size, config.log_level) == (64 << 20, "warn")
    assert KEY not in repr(config) + str(config) + str(config.to_dict()) + config.model_dump_json()
    assert config.model_fields_set >= {"host", "port", "limits"} and "queue" not in config.model_fields_set
    with pytest.raises(ValueError, match="frozen"):
        config.port = 1


def test_defaults_and_arguments() -> None:
    assert SidecarConfig() == SidecarConfig.from_env({}) == SidecarConfig.from_dict({})
    config = SidecarConfig(api_key=["new", "old"], listen="unix:/run/x", security={"allowed_commands": ["ls"]})
    assert (config.host, config.port, config.listen) == (None, None, "unix:/run/x")
    assert [key.get_secret_value() for key in config.api_keys] == ["new", "old"]
    assert config.api_key == config.api_keys[0]
    assert SidecarConfig(limits=config.limits, execution=config.execution).execution == config.execution


def test_the_environment(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    environ = {
        "CODEMODE_API_KEY_FILE": str(tmp_path / "key"),
        "CODEMODE_PORT": "9001",
        "CODEMODE_SIDECAR_PORT": "9001",
        "CODEMODE_MAX_EXEC_TIME": "60",
        "CODEMODE_MEMORY_LIMIT": "512m",
    }
    config = SidecarConfig.from_env(environ)
    assert (config.port, config.limits.code_timeout, config.limits.memory_limit) == (9001, 60, 512 << 20)
    assert config.api_key and config.api_key.get_secret_value() == KEY
    with pytest.raises(ConfigError) as caught:
        SidecarConfig.from_env({**environ, "CODEMODE_SIDECAR_PORT": "9002", "CODEMODE_MEMORY_LIMIT": "much"})
    assert str(caught.value) == (
        "the sidecar configuration is not valid:\n"
        "  CODEMODE_SIDECAR_PORT: says something else than CODEMODE_PORT, which is the same setting; keep one\n"
        '  CODEMODE_MEMORY_LIMIT: must be a size such as 512m, found the text "much"'
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hosst": "x"}, "hosst: unknown key; did you mean `host`?"),
        (
            {"executor_url": "http://x"},
            "executor_url: is a setting of the client, in ClientConfig or its configuration file; leave it out",
        ),
        ({"api_key": "a b"}, "api_key: a key must be printable ASCII without spaces, and not empty"),
        ({"port": 70000}, "port: must be a port from 0 to 65535, found the number 70000"),
        (
            {"main_app_grpc_target": "localhost"},
            'main_app_grpc_target: must be HOST:PORT or unix:PATH, found the text "localhost"',
        ),
    ],
)
def test_refusals(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SidecarConfig(**values)
    assert str(caught.value) == f"the sidecar configuration is not valid:\n  {message}"


def test_where_the_published_protocols_tools_are() -> None:
    environ = {
        "CODEMODE_MAIN_APP_TARGET": "app:50051",
        "CODEMODE_CALLBACK_TLS_CA_FILE": "/ca.pem",
        "CODEMODE_CALLBACK_TLS_CLIENT_CERT": "/c.pem",
        "CODEMODE_CALLBACK_TLS_CLIENT_KEY": "/k.pem",
    }
    config = SidecarConfig.from_env(environ)
    assert config.main_app_grpc_target == "app:50051" and config.callback_tls.enabled
    tls = config.callback_tls
    assert (tls.ca_file, tls.client_cert, tls.client_key) == ("/ca.pem", "/c.pem", "/k.pem")
    assert (SidecarConfig().main_app_grpc_target, SidecarConfig().callback_tls.enabled) == (None, False)


def test_the_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEY", KEY)
    for name in ("CODEMODE_EXECUTOR_URL", "CODEMODE_PORT", "CODEMODE_API_KEY", "CODEMODE_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    for load in (ConfigLoader.load, ConfigLoader.load_client_config):
        with pytest.raises(ConfigLoadError) as caught:
            load()
        assert str(caught.value) == (
            f"there is no codemode-client.yaml or codemode.yaml in {tmp_path}; create one, give the path of another "
            "file, or read the environment with from_env()"
        )
    with pytest.raises(ConfigLoadError, match=r"there is no codemode-sidecar\.yaml or codemode\.yaml in "):
        ConfigLoader.load_sidecar_config()
    Path("codemode.yaml").write_text(FILE)
    assert ConfigLoader.load_sidecar_config().port == 9000
    assert ConfigLoader.load_client_config().policy["limits"] == {"memory_limit": "256Mi", "code_timeout": 2.5}
    Path("codemode-client.yaml").write_text("timeout: 9\n")
    Path("codemode-sidecar.yaml").write_text("port: 9009\n")
    assert ConfigLoader.load().timeout == ConfigLoader.load_client_config().timeout == 9
    assert ConfigLoader.load_client_config("codemode.yaml").timeout == 35
    assert ConfigLoader.load_sidecar_config().port == 9009
    assert ConfigLoader.load_dict({"timeout": 5}) == ConfigLoader.load_client_config_from_dict({"timeout": 5})
    assert ConfigLoader.load_sidecar_config_from_dict({"port": 1}).port == 1
    monkeypatch.setenv("CODEMODE_TIMEOUT", "11")
    monkeypatch.setenv("CODEMODE_PORT", "9010")
    assert ConfigLoader.load_client_config_from_env().timeout == ConfigLoader.load_client_config().timeout == 11
    assert ConfigLoader.load_sidecar_config_from_env().port == ConfigLoader.load_sidecar_config().port == 9010


def test_files_that_do_not_hold(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "codemode.yaml"
    file.write_text("limits:\n  memory_limit: much\n")
    assert not ConfigLoader.validate_config_file(file)
    assert f"{file}:2: limits.memory_limit: `much` is not a size" in caplog.text
    with pytest.raises(ConfigLoadError, match=r"limits\.memory_limit"):
        ConfigLoader.load_sidecar_config(file)
    file.write_text("limits:\n  memory_limit: 64m\n")
    assert ConfigLoader.validate_config_file(file)
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigLoadError, match=r"codemode\.yaml") as caught:
        ConfigLoader.load(file)
    assert isinstance(caught.value, ConfigError)
    file.unlink()
    with pytest.raises(ConfigLoadError, match="does not exist"):
        SidecarConfig.from_yaml(file)
    assert not ConfigLoader.validate_config_file(file)
    assert ClientConfig.from_env({}).timeout == 35
