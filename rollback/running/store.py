"""The state directory: where runs keep what outlives a process.

::

    <root>/                    ROLLBACK_STATE, or the user's state directory
      runs/<run>/journal.jsonl   journal.head   plan.json   approvals/   evidence/
      applied/<plan sha256>      a plan applies once; holds the run that applied it
      leases/                    leases of this machine
      machine                    this machine's own name, by chance

Folders are made for the owner alone. Files here are created, never rewritten, but for the journal,
which grows, and its head.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.connectors.folders import create_whole, make_folder, sync_folder
from rollback.errors import EvidenceNotWritten, InputError, PlanStale
from rollback.model.base import rfc3339
from rollback.running.journal import FileJournal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollback.model.journal import Head
    from rollback.model.ports import Clock, Randomness

VARIABLE = "ROLLBACK_STATE"
RUN_NAME = re.compile(r"r-\d{8}-\d{4}-[0-9a-f]{4,16}")
_MACHINE = re.compile(rb"[0-9a-f]{8}")
_AT = re.compile(rb'{"at":"([0-9TZ:.-]{24})"')
"""How a journal begins: the names of a record stand in their order, and its time is the first."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,120}")


def run_id(clock: Clock, randomness: Randomness) -> str:
    """A new run's name: by time to the minute in UTC, with 16 bits of chance."""
    return f"r-{clock.now():%Y%m%d-%H%M}-{randomness.hex(2)}"


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """One run's folder."""

    run: str
    path: Path

    @property
    def journal_path(self) -> Path:
        """The journal's file."""
        return self.path / "journal.jsonl"

    @property
    def plan_path(self) -> Path:
        """The plan that is applied, byte for byte."""
        return self.path / "plan.json"

    @property
    def evidence_path(self) -> Path:
        """The local spool."""
        return self.path / "evidence"

    def create_journal(self, clock: Clock) -> FileJournal:
        """Start the journal. Raises JournalBroken."""
        return FileJournal.create(self.journal_path, self.run, clock)

    def open_journal(self, clock: Clock, *, anchors: tuple[Head, ...] = ()) -> FileJournal:
        """Go on with the journal. Raises JournalBroken, or LeaseHeld while the run is running."""
        return FileJournal.open(self.journal_path, clock, run=self.run, anchors=anchors)

    def keep_plan(self, data: bytes) -> None:
        """Keep the plan. The same bytes again are fine. Raises EvidenceNotWritten."""
        _keep(self.plan_path, data)

    def plan(self) -> bytes:
        """The plan's bytes. Raises InputError where they are gone."""
        try:
            return self.plan_path.read_bytes()
        except OSError as error:
            hint = "nothing was sent before the plan was kept; apply the plan again"
            if self.journal_path.exists():
                hint = f"copy the plan that was applied to {self.plan_path}; its digest is checked"
            raise InputError(
                "run.no-plan",
                f"run {self.run} has no readable plan: {error.strerror}",
                hint=hint,
            ) from error

    def keep_approval(self, name: str, data: bytes) -> None:
        """Keep an approval file under a safe name. Raises EvidenceNotWritten."""
        if _FILE.fullmatch(name) is None:
            msg = f"not a file name for an approval: {name!r}"
            raise InputError("approval.name", msg, hint="use letters, digits, dot and dash")
        _keep(self.path / "approvals" / name, data)

    def approvals(self) -> tuple[bytes, ...]:
        """All approval files, in name order; numbers in names count as numbers."""
        folder = self.path / "approvals"
        files = [*folder.iterdir()] if folder.is_dir() else []
        named = sorted((file.name for file in files if _FILE.fullmatch(file.name)), key=_by_number)
        return tuple((folder / name).read_bytes() for name in named)


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """The folder of all runs of this user on this machine."""

    root: Path

    @classmethod
    def locate(cls, given: str | Path | None, environ: Mapping[str, str]) -> StateDirectory:
        """`given`, else ROLLBACK_STATE, else the user's state directory (platformdirs)."""
        named = given or environ.get(VARIABLE)
        if named:
            return cls(Path(named).expanduser().resolve())
        from platformdirs import user_state_path

        return cls(user_state_path("trade-rollback", appauthor=False))

    @property
    def leases_path(self) -> Path:
        """Where leases of this machine are."""
        return self.root / "leases"

    def machine(self, randomness: Randomness) -> str:
        """A name by chance that this state directory keeps: two machines never share one.

        Where it cannot be kept, a new one: then nobody can be taken for this machine.
        """
        path = self.root / "machine"
        try:
            create_file(path, randomness.hex(4).encode())
        except FileExistsError:
            pass
        except EvidenceNotWritten:
            return randomness.hex(4)
        kept = _bytes_of(path) or b""
        return kept.decode("ascii", "replace") if _MACHINE.fullmatch(kept) else randomness.hex(4)

    def new_run(self, clock: Clock, randomness: Randomness) -> RunDirectory:
        """Make a run's folder, with a name that is free. Raises EvidenceNotWritten."""
        try:
            while True:
                name = run_id(clock, randomness)
                path = self.root / "runs" / name
                make_folder(path.parent)
                try:
                    path.mkdir(mode=0o700)
                except FileExistsError:
                    continue
                sync_folder(path.parent)
                return RunDirectory(name, path)
        except OSError as error:
            raise _not_written(self.root, error) from error

    def runs(self) -> tuple[RunDirectory, ...]:
        """All runs, newest first: by the minute in their names, then by when they began."""
        folder = self.root / "runs"
        names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        found = sorted((name for name in names if RUN_NAME.fullmatch(name)), reverse=True)
        minutes = (list(same) for _, same in groupby(found, key=_minute))
        ordered = (
            sorted(minute, key=lambda name: _began(folder / name), reverse=True)
            if len(minute) > 1
            else minute
            for minute in minutes
        )
        return tuple(RunDirectory(name, folder / name) for minute in ordered for name in minute)

    def find(self, name: str) -> RunDirectory:
        """A run by its name, by the unique start or end of it, or ``latest``. Raises InputError."""
        runs = self.runs()
        if name == "latest" and runs:
            return runs[0]
        exact = [run for run in runs if run.run == name]
        near = exact or [run for run in runs if run.run.startswith(name) or run.run.endswith(name)]
        if len(near) == 1 and name:
            return near[0]
        if name == "latest" and not runs:
            raise InputError(
                "run.unknown",
                f"there is no run under {self.root}",
                hint=f"another state directory is named by {VARIABLE}; where nothing was begun, "
                "give the command again that should have begun it",
            )
        problem = "more than one run is" if near and name else "no run is"
        known = ", ".join(run.run for run in (near or runs)[:5]) or "none"
        raise InputError(
            "run.unknown",
            f"{problem} named {name!r} under {self.root}",
            hint=f"runs here: {known}; another state directory is named by {VARIABLE}",
        )

    def applied_by(self, plan_sha256: str, *, part: str = "plan") -> str | None:
        """The run that applied this plan, or None.

        Raises EvidenceNotWritten where the state directory cannot be read.
        """
        try:
            return str(json.loads(self._marker(plan_sha256, part).read_bytes())["run"])
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _not_written(self.root, error) from error
        except (ValueError, KeyError, TypeError):
            return "a run that cannot be read"

    def appliers(self, plan_sha256: str) -> frozenset[str]:
        """Every run that applied this plan, or its moves toward safety."""
        marks = (self.root / "applied").glob(f"{plan_sha256}*")
        parts = (one.name.partition(".")[2] or "plan" for one in marks)
        return frozenset(filter(None, (self.applied_by(plan_sha256, part=one) for one in parts)))

    def mark_applied(self, plan_sha256: str, run: str, clock: Clock, *, part: str = "plan") -> None:
        """Remember that `run` applies this plan. The same run again is fine (a resume).

        part: ``plan``, or ``only-safe`` where only its moves toward safety are applied, with a
        number where runs that did so were lost.
        Raises PlanStale where another run applied it, EvidenceNotWritten where it cannot be kept.
        """
        said = {"at": rfc3339(clock.now()), "plan_sha256": plan_sha256, "run": run}
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        try:
            create_file(self._marker(plan_sha256, part), text.encode())
        except FileExistsError as error:
            other = self.applied_by(plan_sha256, part=part)
            if other == run:
                return
            raise PlanStale(
                "plan.applied",
                f"this plan was applied before, by run {other}",
                hint=f"see `rollback status {other}`; `rollback resume {other}` goes on with it; "
                "for anything else make a new plan",
                promise="same-plan-twice-is-once",
            ) from error

    def _marker(self, plan_sha256: str, part: str) -> Path:
        if _SHA256.fullmatch(plan_sha256) is None or _FILE.fullmatch(part) is None:
            msg = f"not a plan digest: {plan_sha256!r}"
            raise InputError("plan.digest", msg, hint="a digest is 64 hex digits")
        return self.root / "applied" / (plan_sha256 if part == "plan" else f"{plan_sha256}.{part}")


