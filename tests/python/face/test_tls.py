"""What of TLS is settled before anything is dialled."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fake_native import NativeClient

from codemode import Codemode, ConfigError, _native
from codemode.config import ClientConfig

ROOT = Path(__file__).resolve().parents[3]


def test_the_environment_names_every_setting(native: type[NativeClient], monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "CODEMODE_EXECUTOR_URL": "https://executor",
        "CODEMODE_TLS_ENABLED": "1",
        "CODEMODE_TLS_MODE": "custom",
        "CODEMODE_TLS_CA_FILE": "/ca.pem",
        "CODEMODE_TLS_CERT_PATH": "/ca.pem",
        "CODEMODE_TLS_CLIENT_CERT_FILE": "/client.pem",
        "CODEMODE_TLS_CLIENT_KEY_FILE": "/client.key",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    Codemode.from_env()
    (client,) = native.created
    options = {name: value for name, value in client.options.items() if name.startswith("tls_")}
    assert (client.url, options) == (
        "https://executor",
        {
            "tls_enabled": True,
            "tls_cert_path": "/ca.pem",
            "tls_client_cert_path": "/client.pem",
            "tls_client_key_path": "/client.key",
        },
    )


def test_tls_is_for_an_executor_somewhere_else(native: type[NativeClient]) -> None:
    with pytest.raises(ConfigError, match="tls_cert_path cannot take effect without executor_url"):
        Codemode(ClientConfig(tls_cert_path="/ca.pem"))
    with pytest.raises(ConfigError, match=r"tls\.mode cannot take effect without executor_url"):
        Codemode({"tls": {"mode": "system"}})
    assert not native.created


def test_a_key_file_that_is_empty(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(" \n")
    with pytest.raises(ConfigError, match=rf"CODEMODE_EXECUTOR_API_KEY_FILE: {key} is empty$"):
        ClientConfig.from_env({"CODEMODE_EXECUTOR_API_KEY_FILE": str(key)})


def test_the_page_has_every_error_and_every_variable() -> None:
    page = (ROOT / "docs" / "tls.md").read_text().partition("\n## Clients\n")[2]
    source = (ROOT / "crates" / "codemode-client" / "src" / "tls" / "problem.rs").read_text()
    codes = set(re.findall(r'Self::\w+(?: \{ \.\. \})? => "(tls_\w+)"', source))
    assert len(codes) == 10
    assert codes == set(re.findall(r"`(tls_\w+)`", page.partition("### Errors")[2]))
    variables = {name for key in _native.config_keys("client") for name in key["variables"] if "_TLS_" in name}
    assert variables == {name for name in re.findall(r"`(CODEMODE_\w+)`", page) if "_TLS_" in name}
