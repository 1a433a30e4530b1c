from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codemode._settings import Settings
from codemode.config import ClientConfig, ConfigError


def refused(**values: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        ClientConfig(**values)
    return str(caught.value)


def test_the_seeds_example() -> None:
    config = ClientConfig(
        executor_url="http://localhost:8001",
        executor_api_key="your-secret-key",  # type: ignore[arg-type]
        timeout=30,
        tls_enabled=False,
        tls_cert_path=None,
    )
    assert config.connect_options() == {"api_key": "your-secret-key", "timeout": 30.0, "tls_enabled": False}
    assert "your-secret-key" not in repr(config) + str(config) + config.model_dump_json()


@pytest.mark.parametrize(
    ("said", "level"), [("warn", "WARNING"), ("TRACE", "DEBUG"), ("error", "ERROR"), ("Warning", "WARNING")]
)
def test_the_executors_words_for_log_levels(said: str, level: str) -> None:
    assert ClientConfig.from_env({"CODEMODE_LOG_LEVEL": said}).observability.log_level == level


def test_two_spellings_of_one_number_are_no_conflict() -> None:
    environ = {"CODEMODE_TIMEOUT": "1", "CODEMODE_EXECUTOR_TIMEOUT": "1.0"}
    assert ClientConfig.from_env(environ).timeout == 1
    for other in ("2", "soon"):
        with pytest.raises(ConfigError, match="name the same setting but differ"):
            ClientConfig.from_env({**environ, "CODEMODE_EXECUTOR_TIMEOUT": other})


def test_a_client_without_a_configuration_has_the_same_defaults() -> None:
    assert Settings() == ClientConfig().settings()
    retry = [{"executor_url": "http://x"}, {"retry": {"max_attempts": 2}}, {"retry": {"enabled": False}}]
    assert [ClientConfig.model_validate(values).settings().attempts for values in retry] == [3, 2, 1]


def test_nested_names_mean_the_same() -> None:
    nested = ClientConfig.model_validate({"executor_timeout": 40, "tls": {"enabled": True, "ca_file": "/ca.pem"}})
    short = ClientConfig(timeout=40, tls_enabled=True, tls_cert_path="/ca.pem")
    assert nested == short
    assert (nested.timeout, nested.tls_enabled, nested.tls_cert_path) == (40, True, "/ca.pem")
    assert short.tls.ca_file == "/ca.pem"


@pytest.mark.parametrize("url", ["unix:///run/codemode.sock", "unix:codemode.sock", "grpcs://[::1]:8001", "http://x"])
def test_addresses(url: str) -> None:
    assert ClientConfig(executor_url=url).executor_url == url


@pytest.mark.parametrize("url", ["http:x", "unix:", "http://", "ftp://x", ""])
def test_what_is_no_address(url: str) -> None:
    assert "executor_url: must begin with one of" in refused(executor_url=url)


def test_mutual_tls_reaches_the_native_client() -> None:
    tls = {"client_cert_file": "/c.pem", "client_key_file": "/k.pem"}
    options = ClientConfig.model_validate({"executor_url": "https://x", "tls": tls}).connect_options()
    assert (options["tls_client_cert_path"], options["tls_client_key_path"]) == ("/c.pem", "/k.pem")


def test_every_wrong_key_is_named_at_once() -> None:
    assert refused(executor_urll="x", timeout=0, executor_api_key=3, retry={"max_attempt": 1}, tls={"mode": "own"}) == (
        "the client configuration is not valid:\n"
        "  executor_api_key: expected str, got int\n"
        "  timeout: expected float from 1 to 600, got int 0\n"
        "  retry.max_attempt: no such field, did you mean 'max_attempts'?\n"
        "  tls.mode: expected 'system' or 'custom' or None, got str 'own'\n"
        "  executor_urll: no such key, did you mean 'executor_url' or 'executor_timeout' or 'executor_api_key'?"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"executor_url": "http://x", "tls_enabled": True},
            "executor_url 'http://x' says no TLS but tls_enabled is True; use https:// or leave tls_enabled out",
        ),
        (
            {"executor_url": "grpc://x", "tls_cert_path": "/ca"},
            "executor_url 'grpc://x' says no TLS but tls_cert_path is '/ca'; use grpcs:// or leave tls_cert_path out",
        ),
        (
            {"executor_url": "localhost:8001"},
            "must begin with one of http://, https://, grpc://, grpcs://, unix://, got str 'localhost:8001'",
        ),
        (
            {"executor_url": "unix:///x", "tls_enabled": True},
            "says no TLS but tls_enabled is True; leave tls_enabled out",
        ),
        (
            {"executor_url": "https://x", "tls_enabled": False},
            "executor_url 'https://x' says TLS but tls_enabled is False; use http:// or leave tls_enabled out",
        ),
        (
            {"executor_url": "grpcs://x", "tls": {"enabled": False}},
            "says TLS but tls_enabled is False; use grpc:// or leave tls_enabled out",
        ),
        (
            {"executor_url": "http://x", "tls": {"mode": "system"}},
            "says no TLS but tls.mode is 'system'; use https:// or leave tls.mode out",
        ),
        ({"timeout": 30, "executor_timeout": 31}, "executor_timeout: is 31, but timeout is 30"),
        ({"tls_enabled": True, "tls": {"enabled": False}}, "tls_enabled: is True, but tls.enabled is False"),
        ({"tls_cert_path": "/a", "tls": {"ca_file": "/b"}}, "tls_cert_path: is '/a', but tls.ca_file is '/b'"),
        ({"tls": {"mode": "system", "ca_file": "/ca"}}, "tls: mode is 'system' but ca_file is set; use mode 'custom'"),
        ({"tls": {"mode": "custom"}}, "tls: mode is 'custom' but ca_file is not set"),
        ({"tls": {"client_key_file": "/k"}}, "tls: client_cert_file and client_key_file need each other"),
        ({"retry": {"backoff_base_ms": 600, "backoff_max_ms": 500}}, "backoff_base_ms (600) is above"),
        ({"tls": 3}, "tls: expected dict, got int 3"),
        ({"max_code_length": 0}, "max_code_length: expected int >= 1 or None, got int 0"),
    ],
)
def test_refusals(values: dict[str, Any], message: str) -> None:
    assert message in refused(**values)


