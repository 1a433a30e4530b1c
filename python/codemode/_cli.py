"""The console script: becomes the packaged binary, so that signals, output and exit code are its own."""

from __future__ import annotations

import os
import sys

from codemode._errors import ConfigError
from codemode._locate import executable

EXIT_UNAVAILABLE = 69
INTERPRETER = "CODEMODE_GUEST_INTERPRETER"


def main() -> int:
    try:
        program = executable()
    except ConfigError as error:
        print(f"codemode: {error}", file=sys.stderr)
        return EXIT_UNAVAILABLE
    environment = dict(os.environ)
    # Code that runs sees the packages of the environment that this script belongs to, also where it is not activated.
    environment.setdefault(INTERPRETER, sys.executable)
    os.execve(program, ["codemode", *sys.argv[1:]], environment)
