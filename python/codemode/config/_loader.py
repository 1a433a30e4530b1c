"""Finds and reads configuration files."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codemode._errors import ConfigError
from codemode._read_config import ConfigLoadError
from codemode.config._client import ClientConfig
from codemode.config._sidecar import SidecarConfig

__all__ = ["ConfigLoadError", "ConfigLoader"]

FilePath = str | os.PathLike[str]

_SHARED = "codemode.yaml"
_CLIENT = ("codemode-client.yaml", _SHARED)
_SIDECAR = ("codemode-sidecar.yaml", _SHARED)


class ConfigLoader:
    """Where no path is given, the working directory is searched for the usual names, the component's own first.

    Whatever is wrong with a file is a `ConfigLoadError`, which is a `ConfigError`.
    """

    @classmethod
    def load(cls, config_path: FilePath | None = None) -> ClientConfig:
        """The same as `load_client_config`."""
        return cls.load_client_config(config_path)

    @classmethod
    def load_dict(cls, config_dict: Mapping[str, Any]) -> ClientConfig:
        """The same as `load_client_config_from_dict`."""
        return cls.load_client_config_from_dict(config_dict)

    @classmethod
    def load_client_config(cls, config_path: FilePath | None = None) -> ClientConfig:
        """From this file, or from `codemode-client.yaml` or `codemode.yaml`. The environment wins over it."""
        return ClientConfig.from_yaml(_found(_CLIENT) if config_path is None else config_path)

    @classmethod
    def load_client_config_from_dict(cls, config_dict: Mapping[str, Any]) -> ClientConfig:
        """From the keys of the file."""
        return ClientConfig.from_dict(config_dict)

    @classmethod
    def load_client_config_from_env(cls) -> ClientConfig:
        """From the CODEMODE_* variables."""
        return ClientConfig.from_env()

    @classmethod
    def load_sidecar_config(cls, config_path: FilePath | None = None) -> SidecarConfig:
        """From this file, or from `codemode-sidecar.yaml` or `codemode.yaml`. The environment wins over it."""
        return SidecarConfig.from_yaml(_found(_SIDECAR) if config_path is None else config_path)

    @classmethod
    def load_sidecar_config_from_dict(cls, config_dict: Mapping[str, Any]) -> SidecarConfig:
        """From the keys of the file."""
        return SidecarConfig.from_dict(config_dict)

    @classmethod
    def load_sidecar_config_from_env(cls) -> SidecarConfig:
        """From the CODEMODE_* variables."""
        return SidecarConfig.from_env()

    @classmethod
    def validate_config_file(cls, config_path: FilePath) -> bool:
        """Whether a client or an executor could start with this file, here and now; what is wrong is logged."""
        problems = []
        for load in (cls.load_client_config, cls.load_sidecar_config):
            try:
                load(config_path)
            except ConfigError as error:
                problems.append(error)
            else:
                return True
        logging.getLogger("codemode").error("%s", problems[0])
        return False


def _found(names: Sequence[str]) -> Path:
    folder = Path.cwd()
    for name in names:
        if (file := folder / name).is_file():
            return file
    raise ConfigLoadError(
        f"there is no {' or '.join(names)} in {folder}; create one, give the path of another file, "
        "or read the environment with from_env()"
    )
