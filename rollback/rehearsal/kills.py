"""A real apply struck at random moments, then resumed: a documented command, seeded.

``python -m rollback.rehearsal.kills COUNT SEED [AT_ONCE [WAY]]``. It is killed, interrupted once or
twice, terminated, or finds its disk full; `rollback.rehearsal.crash` says what must hold after. A
seed gives the same strikes; no machine is twice equally fast, so where they fall may differ. WAY
keeps to rounds that begin so; ``limit`` to those of a full disk, made by a limit on file size.
"""

from __future__ import annotations

import logging
import random
import shutil
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from rollback.errors import RollbackError
from rollback.rehearsal.checks import problems_of
from rollback.rehearsal.crash import struck
from rollback.rehearsal.scenario import play
from rollback.rehearsal.strike import ROOM_MAX, WAYS, Strike

LINES = 60
"""About how many lines a clean run of the shipped playbook says."""

DELAY_S_MAX = 0.4
AGAIN = 0.3
"""How often the first resume is struck too."""


def strikes_of(seed: int, number: int) -> tuple[Strike, ...]:
    """The strikes of one round: the first on `apply`, a second, if any, on its first resume."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - the same seed gives the same moments
    count = 2 if chance.random() < AGAIN else 1
    return tuple(
        Strike(
            WAYS[number % len(WAYS)] if first else chance.choice(WAYS),
            chance.randrange(LINES),
            chance.random() * DELAY_S_MAX,
            chance.randrange(ROOM_MAX),
        )
        for first in [True, False][:count]
    )


LIMIT = "limit"


def numbers_of(count: int, way: str) -> list[int]:
    """The numbers of `count` rounds; with a way, of the first so many that begin so."""
    if not way:
        return list(range(count))
    place = WAYS.index("disk" if way == LIMIT else way)
    return [number * len(WAYS) + place for number in range(count)]


def round_of(seed: int, number: int, *, small: bool = True) -> tuple[str, tuple[str, ...]]:
    """Play one round; return its line and every broken promise."""
    from playbooks import full_rollback

    scenario = struck(strikes_of(seed, number), small=small)
    folder = Path(tempfile.mkdtemp(prefix="rollback-crash-"))
    try:
        exit_, problems, playing = play(
            scenario, full_rollback, folder, lambda *_: None, problems_of
        )
        problems += tuple(playing.said if playing else ())
    except RollbackError as error:
        exit_, problems = error.exit_status.value, (str(error),)
    if problems:
        problems += (f"see {folder}",)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    state = "FAILED" if problems else "ok    "
    return f"{state} {number:>4} {scenario.about} exit {exit_} {'; '.join(problems)}", problems


def main() -> int:
    """``COUNT SEED [AT_ONCE [WAY]]``; the exit status is 1 when one ended otherwise."""
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    # This is the application: a health check that an SDK makes in the background, and that finds
    # its client closed, is none of the reader's business. What fails in ours is said below.
    logging.getLogger("azure").addHandler(logging.NullHandler())
    at_once = int(sys.argv[3]) if len(sys.argv) > 3 else 1  # noqa: PLR2004 - the third argument
    way = sys.argv[4] if len(sys.argv) > 4 else ""  # noqa: PLR2004 - the fourth
    played = partial(round_of, seed, small=way != LIMIT)
    failed: Counter[bool] = Counter()
    with ThreadPoolExecutor(at_once) as pool:
        for line, problems in pool.map(played, numbers_of(count, way)):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            failed[bool(problems)] += 1
    sys.stdout.write(f"{failed[False]} passed, {failed[True]} failed\n")
    return 1 if failed[True] else 0


if __name__ == "__main__":
    sys.exit(main())
