"""What the corpus says in sentences. Each is asserted here; one that is missing fails its program."""

from __future__ import annotations

import json
import os
import platform
import threading
from collections.abc import Callable
from pathlib import Path

from e2e import processes
from security.arena import OUTPUTS_LIMIT, Trial
from security.canaries import SECRET

MIB = 1 << 20
RESULT_LIMIT = 16 * MIB
# Where the collector stops, with room for the last file.
MOST_ARTIFACTS = 20_000


def nothing_left(trial: Trial) -> bool:
    trial.arena.answers()
    return not trial.arena.left_behind()


def well(trial: Trial) -> bool:
    trial.arena.answers()
    return True


def no_zombies(trial: Trial) -> bool:
    family = processes.descendants(trial.arena.executor.family)
    return nothing_left(trial) and not any(processes.state(process.pid) == "Z" for process in family)


def valid_json(trial: Trial) -> bool:
    """Of the result, and of a response as a client of the HTTP interface gets it."""
    if trial.result.result_json is not None:
        json.loads(trial.result.result_json, parse_int=str)
    code = trial.program.filled(trial.arena.places)
    executor = trial.arena.executor
    status, body = executor.http("/v1/executions", {"code": code}, key=executor.key)
    return status in (200, 400, 422) and isinstance(json.loads(body, parse_int=str), dict)


def calm_beside_it(trial: Trial) -> bool:
    """The storm again, and executions that begin and end while it lasts: it takes seconds, they take moments."""
    arena = trial.arena
    code = trial.program.filled(arena.places)
    storm = threading.Thread(target=arena.execute, args=(code, trial.program.timeout_s))
    storm.start()
    done = 0
    while storm.is_alive():
        assert arena.client.execute("2 + 2").result == 4
        done += storm.is_alive()
    storm.join()
    # Where one runs at a time nobody ends beside it: whoever comes waits, and is served.
    return done >= 4 or arena.executor.one_at_a_time


def artifacts_stay_inside(trial: Trial) -> bool:
    outputs = trial.arena.outputs.resolve()
    told = [artifact.host_path for artifact in trial.result.artifacts if artifact.host_path]
    paths = [trial.arena.executor.arrived(path) for path in told]
    return all(path.resolve().is_relative_to(outputs) and not path.is_symlink() for path in paths) and all(
        not os.path.isabs(artifact.path) and ".." not in Path(artifact.path).parts
        for artifact in trial.result.artifacts
    )


def host_files(trial: Trial) -> list[Path]:
    return [path for path in trial.arena.outputs.rglob("*") if path.is_symlink() or not path.is_dir()]


def no_secret_collected(trial: Trial) -> bool:
    return not any(SECRET.encode() in path.read_bytes() for path in host_files(trial) if path.is_file())


def only_regular_files(trial: Trial) -> bool:
    return all(path.is_file() and not path.is_symlink() and path.stat().st_nlink == 1 for path in host_files(trial))


def no_set_id(trial: Trial) -> bool:
    return all(path.stat().st_mode & 0o6000 == 0 for path in host_files(trial))


def host_space_bounded(trial: Trial) -> bool:
    return sum(path.stat().st_blocks * 512 for path in host_files(trial)) <= OUTPUTS_LIMIT + MIB


def grew_less(limit: int) -> Callable[[Trial], bool]:
    return lambda trial: trial.growth < limit


def clean_log(trial: Trial) -> bool:
    """Nothing of a program's making begins a line of the log or reaches a terminal as an escape sequence."""
    log = trial.arena.executor.log()
    return "\nFORGED-LINE" not in log and "\x1b[31m" not in log


def not_timed_out(trial: Trial) -> bool:
    return bool(trial.result.outcome != "timeout" and trial.result.error.error_type != "Timeout")


def in_no_output(*words: str) -> Callable[[Trial], bool]:
    return lambda trial: not any(word in trial.result.stdout + str(trial.result.error) for word in words)


def no_connection_left(trial: Trial) -> bool:
    """Every server of the arena saw the end of each."""
    peers = trial.arena.ground.peers
    return bool(peers.wait(lambda visits: all(visit.ended.is_set() for visit in visits)))


def audit_is_whole(trial: Trial) -> bool:
    """Each line is the executor's, whatever names it tells of."""
    lines = trial.arena.audit.read_bytes().decode().split("\n")
    return lines.pop() == "" and all("event" in json.loads(line) and line.isprintable() for line in lines)


def listens(name: str) -> Callable[[Trial], bool]:
    """In the network namespace of the executor."""
    return lambda trial: name in Path(f"/proc/{trial.arena.pid}/net/unix").read_text()


CLAIMS: dict[str, Callable[[Trial], bool]] = {
    "canary saw nothing": lambda trial: not trial.visited,
    "setup: listener on abstract socket cm-canary": listens("@cm-canary"),
    "supervisor RSS growth < 16 MiB": grew_less(16 * MIB),
    "supervisor RSS growth < 64 MiB": grew_less(64 * MIB),
    "supervisor fd count unchanged": nothing_left,
    "supervisor and zygote pids unchanged": lambda trial: trial.arena.same_processes(),
    "executor healthy": well,
    "client alive": well,
    "client receives <= limit": lambda trial: len(trial.result.result_json or "") <= RESULT_LIMIT,
    "no process left": nothing_left,
    "no zombies in executor": no_zombies,
    "sandbox dir gone": nothing_left,
    "no disk usage left": nothing_left,
    "cleanup < 5 s": nothing_left,
    "memory usage back to baseline after the execution": nothing_left,
    "workspace tree hash unchanged": lambda trial: trial.arena.workspace_unchanged(),
    "response is valid JSON": valid_json,
    "response.timed_out is false": not_timed_out,
    "response.violations empty": lambda trial: trial.result.violations == (),
    "concurrent trivial execution latency < 1 s": calm_beside_it,
    # The runner starts it before the program and asks for its result afterwards.
    "setup: another execution runs beside it": well,
    # `test_without_courtesy` repeats every program that judges itself.
    "repeat with validator disabled": lambda trial: trial.program.judges_itself,
    "counter == 0 after the response + 2 s": lambda trial: nothing_left(trial) and trial.arena.toolbox.count == 0,
    "no returned artifact contains the secret canary": no_secret_collected,
    "no artifact path escapes the output dir": artifacts_stay_inside,
    "only regular files with one name reach the host": only_regular_files,
    "no file on the host has set-id bits": no_set_id,
    "the host's disk holds no more than the limit": host_space_bounded,
    "the list of artifacts is bounded": lambda trial: len(trial.result.artifacts) <= MOST_ARTIFACTS,
    "at most 2000 violations are listed": lambda trial: len(trial.result.violations) <= 2000,
    "the daemon's log holds no forged line": clean_log,
    "the tools were called at most 1000 times": lambda trial: trial.arena.toolbox.count <= 1000,
    "no tool ran": lambda trial: trial.arena.toolbox.count == 0,
    "the error is the code's own": lambda trial: trial.result.outcome == "error",
    "no path of the client's machine is told": in_no_output("toolbox.py", str(Path(__file__).parent)),
    "the host's name is not told": in_no_output(platform.node()),
    "no connection is left": no_connection_left,
    "a server saw them": lambda trial: bool(trial.arena.ground.peers.visits),
    "the audit log is whole": audit_is_whole,
}
