"""Plant known mistakes in a copy of the source, one by one; each must be caught by the simulation.

    python -m tests.simulation.mutants [NAME ...]

A patch that no longer fits fails loudly: then the mistake has to be planted anew. Nothing of the
product's own source is touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake: in which file, what becomes what, and the aimed schedules tried first."""

    name: str
    file: str
    old: str
    new: str
    first: tuple[str, ...] = ("clean",)


MUTANTS = (
    Mutant(
        "outcome-recorded-before-effect",
        "rollback/running/perform.py",
        """            performed, problem = self._send(planned)
""",
        """            self.outcome(planned, Look(Outcome.APPLIED, "sent"))
            performed, problem = self._send(planned)
""",
    ),
    Mutant(
        "intent-not-recorded",
        "rollback/running/ledger.py",
        """            durable = effect.purpose is not Purpose.EVIDENCE
            self._journal.append(MAIN, RecordKind.INTENT, body, durable=durable)
""",
        """            if effect.purpose is Purpose.EVIDENCE:
                self._journal.append(MAIN, RecordKind.INTENT, body, durable=False)
""",
    ),
    Mutant(
        "intent-not-durable",
        "rollback/running/ledger.py",
        "            durable = effect.purpose is not Purpose.EVIDENCE\n",
        "            durable = False\n",
    ),
    Mutant(
        "resume-trusts-the-intent",
        "rollback/running/perform.py",
        """        self._look(planned, performed, "its answer was lost", sent=unrecorded)
""",
        """        self.outcome(planned, Look(Outcome.APPLIED, "it was sent"))
""",
        ("died-before-the-swap",),
    ),
    Mutant(
        "swap-given-back-and-sent-again",
        "rollback/running/drive.py",
        "    if effects and given < limit and (change.absolute or spoken):\n",
        "    if effects and given < limit:\n",
        ("swap-delivered-late",),
    ),
    Mutant(
        "swap-retried-at-once",
        "rollback/running/perform.py",
        """            return planned.action.perform(planned.context, planned.change, clients).facts, ""
        except JournalBroken:
            raise
""",
        """            try:
                done = planned.action.perform(planned.context, planned.change, clients)
            except ConnectorError:
                done = planned.action.perform(planned.context, planned.change, clients)
            return done.facts, ""
        except JournalBroken:
            raise
""",
        ("swap-answer-lost",),
    ),
    Mutant(
        "permission-not-consumed",
        "rollback/running/ledger.py",
        """        account.sent += 1
        account.bytes_sent += shape.body_bytes
""",
        """        account.bytes_sent += shape.body_bytes
""",
    ),
    Mutant(
        "lease-not-checked-after-a-pause",
        "rollback/wiring/leases.py",
        "        return still_ours(self._grant, self._monotonic(), self._ttl_s)\n",
        "        return 0 if self._grant is None else self._grant.fence\n",
        ("paused-between-look-and-send",),
    ),
    Mutant(
        "old-authority-accepted",
        "rollback/running/preflight.py",
        "        return seen is not None and 0 <= (now - seen.at).total_seconds() <= halt.age_s_max\n",
        "        return seen is not None\n",
        ("proof-grows-old-while-looking",),
    ),
    Mutant(
        "clock-trusted-when-set-back",
        "rollback/running/fold.py",
        "            self._state = replace(self._state, authority=())\n        match",
        "            pass\n        match",
        ("clock-set-back-while-looking",),
    ),
    Mutant(
        "capture-skipped-when-the-store-is-slow",
        "rollback/actions/capturing.py",
        """    for wanted in (False, True):
""",
        """    begun = shared.clients.now()
    for wanted in (False, True):
        if (shared.clients.now() - begun).total_seconds() > 30:
            return tuple(made.values())
""",
        ("store-slow",),
    ),
    Mutant(
        "capture-said-where-the-store-is-full",
        "rollback/evidence/sinks.py",
        """                self._store, self._why = None, error.reason
""",
        """                self._store, self._why = None, error.reason
                return str(__import__("hashlib").sha256(data).hexdigest())
""",
        ("store-full-once",),
    ),
    Mutant(
        "one-host-sampled",
        "rollback/actions/outside.py",
        "    for host in surface.hosts:\n",
        "    for host in surface.hosts[:1]:\n",
    ),
    Mutant(
        "unknown-treated-as-applied",
        "rollback/running/perform.py",
        "                look = Look(Outcome.UNKNOWN, reason)\n",
        "                look = Look(Outcome.APPLIED, reason)\n",
        ("no-answer-to-any-look",),
    ),
    Mutant(
        "unknown-folded-as-applied",
        "rollback/running/fold.py",
        '                }.get(record.text("outcome"), ChangeStatus.UNKNOWN)\n',
        '                }.get(record.text("outcome"), ChangeStatus.APPLIED)\n',
        ("no-answer-to-any-look",),
    ),
    Mutant(
        "halt-held-back-by-a-full-disk",
        "rollback/running/ledger.py",
        """            if not toward:
                raise
            self._degraded""",
        """            if self._journal:
                raise
            self._degraded""",
        ("disk-full-before-the-halt",),
    ),
    Mutant(
        "halt-held-back-by-a-disk-that-broke-in-mid-run",
        "rollback/wiring/apply.py",
        "        if error.code not in UNWRITABLE or all_made(document.plan, journal):\n",
        "        if error:\n",
        ("died-before-the-halt-and-the-disk-broke-while-it-looked",),
    ),
)


def main(names: list[str]) -> int:
    """0 when every mutant was caught; 1 with the names of those that survived."""
    survived = []
    for mutant in MUTANTS:
        if names and mutant.name not in names:
            continue
        started = time.monotonic()
        caught = hunt(mutant)
        took = time.monotonic() - started
        print(f"{'caught  ' if caught else 'SURVIVED'} {mutant.name} ({took:.0f} s) {caught}")  # noqa: T201
        sys.stdout.flush()
        if not caught:
            survived.append(mutant.name)
    if survived:
        print(f"{len(survived)} survived: {', '.join(survived)}")  # noqa: T201
    return 1 if survived else 0


def hunt(mutant: Mutant) -> str:
    """Plant one and run the slice; what caught it, empty for nothing."""
    with tempfile.TemporaryDirectory(prefix="rollback-mutant-") as folder:
        copy = Path(folder)
        for name in ("rollback", "playbooks", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        plant(copy / mutant.file, mutant)
        environ = {**os.environ, "PYTHONPATH": str(copy), "PYTHONHASHSEED": "0"}
        command = [sys.executable, "-m", "tests.simulation", "slice", "--first", *mutant.first]
        done = subprocess.run(
            command, cwd=copy, env=environ, capture_output=True, text=True, check=False
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("CAUGHT ")]
    if done.returncode not in {0, 1} or (done.returncode == 1 and not lines):
        sys.exit(f"the slice could not be run with {mutant.name}:\n{done.stdout}{done.stderr}")
    return lines[0].removeprefix("CAUGHT ") if lines else ""


def plant(file: Path, mutant: Mutant) -> None:
    """Put the mistake in. Ends the program where the source is not what it was."""
    text = file.read_text()
    if text.count(mutant.old) != 1:
        sys.exit(
            f"{mutant.name} no longer applies to {mutant.file}: the text is there "
            f"{text.count(mutant.old)} times; plant the same mistake anew"
        )
    file.write_text(text.replace(mutant.old, mutant.new))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
