"""The journal's copy outside this machine: every line, in order, in create-only objects.

The rules, cited by number in the code:

- M1 an object holds whole lines, from the one its name counts; it is created once, never replaced.
- M2 the intent of a move away from safety is outside before it leaves (`flush`, asked by the
  permission ledger); everything else follows at a bounded interval, on a thread of its own.
- M3 what cannot be mirrored stops moves away from safety, and nothing else.
- M4 an object that is there and holds other lines was written by somebody else: two machines go on
  with one run, and this one stops.
- M5 records of the mirror's own writes alone make no new object.
- M6 the first object claims the plan, so that it is applied once on all machines.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from rollback.errors import (
    EvidenceNotWritten,
    GuardRefusal,
    LeaseHeld,
    PlanStale,
    RollbackError,
)
from rollback.model.base import facts
from rollback.model.journal import MAIN, line_of
from rollback.model.record import Record, RecordKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.ports import Journal, MirrorPlace

OBJECT_BYTES_MAX = 4 << 20
"""One object: several records, or one of the longest kind, or a plan."""

BATCH_BYTES = 256 << 10
STEP = "mirror"
"""The step that the mirror's own requests name."""


class Mirror:
    """Follows one run's journal. Safe to use from several threads."""

    def __init__(
        self,
        place: MirrorPlace,
        journal: Journal,
        *,
        run: str,
        plan: str,
        part: str,
        files: tuple[tuple[str, bytes], ...],
        interval_s: float,
        say: Callable[[str], None],
    ) -> None:
        """plan: its digest. part: what of it is applied. files: its bytes and the approvals'.

        say: takes what a person must see: that the mirror fails, and that it works again.
        """
        self._place = place
        self._journal = journal
        self._run = run
        self._claim = (f"applied/{plan}.{part}", run.encode())
        self._files = files
        self._interval_s = interval_s
        self._say = say
        self._done = -1
        self._problem = ""
        self._refused = False
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="mirror", daemon=True)

    @property
    def problem(self) -> str:
        """Why the last attempt failed; empty where it did not."""
        return self._problem

    def start(self) -> None:
        """Follow from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Mirror what is left, once, and end. Never raises."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=60)
        if not self._refused:
            with suppress(RollbackError):
                self.flush()

    def flush(self) -> None:
        """Return when every record so far is outside (M2).

        Raises EvidenceNotWritten where that fails, LeaseHeld where another machine writes this run,
        PlanStale where another run applied this plan.
        """
        with self._lock:
            try:
                self._begin()
                self._through(self._journal.records())
            except (LeaseHeld, PlanStale) as error:
                self._failed(error)
                raise
            except RollbackError as error:
                self._failed(error)
                raise EvidenceNotWritten(
                    "mirror.not-written",
                    f"the journal cannot be mirrored: {error.reason}",
                    hint="nothing moves away from safety without it; mend the store, then "
                    "`rollback resume`; halts still go out with `apply --only-safe`",
                    promise="evidence-first",
                ) from error
            if self._problem:
                self._problem = ""
                self._say("the journal is mirrored again")

    # --- the parts -------------------------------------------------------------------------

    def _follow(self) -> None:
        while not self._stop.wait(self._interval_s):
            with suppress(RollbackError):
                new = self._journal.records()[max(0, self._done) :]
                if any(not _own(record) for record in new):  # M5
                    self.flush()

    def _begin(self) -> None:
        if self._done >= 0:
            return
        name, data = self._claim
        if (other := self._made(name, data)) != data:  # M6
            run = other.decode(errors="replace")
            raise PlanStale(
                "plan.applied",
                f"this plan was applied before, by run {run} on another machine",
                hint=f"`rollback resume {run}` goes on with it; for anything else make a new plan",
                promise="same-plan-twice-is-once",
            )
        for file, content in self._files:
            if self._made(f"{self._run}/{file}", content) != content:
                raise self._elsewhere(f"{file} is there and is another one")
        lines = [_line(record) for record in self._journal.records()]
        there = mirrored_lines(self._place, self._run)
        if b"".join(lines[: len(there)]) != b"".join(there):
            raise self._elsewhere("the mirror holds other records of this run than this machine")
        self._done = len(there)

    def _through(self, records: tuple[Record, ...]) -> None:
        while self._done < len(records):
            batch: list[bytes] = []
            for record in records[self._done :]:
                line = _line(record)
                if batch and sum(map(len, batch)) + len(line) > BATCH_BYTES:
                    break
                batch.append(line)
            name, data = lines_name(self._run, self._done), b"".join(batch)
            made = self._made(name, data)
            if not made.endswith(b"\n") or not data.startswith(made):
                raise self._elsewhere(f"{name} holds other records")  # M4
            # An earlier attempt, whose answer was lost, may have stored the first of them.
            self._done += made.count(b"\n")

    def _made(self, name: str, data: bytes) -> bytes:
        """Create (M1); what is there now, where that was not us. Raises what the place raises.

        An answer that was lost is told by reading back.
        """
        lost: RollbackError | None = None
        try:
            if self._place.create(name, data):
                return data
        except RollbackError as error:
            lost = error
        found = None
        if not isinstance(lost, GuardRefusal):
            with suppress(RollbackError):
                found = self._place.get(name)
        if found is not None:
            return found
        raise lost or EvidenceNotWritten(
            "mirror.vanished", f"{name} is there and cannot be read", hint="see the store"
        )

    def _elsewhere(self, why: str) -> LeaseHeld:
        return LeaseHeld(
            "mirror.other-writer",
            f"another machine goes on with run {self._run}: {why}",
            hint="look there; this machine sends nothing that moves users any more",
            promise="same-plan-twice-is-once",
        )

    def _failed(self, error: RollbackError) -> None:
        if isinstance(error, GuardRefusal):  # the run is latched: it writes nothing any more
            self._refused = True
            self._stop.set()
        if self._problem == error.reason:
            return
        self._problem = error.reason
        self._say(error.reason)
        with suppress(RollbackError):
            body = facts(code="mirror.failed", text=error.reason)
            self._journal.append(MAIN, RecordKind.NOTE, body, durable=False)


def lines_name(run: str, first: int) -> str:
    """The object that starts with the record of that number."""
    return f"{run}/lines-{first:08d}.jsonl"


def mirrored_lines(place: MirrorPlace, run: str) -> list[bytes]:
    """The lines that are outside, in order, up to the first gap. Raises ConnectorError."""
    lines: list[bytes] = []
    names = set(place.names(f"{run}/lines-"))
    while (name := lines_name(run, len(lines))) in names:
        data = place.get(name) or b""
        new = data.splitlines(keepends=True)
        if not new:
            break
        lines += new
    return lines


def _line(record: Record) -> bytes:
    return line_of(record) + b"\n"


def _own(record: Record) -> bool:
    """Whether a record only says that the mirror was written, or that a lease was renewed."""
    if record.kind is RecordKind.EXCHANGE:
        return record.text("step") in {STEP, "lease"}
    return record.kind is RecordKind.INTENT and record.text("step") == "upkeep"