def _minute(run: str) -> str:
    """What of a run's name is its time; the rest is chance, and no order."""
    return run.rpartition("-")[0]


def _began(path: Path) -> str:
    """When a run began: its first record, or where it has none, the last change of its folder."""
    with suppress(OSError), (path / "journal.jsonl").open("rb") as journal:
        if (first := _AT.match(journal.read(64))) is not None:
            return first[1].decode()
    with suppress(OSError):
        return rfc3339(datetime.fromtimestamp(path.stat().st_mtime, UTC))
    return ""


def _by_number(name: str) -> list[int | str]:
    """A key that puts ``approval-2`` before ``approval-10``: text and numbers by turns."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]


def create_file(path: Path, data: bytes) -> None:
    """Create a file with all of `data` in it, durably, or not at all.

    The same bytes in place already are fine. Raises FileExistsError for other bytes, and
    EvidenceNotWritten where the disk says no.
    """
    try:
        create_whole(path, data, 0o600)
    except FileExistsError:
        if _bytes_of(path) != data:
            raise
    except OSError as error:
        raise _not_written(path, error) from error


def _keep(path: Path, data: bytes) -> None:
    try:
        create_file(path, data)
    except FileExistsError as error:
        raise EvidenceNotWritten(
            "state.exists",
            f"{path} holds something else already and is never rewritten",
            hint="apply the plan again: that is a new run with a folder of its own",
        ) from error


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _not_written(path: Path, error: OSError) -> EvidenceNotWritten:
    return EvidenceNotWritten(
        "state.unwritable",
        f"{path} cannot be written: {error.strerror}",
        hint=f"name a state directory that can be written with {VARIABLE}",
        promise="evidence-first",
    )
