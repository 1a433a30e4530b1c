"""What `codemode serve` would do: the daemon's own reading of its file and its environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import SecretStr

from codemode._read_config import Kind
from codemode.config._policy import (
    ExecutionConfig,
    FilesystemConfig,
    GuestConfig,
    IsolationConfig,
    LimitsConfig,
    NetworkConfig,
    PoolConfig,
    SidecarSection,
)
from codemode.config._section import Answer, Configuration


class TlsServerConfig(SidecarSection):
    """`ca_file` and `require_client_auth` are about the certificates of clients. `required` refuses to listen for other
    machines without TLS.
    """

    _key = "tls"

    enabled: bool
    mode: Literal["system", "custom"] | None
    cert_file: str | None
    key_file: str | None
    ca_file: str | None
    require_client_auth: bool
    required: bool


class CallbackTlsConfig(SidecarSection):
    """How the executor checks the application at `main_app_grpc_target`, and who it is itself."""

    _key = "callback_tls"

    enabled: bool
    ca_file: str | None
    client_cert: str | None
    client_key: str | None


class SidecarConfig(Configuration):
    """Settings of an executor as `codemode serve` reads them. What is wrong is a `ConfigError` that names every key.

    A view: to change an executor, change its file or its environment. The key may be given as `api_key`, one or two;
    `security` is another name for `execution`.
    """

    _kind: ClassVar[Kind] = "sidecar"

    # Not where it listens on a Unix socket.
    host: str | None
    port: int | None
    listen: str
    api_keys: tuple[SecretStr, ...]
    main_app_grpc_target: str | None
    callback_tls: CallbackTlsConfig
    log_level: Literal["error", "warn", "info", "debug", "trace"]
    drain_timeout: float
    tls: TlsServerConfig
    audit: str | None
    execution: ExecutionConfig
    filesystem: FilesystemConfig
    network: NetworkConfig
    limits: LimitsConfig
    isolation: IsolationConfig
    guest: GuestConfig
    pool: PoolConfig
    max_concurrent_executions: int | None
    queue: int

    if TYPE_CHECKING:

        def __init__(self, **values: Any) -> None: ...

    @property
    def api_key(self) -> SecretStr | None:
        """The key that clients present; while keys are rotated, the new one."""
        return self.api_keys[0] if self.api_keys else None

    @property
    def security(self) -> ExecutionConfig:
        return self.execution

    def get_grpc_address(self) -> str:
        """Where the executor listens: `HOST:PORT` or `unix:PATH`."""
        return self.listen

    @classmethod
    def _fields(cls, answer: Answer) -> Mapping[str, Any]:
        return {name: answer[name] for name in cls.model_fields}
