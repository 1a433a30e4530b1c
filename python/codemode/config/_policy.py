"""A policy's blocks, as an executor holds them: sizes in bytes, times in seconds, each with the value that counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from codemode._read_config import Kind
from codemode.config._section import Section


class SidecarSection(Section):
    _kind: ClassVar[Kind] = "sidecar"

    if TYPE_CHECKING:
        # Whatever is left out has the executor's default, which is Rust's to say.
        def __init__(self, **values: Any) -> None: ...


class ExecutionConfig(SidecarSection):
    """`allow_direct_execution` None: true exactly where `allowed_commands` names something."""

    _key = "execution"

    allow_direct_execution: bool | None
    allowed_commands: tuple[str, ...]


class WorkspaceConfig(SidecarSection):
    _key = "filesystem.workspace"

    mount: str | None
    readonly: bool


class SandboxConfig(SidecarSection):
    """`max_size` None: the default, which a small memory limit lowers."""

    _key = "filesystem.sandbox"

    mount: str
    readonly: bool
    max_size: int | None


class OutputsConfig(SidecarSection):
    _key = "filesystem.outputs"

    mount: str | None
    readonly: bool
    max_size: int


class TmpConfig(SidecarSection):
    _key = "filesystem.tmp"

    max_size: int


class FilesystemConfig(SidecarSection):
    _key = "filesystem"

    workspace: WorkspaceConfig
    sandbox: SandboxConfig
    outputs: OutputsConfig
    tmp: TmpConfig


class NetworkConfig(SidecarSection):
    _key = "network"

    mode: Literal["none", "restricted", "all"]
    allowed_domains: tuple[str, ...]
    blocked_domains: tuple[str, ...]
    ports: tuple[int, ...]
    allowed_networks: tuple[str, ...]
    ca_file: str | None
    max_connections: int
    max_bytes: int
    idle_timeout: float


class LimitsConfig(SidecarSection):
    _key = "limits"

    code_timeout: float
    tool_timeout: float
    total_timeout: float
    max_code_length: int
    memory_limit: int
    cpus: float
    processes: int
    open_files: int
    file_size: int
    output_bytes: int
    result_bytes: int
    value_bytes: int
    max_tool_calls: int


class IsolationConfig(SidecarSection):
    _key = "isolation"

    minimum: Literal["none", "container", "full"]
    require: tuple[str, ...]
    allow_jit: bool
    allow_unix_sockets: bool
    fresh_interpreter: bool


class GuestConfig(SidecarSection):
    """`environments`: each a mapping of `name`, `interpreter` and `preload`."""

    _key = "guest"

    interpreter: str | None
    preload: tuple[str, ...]
    environments: tuple[Mapping[str, Any], ...]


class PoolConfig(SidecarSection):
    """`max` None: as many as may run at once."""

    _key = "pool"

    min: int
    max: int | None
    environments_memory: int
