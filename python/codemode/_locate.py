"""Where the executor's program is: inside this package, or where a developer says."""

from __future__ import annotations

import os
from pathlib import Path

from codemode._errors import ConfigError

VARIABLE = "CODEMODE_EXECUTABLE"
_PACKAGED = Path(__file__).parent / "_bin" / "codemode"


def executable() -> Path:
    """The packaged binary; without one, what CODEMODE_EXECUTABLE names. `ConfigError` if there is neither."""
    if _PACKAGED.is_file():
        return _PACKAGED
    named = os.environ.get(VARIABLE)
    if not named:
        raise ConfigError(
            f"this installation carries no executor ({_PACKAGED} is missing); install a wheel of codemode-runtime, "
            f"set {VARIABLE} to a codemode binary, or connect to an executor with CODEMODE_EXECUTOR_URL"
        )
    path = Path(named).absolute()
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise ConfigError(f"{VARIABLE} is {named!r}, which is not an executable file")
    return path
