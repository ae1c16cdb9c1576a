"""`kill -9` at random moments of a real apply, then resume: a documented command, seeded.

``python -m rollback.rehearsal.kills COUNT SEED``. After each: at most one swap a site took effect,
the journal verifies whole, no write to Cosmos was ours. A seed replays the same moments.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.errors import RollbackError
from rollback.rehearsal.acts import apply_and_kill
from rollback.rehearsal.checks import problems_of
from rollback.rehearsal.scenario import Scenario, play
from rollback.running.journal import check_file

if TYPE_CHECKING:
    from rollback.rehearsal.scenario import Play

EVENTS = 60
"""About how many events a clean run of the shipped playbook says."""

SITTINGS_MAX = 3


def killed_at(number: int) -> Scenario:
    """Kill at the event of that number, then resume until the run is done."""

    def act(playing: Play) -> int:
        plan = playing.plan()
        apply_and_kill(playing, plan, "state", lambda _, seen: seen >= number)
        operator = playing.operator()
        runs = operator.status()
        if not runs:
            return playing.apply(plan).exit_status
        exit_ = 1
        for _ in range(SITTINGS_MAX):
            result = operator.resume(
                runs[0].run, approvals=playing.approvals(plan), progress=playing.progress
            )
            playing.results.append(result)
            exit_ = result.exit_status
            if exit_ == 0:
                break
        if problem := check_file(Path(playing.results[-1].journal_path)).problem:
            playing.said.append(problem)
            return 9
        return exit_

    return Scenario(f"killed-at-{number}", f"killed at event {number}", (0,), play=act, swaps=1)


def main() -> int:
    """``COUNT SEED``; the exit status is 1 when one ended otherwise."""
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    from playbooks import full_rollback

    chance = random.Random(seed)  # noqa: S311 - the same seed gives the same moments
    failed = 0
    for _ in range(count):
        number = chance.randrange(EVENTS)
        folder = Path(tempfile.mkdtemp(prefix="rollback-kill-"))
        try:
            exit_, problems, _playing = play(
                killed_at(number), full_rollback, folder, lambda *_: None, problems_of
            )
        except RollbackError as error:
            exit_, problems = error.exit_status.value, (str(error),)
        state = "FAILED" if problems else "ok    "
        sys.stdout.write(
            f"{state} killed at event {number:<3} exit {exit_} {'; '.join(problems)}\n"
        )
        sys.stdout.flush()
        failed += bool(problems)
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(f"{count - failed} passed, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
