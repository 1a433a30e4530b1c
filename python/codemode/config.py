"""How to reach an executor."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler

from codemode import _env
from codemode._errors import ConfigError
from codemode._explain import Problem, from_pydantic, lines, unexpected
from codemode._settings import EMBEDDED_ATTEMPTS, Settings

__all__ = ["ClientConfig", "ConfigError", "ObservabilityConfig", "RetryConfig", "TlsConfig"]

_SCHEMES = ("http", "https", "grpc", "grpcs", "unix")
# The short names of the documentation beside the nested ones; a configuration may use either.
_SHORT = {"tls_enabled": ("tls", "enabled"), "tls_cert_path": ("tls", "ca_file")}
# The executor's words for levels that Python names otherwise: one variable serves both.
_LEVELS = {"WARN": "WARNING", "TRACE": "DEBUG"}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RetryConfig(_Section):
    """Requests that were refused before anything ran are repeated; nothing else ever is.

    `max_attempts` is 10 where it is not set and the executor is embedded.
    """

    enabled: bool = True
    max_attempts: int = Field(default=3, ge=1, le=10)
    backoff_base_ms: int = Field(default=100, ge=10, le=10_000)
    backoff_max_ms: int = Field(default=5000, ge=100, le=60_000)

    @model_validator(mode="after")
    def _ordered(self) -> RetryConfig:
        if self.backoff_base_ms > self.backoff_max_ms:
            raise ValueError(
                f"backoff_base_ms ({self.backoff_base_ms}) is above backoff_max_ms ({self.backoff_max_ms})"
            )
        return self


class TlsConfig(_Section):
    """For `https://` and `grpcs://`. The files are PEM and are read at each connect.

    `ca_file` holds the CA certificates that verify the executor; without one, those of this machine do. Certificate and
    key of the client are for executors that ask for them.
    """

    enabled: bool = False
    mode: Literal["system", "custom"] | None = Field(default=None, description="custom where ca_file is set")
    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> TlsConfig:
        if self.mode == "custom" and self.ca_file is None:
            raise ValueError("mode is 'custom' but ca_file is not set")
        if self.mode == "system" and self.ca_file is not None:
            raise ValueError("mode is 'system' but ca_file is set; use mode 'custom' or leave it out")
        if (self.client_cert_file is None) != (self.client_key_file is None):
            raise ValueError("client_cert_file and client_key_file need each other")
        return self


class ObservabilityConfig(_Section):
    """`traceback_limit` None keeps every frame of an error's traceback, 0 none."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    include_correlation_id: bool = True
    correlation_id_prefix: str = Field(default="cm", min_length=1, max_length=8, pattern=r"^[!-~]+$")
    traceback_limit: int | None = Field(default=None, ge=0, le=50)

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return _LEVELS.get(value.upper(), value.upper()) if isinstance(value, str) else value


