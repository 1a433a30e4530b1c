"""The console script: becomes the packaged binary, so that signals, output and exit code are its own."""

from __future__ import annotations

import os
import sys

from codemode._errors import ConfigError
from codemode._locate import executable

EXIT_UNAVAILABLE = 69


def main() -> int:
    try:
        program = executable()
    except ConfigError as error:
        print(f"codemode: {error}", file=sys.stderr)
        return EXIT_UNAVAILABLE
    os.execv(program, ["codemode", *sys.argv[1:]])
