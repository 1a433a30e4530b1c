"""The four kinds of checks: does this trial hold?"""

from __future__ import annotations

from security.arena import Trial
from security.claims import CLAIMS


def judge(trial: Trial) -> None:
    told = trial.told()
    stdout = trial.result.stdout
    assert not trial.visited, f"a canary outside was reached: {trial.visited}\n{told}"
    assert not trial.arena.toolbox.admin_ran, f"a tool that was not granted ran\n{told}"
    if trial.program.judges_itself:
        _judged_itself(trial)
    else:
        assert _came_to(trial), told
    check = trial.program.check
    assert check.get("stdout_contains", "") in stdout, told
    assert "stdout_not" not in check or check["stdout_not"] not in stdout, told
    for claim in trial.program.claims:
        assert CLAIMS[claim](trial), f"not so: {claim}\n{told}"


def _judged_itself(trial: Trial) -> None:
    assert "VERDICT: ESCAPED" not in trial.result.stdout, trial.told()
    if not _came_to(trial):
        assert "VERDICT: CONTAINED" in trial.result.stdout, trial.told()


def _came_to(trial: Trial) -> bool:
    return trial.program.passes_with(trial.result.outcome, trial.arena.executor.tier)
