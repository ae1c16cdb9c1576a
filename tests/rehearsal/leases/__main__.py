"""Attacks on the lease, seeded: ``python -m tests.rehearsal.leases ROUNDS SEED``.

Two laptops press at once, their clocks apart, or the first is stopped at any record of its journal
and wakes up when the second is done. Rounds with a folder and with a bucket take turns. A seed
gives the same attacks; no machine is twice equally fast, so where they fall may differ.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from playbooks import full_rollback
from rollback.rehearsal.scenario import staged
from tests.rehearsal.leases.attacks import round_of
from tests.rehearsal.leases.laptops import scenario


def main() -> int:
    """The exit status is 1 when anything was broken."""
    rounds, seed = int(sys.argv[1]), int(sys.argv[2])
    failed = 0
    for number in range(rounds):
        root = Path(tempfile.mkdtemp(prefix="rollback-lease-"))
        with ExitStack() as stack:
            story = scenario(bucket=number % 2 == 1)
            play = staged(stack, story, full_rollback, root, lambda *_: None)
            what, broken = round_of(play, f"{seed}/{number}")
        failed += bool(broken)
        if not broken:
            shutil.rmtree(root)
        where = f"; see {root}" if broken else ""
        state = "FAILED" if broken else "ok    "
        sys.stdout.write(f"{state} {number:>4} {what} {'; '.join(broken)}{where}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{rounds - failed} passed, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
