"""How to reach an executor, and what to ask of it."""

from __future__ import annotations

import copy
import json
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, PrivateAttr, SecretStr

from codemode._errors import ConfigError
from codemode._read_config import Kind
from codemode._settings import Settings
from codemode.config._section import Answer, Configuration, Section


class _ClientSection(Section):
    _kind: ClassVar[Kind] = "client"


class RetryConfig(_ClientSection):
    """Requests that were refused before anything ran are repeated; nothing else ever is.

    `max_attempts` is 10 where it is not set and the executor is embedded.
    """

    _key = "retry"

    enabled: bool = True
    max_attempts: int = 3
    backoff_base_ms: int = 100
    backoff_max_ms: int = 5000


class TlsConfig(_ClientSection):
    """For `https://` and `grpcs://`. The files are PEM and are read at each connect.

    `ca_file` holds the CA certificates that verify the executor; without one, those of this machine do. Certificate and
    key of the client are for executors that ask for them.
    """

    _key = "tls"

    enabled: bool = False
    mode: Literal["system", "custom"] | None = Field(default=None, description="custom where ca_file is set")
    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None


class ObservabilityConfig(_ClientSection):
    """`traceback_limit` None keeps every frame of an error's traceback, 0 none."""

    _key = "observability"

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    include_correlation_id: bool = True
    correlation_id_prefix: str = "cm"
    traceback_limit: int | None = None


class ClientConfig(Configuration):
    """Settings of a client. Short and nested names mean the same: `tls_enabled` is `tls.enabled`, `tls_cert_path` is
    `tls.ca_file`, `timeout` is `executor_timeout`. What is wrong is a `ConfigError` that names every key.

    The blocks of a policy (`execution`, `filesystem`, `network`, `limits`, …) may be given too: a private executor
    holds them, and one behind `executor_url` is asked to narrow its own policy to them.
    """

    _kind: ClassVar[Kind] = "client"
    _policy: dict[str, Any] = PrivateAttr(default_factory=dict)
    _base_dir: str = PrivateAttr(default="")

    executor_url: str | None = Field(
        default=None, description="http, https, grpc, grpcs or unix; without one, embedded"
    )
    executor_api_key: SecretStr | None = None
    timeout: float = Field(default=35, description="Seconds to wait without any frame from the executor")
    tls_enabled: bool = False
    tls_cert_path: str | None = Field(default=None, description="CA bundle that verifies the executor")
    max_code_length: int | None = Field(default=None, description="Characters; lowers the executor's limit")
    retry: RetryConfig = RetryConfig.model_construct()
    tls: TlsConfig = TlsConfig.model_construct()
    observability: ObservabilityConfig = ObservabilityConfig.model_construct()

    if TYPE_CHECKING:
        # More may be given than is read: a key as text, a mapping for a section, a policy's blocks.
        def __init__(
            self,
            *,
            executor_url: str | None = None,
            executor_api_key: str | SecretStr | None = None,
            timeout: float | None = None,
            executor_timeout: float | None = None,
            tls_enabled: bool | None = None,
            tls_cert_path: str | os.PathLike[str] | None = None,
            max_code_length: int | None = None,
            retry: RetryConfig | Mapping[str, Any] | None = None,
            tls: TlsConfig | Mapping[str, Any] | None = None,
            observability: ObservabilityConfig | Mapping[str, Any] | None = None,
            execution: Mapping[str, Any] | None = None,
            filesystem: Mapping[str, Any] | None = None,
            network: Mapping[str, Any] | None = None,
            limits: Mapping[str, Any] | None = None,
            isolation: Mapping[str, Any] | None = None,
            guest: Mapping[str, Any] | None = None,
            pool: Mapping[str, Any] | None = None,
            max_concurrent_executions: int | None = None,
            queue: int | None = None,
            audit: str | os.PathLike[str] | None = None,
        ) -> None: ...

    @property
    def executor_timeout(self) -> float:
        return self.timeout

    @property
    def policy(self) -> dict[str, Any]:
        """The policy's blocks that were given, in the shape of the YAML file."""
        return copy.deepcopy(self._policy)

    @property
    def base_dir(self) -> str:
        """Where the policy's relative paths begin: the folder of the file, or the working directory as it was."""
        return self._base_dir

    @classmethod
    def _fields(cls, answer: Answer) -> Mapping[str, Any]:
        # The short names of the documentation, beside the nested ones.
        tls = answer["tls"]
        short = {"tls_enabled": tls["enabled"], "tls_cert_path": tls["ca_file"]}
        return {name: value for name, value in answer.items() if name in cls.model_fields} | short

    def _keep(self, answer: Answer) -> None:
        self._policy, self._base_dir = answer["policy"] or {}, answer["base_dir"]

    def settings(self) -> Settings:
        """What each execution needs to know; also applies the log level, if one is set."""
        seen = self.observability
        if "log_level" in seen.model_fields_set:
            logging.getLogger("codemode").setLevel(seen.log_level)
        return Settings(
            correlation_prefix=seen.correlation_id_prefix if seen.include_correlation_id else None,
            traceback_limit=seen.traceback_limit,
            max_code_length=self.max_code_length,
            attempts=self.retry.max_attempts if self.retry.enabled else 1,
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
            "policy": json.dumps(self._policy) if self._policy else None,
        }
        return {name: value for name, value in options.items() if value is not None}

    def _check_embedded(self) -> None:
        """Refuses what only a connection to somewhere else could honour."""
        tls = self.tls
        asked = {
            "executor_api_key": self.executor_api_key,
            "tls_enabled": tls.enabled,
            "tls_cert_path": tls.ca_file,
            "tls.mode": tls.mode,
            "tls.client_cert_file": tls.client_cert_file,
        }
        if idle := [key for key, value in asked.items() if value]:
            raise ConfigError(f"{' and '.join(idle)} cannot take effect without executor_url; set it or leave them out")

    def embedded_options(self) -> dict[str, Any]:
        """Those of `NativeClient.embedded`, but for what is started."""
        self._check_embedded()
        options: dict[str, Any] = {"timeout": self.timeout}
        if self._policy:
            options |= {"policy": json.dumps(self._policy), "base_dir": self._base_dir}
        return options
