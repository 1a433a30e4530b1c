"""The client that is traced: `profile_subject.py SAMPLES`, in an environment with the release wheel.

It speaks with profile_execution.py line by line. Says `ready` with its thread and what the calls take untraced; hears
where to write its marks; makes the calls between marks; says what they took; ends when nobody listens any more.
"""

from __future__ import annotations

import json
import os
import sys
import time

import measure
from codemode import Codemode
from profile_stages import ANSWER, CALL, OVER

CODE = "2 + 2"
# Seconds until all that the last execution left to do is done.
SETTLED = 0.5


def main() -> None:
    samples = int(sys.argv[1])
    with Codemode() as client:

        def call() -> None:
            assert client.execute(CODE).result == 4

        measure.warm(call)
        say({"thread": os.getpid(), "untraced": measure.paced(call, samples)})
        trace = os.open(sys.stdin.readline().strip(), os.O_WRONLY)

        def marked() -> None:
            os.write(trace, CALL.encode())
            call()
            os.write(trace, ANSWER.encode())

        time.sleep(SETTLED)
        traced = measure.paced(marked, samples)
        time.sleep(SETTLED)
        os.write(trace, OVER.encode())
        os.close(trace)
        say({"traced": traced})
        sys.stdin.readline()


def say(found: dict[str, object]) -> None:
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