def test_environment(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret\n")
    config = ClientConfig.from_env(
        {
            "CODEMODE_EXECUTOR_URL": "https://executor:8001/",
            "CODEMODE_EXECUTOR_API_KEY_FILE": str(key),
            "CODEMODE_TIMEOUT": "12.5",
            "CODEMODE_EXECUTOR_TIMEOUT": "12.5",
            "CODEMODE_TLS_ENABLED": "true",
            "CODEMODE_RETRY_ENABLED": "false",
            "CODEMODE_CORRELATION_ID_PREFIX": "app",
            "CODEMODE_LOG_LEVEL": "",
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
            "CODEMODE_TIMEOUT and CODEMODE_EXECUTOR_TIMEOUT name the same setting but differ; set one of them",
        ),
        ({"CODEMODE_TIMEOUT": "soon"}, "timeout: expected float from 1 to 600, got str 'soon'"),
        ({"CODEMODE_EXECUTOR_API_KEY_FILE": "/does/not/exist"}, "which cannot be read: No such file or directory"),
        (
            {"CODEMODE_EXECUTOR_API_KEY_FILE": "/x", "CODEMODE_EXECUTOR_API_KEY": "y"},
            "CODEMODE_EXECUTOR_API_KEY and CODEMODE_EXECUTOR_API_KEY_FILE are both set",
        ),
    ],
)
def test_environment_refusals(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ClientConfig.from_env(environ)
    assert message in str(caught.value)


def test_backoff() -> None:
    pauses = list(ClientConfig.model_validate({"retry": {"max_attempts": 4}}).settings().pauses())
    assert pauses[-1] is None
    assert all(low <= (pause or 0) <= 2 * low for pause, low in zip(pauses, (0.05, 0.1, 0.2), strict=False))
