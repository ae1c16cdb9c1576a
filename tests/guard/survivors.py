"""Mutants that lived, held against the written reasons: ``python -m tests.guard.survivors SESSION``.

Exits 1 where one lives without a reason in docs/explanation/guard-mutants.md, or where a reason is
given for one that does not live any more.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

REASONS = Path(__file__).parents[2] / "docs" / "explanation" / "guard-mutants.md"
_PAIR = re.compile(r"^- (.+)\n\+ (.+)$", re.MULTILINE)

Pair = tuple[str, str]


def reasons() -> set[Pair]:
    """(line as it is, line as the mutant has it) of every reason."""
    return {(_plain(old), _plain(new)) for old, new in _PAIR.findall(REASONS.read_text())}


def survivors(session: Path) -> dict[Pair, str]:
    """The same of every mutant that lived, with its file."""
    asked = (
        "select m.module_path, w.diff from mutation_specs m join work_results w using (job_id)"
        " where w.worker_outcome = 'NORMAL' and w.test_outcome = 'SURVIVED'"
    )
    found: dict[Pair, str] = {}
    with closing(sqlite3.connect(session)) as database:
        for path, diff in database.execute(asked):
            lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
            old = " ".join(line[1:] for line in lines if line.startswith("-"))
            new = " ".join(line[1:] for line in lines if line.startswith("+"))
            found[_plain(old), _plain(new)] = path
    return found


def _plain(text: str) -> str:
    """Without the spaces and comments that a mutation may move."""
    return re.sub(r"\s+", "", re.sub(r"  #.*", "", text))


def main() -> int:
    """Say what lives without a reason, and which reasons are needed no more."""
    session = Path(sys.argv[1])
    with closing(sqlite3.connect(session)) as database:
        (tried,) = database.execute(
            "select count(*) from work_results where worker_outcome = 'NORMAL'"
        ).fetchone()
    lived, given = survivors(session), reasons()
    for (old, new), path in sorted(lived.items()):
        if (old, new) not in given:
            sys.stdout.write(f"lives without a reason: {path}\n- {old}\n+ {new}\n")
    for old, new in sorted(given - set(lived)):
        sys.stdout.write(f"a reason for what does not live:\n- {old}\n+ {new}\n")
    sys.stdout.write(f"{tried} mutants tried, {len(lived)} lived\n")
    return 1 if set(lived) - given or given - set(lived) else 0


if __name__ == "__main__":
    sys.exit(main())
