"""The client's environment variables. Reads no more than it is asked for and imports next to nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codemode._errors import ConfigError

# Where two variables name one setting, both work; a conflict between them is an error.
VARIABLES = {
    "CODEMODE_EXECUTOR_URL": "executor_url",
    "CODEMODE_EXECUTOR_API_KEY": "executor_api_key",
    "CODEMODE_TIMEOUT": "timeout",
    "CODEMODE_EXECUTOR_TIMEOUT": "timeout",
    "CODEMODE_MAX_CODE_LENGTH": "max_code_length",
    "CODEMODE_RETRY_ENABLED": "retry.enabled",
    "CODEMODE_RETRY_MAX_ATTEMPTS": "retry.max_attempts",
    "CODEMODE_RETRY_BACKOFF_BASE_MS": "retry.backoff_base_ms",
    "CODEMODE_RETRY_BACKOFF_MAX_MS": "retry.backoff_max_ms",
    "CODEMODE_TLS_ENABLED": "tls.enabled",
    "CODEMODE_TLS_MODE": "tls.mode",
    "CODEMODE_TLS_CERT_PATH": "tls.ca_file",
    "CODEMODE_TLS_CA_FILE": "tls.ca_file",
    "CODEMODE_TLS_CLIENT_CERT_FILE": "tls.client_cert_file",
    "CODEMODE_TLS_CLIENT_KEY_FILE": "tls.client_key_file",
    "CODEMODE_LOG_LEVEL": "observability.log_level",
    "CODEMODE_INCLUDE_CORRELATION_ID": "observability.include_correlation_id",
    "CODEMODE_CORRELATION_ID_PREFIX": "observability.correlation_id_prefix",
    "CODEMODE_TRACEBACK_LIMIT": "observability.traceback_limit",
}
_NUMBERS = ("timeout",)
_SECRETS = ("CODEMODE_EXECUTOR_API_KEY",)


def client_values(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The keys of a `ClientConfig` that the environment sets, nested; an empty variable counts as not set."""
    environ = os.environ if environ is None else environ
    found: dict[str, tuple[str, str]] = {}
    for variable, key in VARIABLES.items():
        value = environ.get(variable, "")
        if variable in _SECRETS:
            value = _secret(variable, value, environ)
        if not value:
            continue
        other, previous = found.setdefault(key, (variable, value))
        if previous != value and not (key in _NUMBERS and _number(previous) == _number(value)):
            raise ConfigError(f"{other} and {variable} name the same setting but differ; set one of them")
    nested: dict[str, Any] = {}
    for key, (_, value) in found.items():
        *sections, last = key.split(".")
        target = nested
        for section in sections:
            target = target.setdefault(section, {})
        target[last] = value
    return nested


def _number(text: str) -> float | str:
    """`1` and `1.0` are the same setting; what is no number is refused later, with its key."""
    try:
        return float(text)
    except ValueError:
        return text


def _secret(variable: str, value: str, environ: Mapping[str, str]) -> str:
    """The variable itself, or the content of the file that `<variable>_FILE` names."""
    path = environ.get(f"{variable}_FILE", "")
    if not path:
        return value
    if value:
        raise ConfigError(f"{variable} and {variable}_FILE are both set; set one of them")
    try:
        secret = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"{variable}_FILE names {path!r}, which cannot be read: {reason}") from None
    if not secret:
        raise ConfigError(f"{variable}_FILE names {path!r}, which is empty")
    return secret
