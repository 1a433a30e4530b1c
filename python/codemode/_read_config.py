"""Asks the native module for a configuration. The one model of each component lives there; the daemon and the command
line read the same. Imports next to nothing.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from codemode._errors import ConfigError, from_native

Kind = Literal["client", "sidecar"]

# What a JSON reader takes as a whole number.
_INTEGERS = range(-(2**63), 2**64)
_PREFIX = "CODEMODE_"


class ConfigLoadError(ConfigError):
    """A file cannot be read, or what it says does not hold; the message names the file, and each key with its line."""


def read(
    kind: Kind,
    values: Mapping[str, Any] | None = None,
    *,
    path: str | None = None,
    environ: Mapping[str, str] | None = None,
    dotenv: str | None = None,
) -> dict[str, Any]:
    """Every setting, and in `set` the names of those that are given: by `values`, else by `environ`, else by the file
    `dotenv`, else by the YAML file `path`. Relative paths in `values` begin at the working directory.
    """
    native = importlib.import_module("codemode._native")
    given = None if values is None else encode(values, f"the {kind} configuration").encode()
    try:
        answer = native.read_config(kind, path, given, _text_only(environ or {}), dotenv, given and _here())
    except native.NativeError as error:
        public = from_native(error)
        raise (public if path is None else ConfigLoadError(str(public))) from None
    settings: dict[str, Any] = json.loads(answer)
    # A client keeps its policy as it is written, an executor's is whole.
    return settings | settings.pop("policy") if kind == "sidecar" else settings


def read_file(kind: Kind, path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The environment, the `.env` beside the file, and the file."""
    file = Path(path)
    what = None
    with contextlib.suppress(OSError):  # what else is wrong is said by its reader
        what = "is a folder" if file.is_dir() else None if file.exists() else "does not exist"
    if what:
        raise ConfigLoadError(
            f"the configuration file {os.fspath(path)!r} {what} (looked for {file.absolute()}); "
            "give the path of a YAML file, or read the environment with from_env()"
        )
    environ = os.environ if environ is None else environ
    return read(kind, path=os.fspath(file), environ=environ, dotenv=os.fspath(file.with_name(".env")))


def known(kind: Kind) -> set[str]:
    """The names at the top of a configuration."""
    keys = importlib.import_module("codemode._native").config_keys(kind)
    return {name.partition(".")[0] for key in keys for name in (key["key"], *key["aliases"])}


def encode(values: Mapping[str, Any], what: str) -> str:
    """As JSON. What YAML could not say either is a `ConfigError` that names each key, and no value."""
    problems: list[str] = []
    try:
        tree = _plain(values, "", problems)
    except RecursionError:
        raise ConfigError(f"{what} is nested too deeply, or holds itself") from None
    if problems:
        raise ConfigError(f"{what} must hold plain values as YAML has them:" + "".join(f"\n  {it}" for it in problems))
    return json.dumps(tree)


def _plain(value: Any, key: str, problems: list[str]) -> Any:
    if isinstance(value, Mapping):
        problems += [f"{_join(key, name)}: keys are text" for name in value if not _is_text(name)]
        return {name: _plain(member, _join(key, name), problems) for name, member in value.items() if _is_text(name)}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, f"{key}[{index}]", problems) for index, item in enumerate(value)]
    # pydantic's secrets and models, without an import for them.
    if hasattr(value, "get_secret_value"):
        return _plain(value.get_secret_value(), key, problems)
    if hasattr(value, "model_dump"):
        return _plain(value.model_dump(exclude_unset=True), key, problems)
    if isinstance(value, os.PathLike):
        value = os.fsdecode(value)
    if value is None or isinstance(value, bool) or _is_text(value):
        return value
    if isinstance(value, str):
        problems.append(f"{key}: is not valid text")
    elif isinstance(value, (int, float)):
        if value in _INTEGERS if isinstance(value, int) else math.isfinite(value):
            return value
        problems.append(f"{key}: is out of range")
    else:
        problems.append(f"{key}: got {type(value).__name__}")
    return None


def _here() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


def _text_only(environ: Mapping[str, str]) -> dict[str, str]:
    """Without the variables of others that are not UTF-8."""
    for name, value in environ.items():
        if name.startswith(_PREFIX) and not _is_text(value):
            raise ConfigError(f"{name}: is not valid text")
    return {name: value for name, value in environ.items() if _is_text(name) and _is_text(value)}


def _is_text(value: Any) -> bool:
    """A `str` may hold bytes that are no text, as surrogates."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _join(key: str, name: Any) -> str:
    return f"{key}.{name}" if key else str(name)