class ClientConfig(BaseModel):
    """Settings of a client. Short and nested names mean the same: `tls_enabled` is `tls.enabled`, `tls_cert_path` is
    `tls.ca_file`, `timeout` is `executor_timeout`. A wrong or unknown key is a `ConfigError` that names it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    executor_url: str | None = Field(
        default=None, description="http, https, grpc, grpcs or unix; without one, embedded"
    )
    executor_api_key: SecretStr | None = None
    timeout: float = Field(default=35, ge=1, le=600, description="Seconds to wait without any frame from the executor")
    tls_enabled: bool = False
    tls_cert_path: str | None = Field(default=None, description="CA bundle that verifies the executor")
    max_code_length: int | None = Field(default=None, ge=1, description="Characters; lowers the executor's limit")
    retry: RetryConfig = RetryConfig()
    tls: TlsConfig = TlsConfig()
    observability: ObservabilityConfig = ObservabilityConfig()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> ClientConfig:
        """From the CODEMODE_* variables."""
        return cls.model_validate(_env.client_values(environ))

    @property
    def executor_timeout(self) -> float:
        return self.timeout

    @model_validator(mode="wrap")
    @classmethod
    def _legible(cls, data: Any, handler: ModelWrapValidatorHandler[ClientConfig]) -> ClientConfig:
        """Every problem at once, in our own words."""
        if isinstance(data, ClientConfig):
            return data
        if not isinstance(data, Mapping):
            raise ConfigError(f"a client configuration must be a mapping of keys, got {type(data).__name__}")
        values, problems = _one_spelling(dict(data))
        try:
            config = handler(values)
        except ValidationError as error:
            problems += _problems(error, values, cls.model_json_schema())
        if problems:
            raise ConfigError(f"the client configuration is not valid:{lines(problems)}")
        config._check_transport()
        return config

    def _check_transport(self) -> None:
        """What no single key can tell."""
        scheme = urlsplit(self.executor_url or "").scheme
        if scheme in ("https", "grpcs") and "tls_enabled" in self.model_fields_set and not self.tls_enabled:
            way_out = f"use {scheme[:-1]}:// or leave tls_enabled out"
            raise ConfigError(f"executor_url {self.executor_url!r} says TLS but tls_enabled is False; {way_out}")
        if scheme not in ("http", "grpc", "unix"):
            return
        for key, value in self._tls_keys().items():
            way_out = f"leave {key} out" if scheme == "unix" else f"use {scheme}s:// or leave {key} out"
            raise ConfigError(f"executor_url {self.executor_url!r} says no TLS but {key} is {value!r}; {way_out}")

    def check_embedded(self) -> None:
        """Refuses what only a connection to somewhere else could honour."""
        keys = [*(["executor_api_key"] if self.executor_api_key else []), *self._tls_keys()]
        if keys:
            raise ConfigError(f"{' and '.join(keys)} cannot take effect without executor_url; set it or leave them out")

    def _tls_keys(self) -> dict[str, Any]:
        """The keys that ask for TLS, with their values."""
        keys = {
            "tls_enabled": self.tls_enabled or None,
            "tls_cert_path": self.tls_cert_path,
            "tls.mode": self.tls.mode,
            "tls.client_cert_file": self.tls.client_cert_file,
        }
        return {key: value for key, value in keys.items() if value is not None}

    @field_validator("executor_url")
    @classmethod
    def _known_scheme(cls, url: str | None) -> str | None:
        if url is None:
            return None
        scheme, _, rest = url.partition(":")
        if scheme not in _SCHEMES or not rest.strip("/") or not (rest.startswith("//") or scheme == "unix"):
            raise ValueError(f"must begin with one of {', '.join(f'{known}://' for known in _SCHEMES)}")
        return url.rstrip("/")

    def settings(self) -> Settings:
        """What each execution needs to know; also applies the log level, if one is set."""
        seen = self.observability
        if "log_level" in seen.model_fields_set:
            logging.getLogger("codemode").setLevel(seen.log_level)
        attempts = self.retry.max_attempts
        if self.executor_url is None and "max_attempts" not in self.retry.model_fields_set:
            attempts = EMBEDDED_ATTEMPTS
        return Settings(
            correlation_prefix=seen.correlation_id_prefix if seen.include_correlation_id else None,
            traceback_limit=seen.traceback_limit,
            max_code_length=self.max_code_length,
            attempts=attempts if self.retry.enabled else 1,
            backoff_base=self.retry.backoff_base_ms / 1000,
            backoff_max=self.retry.backoff_max_ms / 1000,
        )

    def connect_options(self) -> dict[str, Any]:
        """Options of `NativeClient.connect`; those that are not set are left out."""
        key = self.executor_api_key
        options = {
            "api_key": key.get_secret_value() if key else None,
            "timeout": self.timeout,
            "tls_enabled": self.tls_enabled,
            "tls_cert_path": self.tls_cert_path,
            "tls_client_cert_path": self.tls.client_cert_file,
            "tls_client_key_path": self.tls.client_key_file,
        }
        return {name: value for name, value in options.items() if value is not None}


def _one_spelling(values: dict[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Fills in the twin of each key that has two names; two that differ are a problem."""
    problems = []
    if "executor_timeout" in values:
        given = values.pop("executor_timeout")
        if values.setdefault("timeout", given) != given:
            problems.append(Problem(("executor_timeout",), f"is {given!r}, but timeout is {values['timeout']!r}"))
    for short, (section, key) in _SHORT.items():
        nested = values.get(section)
        nested = nested.model_dump(exclude_unset=True) if isinstance(nested, BaseModel) else nested
        nested = {} if nested is None else nested
        if not isinstance(nested, Mapping):
            continue  # said in the section's own error
        values[section] = nested = dict(nested)
        if short in values and key in nested and values[short] != nested[key]:
            problems.append(Problem((short,), f"is {values[short]!r}, but {section}.{key} is {nested[key]!r}"))
        elif short in values:
            nested[key] = values[short]
        elif key in nested:
            values[short] = nested[key]
    return values, problems


def _problems(error: ValidationError, values: dict[str, Any], schema: dict[str, Any]) -> list[Problem]:
    found = from_pydantic(error.errors(include_url=False), schema, values, "key")
    return [_rephrased(problem, values, schema) for problem in found]


def _rephrased(problem: Problem, values: dict[str, Any], schema: dict[str, Any]) -> Problem:
    if problem.path == ("executor_api_key",):
        # A secret of the wrong type is still a secret.
        return Problem(problem.path, f"expected str, got {type(values['executor_api_key']).__name__}")
    if len(problem.path) == 1 and problem.path[0] not in schema["properties"]:
        return unexpected(problem.path, [*schema["properties"], "executor_timeout"], "key")
    return problem
