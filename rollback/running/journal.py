"""The journal of one run in one file: append-only, hash-chained, durable where it says so.

The caller's duties: one `FileJournal` per run at a time (a second writer is refused by a lock on
the file); append from any thread; after JournalBroken nothing that moves away from safety is sent.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, Self

from rollback.connectors.folders import make_folder, sync_folder
from rollback.errors import JournalBroken, LeaseHeld, ProductDefect
from rollback.model.base import Fact, Facts, facts
from rollback.model.journal import (
    ANCHORS,
    LINE_BYTES_MAX,
    MAIN,
    Chain,
    Head,
    JournalCheck,
    line_of,
    speakable,
    verify,
)
from rollback.model.kept_head import KeptHead, held_against
from rollback.model.ports import Clock, Journal
from rollback.model.record import FIRST, Record, RecordKind
from rollback.running import journal_errors
from rollback.running.disk import Disk, RealDisk
from rollback.running.head import HeadFile, read_head
from rollback.running.tail import Tail

if TYPE_CHECKING:
    from pathlib import Path

RESERVE_SUFFIX = ".reserve"


class RunJournal(Journal, Protocol):
    """A journal that can run short: what the permission ledger needs to know."""

    @property
    def tight(self) -> bool:
        """True once the disk was full: what is left is for moves toward safety."""
        ...


def check_file(path: Path, *, anchors: tuple[Head, ...] = ()) -> JournalCheck:
    """Check a journal without a lock and without changing it, also while it is being written.

    Raises JournalBroken where it cannot be read.
    """
    head = read_head(path)  # before the journal: that may grow meanwhile, and the head with it
    try:
        return held_against(verify(path.read_bytes(), anchors=anchors), head)
    except OSError as error:
        raise journal_errors.unreadable(path, error) from error


class FileJournal:
    """`Journal` in a file of JSON lines. Make one with `create` or `open`."""

    def __init__(self, path: Path, descriptor: int, clock: Clock, disk: Disk) -> None:
        """Use `create` or `open` instead."""
        self.path = path
        self.recovered_bytes = 0
        self._descriptor = descriptor
        self._clock = clock
        self._disk = disk
        self._lock = threading.RLock()
        self._chain = Chain()
        self._records: list[Record] = []
        self._snapshot: tuple[Record, ...] | None = ()
        self._tail = Tail(descriptor, disk)
        self._broken = ""
        self._reserve = path.with_name(path.name + RESERVE_SUFFIX)
        self._reserved = self._reserve.exists()
        self._tight = False
        self._head = HeadFile(path, self._disk)
        self._head_told = False
        self.remark = ""

    @classmethod
    def create(cls, path: Path, run: str, clock: Clock, *, disk: Disk | None = None) -> Self:
        """A new journal. Raises JournalBroken where the file exists or cannot be made."""
        try:
            make_folder(path.parent)
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
        except FileExistsError as error:
            raise JournalBroken(
                "journal.exists",
                f"there is a journal at {path} already",
                hint="resume that run; a new run gets a new name",
            ) from error
        except OSError as error:
            raise journal_errors.unwritable(path, error) from error
        journal = cls(path, descriptor, clock, disk or RealDisk())
        try:
            journal._take()
            journal._chain.run = run
            journal._keep_head()
            sync_folder(path.parent)
        except BaseException as error:  # whatever ends it: its lock goes with its file
            journal._head.close()
            os.close(descriptor)
            if isinstance(error, OSError):
                raise journal_errors.unwritable(path, error) from error
            raise
        return journal

    @classmethod
    def open(
        cls,
        path: Path,
        clock: Clock,
        *,
        run: str = "",
        anchors: tuple[Head, ...] = (),
        disk: Disk | None = None,
    ) -> Self:
        """Go on with a journal: check every line, cut a torn tail off and note that.

        run: whose journal it must be (needed where no record was written yet). anchors: heads
        known from elsewhere. Raises JournalBroken naming the first bad line; LeaseHeld where
        another process writes it.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            raise journal_errors.unreadable(path, error) from error
        journal = cls(path, descriptor, clock, disk or RealDisk())
        try:
            journal._take()
            journal._load(run, anchors)
        except OSError as error:
            os.close(descriptor)
            raise journal_errors.unreadable(path, error) from error
        except BaseException:
            os.close(descriptor)
            raise
        return journal

    def _take(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LeaseHeld(
                "journal.held",
                f"another process is running this run and writes {self.path}",
                hint="let it finish, or stop it first; `rollback status` shows where it is",
            ) from error

    def _load(self, run: str, anchors: tuple[Head, ...]) -> None:
        head = read_head(self.path)
        data = self.path.read_bytes()
        check = held_against(verify(data, anchors=anchors), head)
        if run and check.run not in ("", run):
            raise JournalBroken(
                "journal.other-run",
                f"{self.path} is the journal of run {check.run}, not of {run}",
                hint=f"name the run that it is of; {journal_errors.halts(self.path)}",
            )
        if not check.holds:
            raise journal_errors.damaged(self.path, check)
        if not run and not check.run:
            raise JournalBroken(
                "journal.empty",
                f"{self.path} holds no record, so it does not say whose it is",
                hint="nothing was sent in it; name the run, or apply a new plan",
            )
        self._chain.run = run or check.run
        for record in check.records:
            self._chain.add(record, line_of(record))
        self._records = list(check.records)
        self._snapshot = None
        self._tail = Tail(self._descriptor, self._disk, check.good_bytes)
        self.remark = check.remark
        if check.torn_bytes:
            torn = data[check.good_bytes :]
            self._disk.truncate(self._descriptor, check.good_bytes)
            self._disk.sync(self._descriptor)
            self.recovered_bytes = check.torn_bytes
            self.append(
                MAIN,
                RecordKind.NOTE,
                facts(
                    code="journal.torn-tail",
                    text="the end of the journal was torn by a crash and was cut off",
                    torn_bytes=len(torn),
                    torn_sha256=hashlib.sha256(torn).hexdigest(),
                ),
                durable=True,
            )
        if check.remark:  # K3
            self._note("journal.no-head", check.remark)

    # --- reading ---------------------------------------------------------------------------

    @property
    def run(self) -> str:
        """Whose journal it is."""
        return self._chain.run

    @property
    def tight(self) -> bool:
        """True once the disk was full: what is left is for moves toward safety."""
        return self._tight

    @property
    def head_problem(self) -> str:
        """Why the head beside the journal is not kept up; empty where it is."""
        return self._head.problem

    @property
    def heads(self) -> tuple[Head, ...]:
        """The head of every stream, to be kept somewhere else."""
        with self._lock:
            return self._chain.heads

    def records(self) -> tuple[Record, ...]:
        """All records so far, in the order of the file."""
        with self._lock:
            if self._snapshot is None:
                self._snapshot = tuple(self._records)
            return self._snapshot

    # --- writing ---------------------------------------------------------------------------

    def append(self, stream: str, kind: RecordKind, body: Facts, *, durable: bool) -> Record:
        """Append one record; durable: it would survive a power cut when this returns.

        Raises JournalBroken where it cannot be written (then it is not in the journal), and
        ProductDefect for a body that can never be written.
        """
        with self._lock:
            if self._broken:
                raise journal_errors.broken(self.path, self._broken)
            record, line = self._make(stream, kind, body)
            filled = False
            try:
                self._tail.append(line + b"\n", durable=durable)
            except OSError as error:
                filled = self._make_room(error)
                try:
                    if not filled:
                        raise
                    self._tail.settle(durable=durable)
                except OSError:
                    self._tail.drop()
                    raise journal_errors.unwritable(self.path, error) from error
            self._chain.add(record, line)
            self._records.append(record)
            self._snapshot = None
            if self._tail.durable:
                self._keep_head()  # K1
            if filled:
                self._note_full()
            return record

    def _keep_head(self) -> None:
        """Say beside the journal how far it is on disk. What fails is noted, and stops nothing."""
        last = self._chain.last
        digest = FIRST if last is None else last.sha256
        self._head.keep(KeptHead(self._chain.run, len(self._records), digest))
        if self._head.problem and self._records and not self._head_told:
            self._head_told = True
            self._note("journal.head", self._head.problem)

    def _note(self, code: str, text: str) -> None:
        """Remark something that stops nothing, neither where it cannot be written."""
        with suppress(JournalBroken):
            self.append(MAIN, RecordKind.NOTE, facts(code=code, text=text), durable=False)

    def _make(self, stream: str, kind: RecordKind, body: Facts) -> tuple[Record, bytes]:
        for fact in body:
            if fact.name == ANCHORS:
                msg = "the fact `anchors` is the journal's own"
                raise ProductDefect("journal.body", msg)
        sequence, previous = self._chain.position(stream)
        anchors = self._chain.anchors(stream)
        record = Record(
            run=self._chain.run,
            stream=stream,
            sequence=sequence,
            previous=previous,
            at=self._clock.now(),
            monotonic_ms=int(self._clock.monotonic() * 1000),
            kind=kind,
            body=(*body, Fact(ANCHORS, anchors)) if anchors else body,
        )
        problem = self._chain.objection(record)
        try:
            record, line = _written(record)
        except ValueError as error:
            raise ProductDefect("journal.body", str(error)) from error
        if len(line) >= LINE_BYTES_MAX:
            problem = f"a record of {len(line)} bytes; large things are evidence"
        if problem:
            raise ProductDefect("journal.body", problem)
        return record, line

    def _make_room(self, error: OSError) -> bool:
        """Release the reserve. After this the disk is short, and only safety may use it."""
        if error.errno not in journal_errors.FULL:
            return False
        self._tight = True
        if not self._reserved:
            return False
        self._reserved = False
        with suppress(OSError):
            self._disk.remove(self._reserve)
        return True

    def _note_full(self) -> None:
        text = "the disk was full; the reserve was released; only moves toward safety go on"
        with suppress(JournalBroken):
            note = facts(code="journal.tight", text=text)
            self.append(MAIN, RecordKind.NOTE, note, durable=True)

    # --- space and end ---------------------------------------------------------------------

    def reserve(self, n_bytes: int) -> None:
        """Keep `n_bytes` of disk for later. Released by itself when the disk is full.

        Raises JournalBroken where there is not that much space.
        """
        with self._lock:
            try:
                self._disk.allocate(self._reserve, n_bytes)
            except OSError as error:
                with suppress(OSError):
                    self._disk.remove(self._reserve)
                self._reserved = False
                raise journal_errors.unwritable(self.path, error) from error
            self._reserved = True

    def close(self) -> None:
        """Make everything durable, give the reserve back, let go of the file. Never raises."""
        with self._lock:
            if self._broken == "closed":
                return
            with suppress(OSError):
                self._disk.sync(self._descriptor)
                if self._tail.sound:
                    self._keep_head()
            self._head.close()
            with suppress(OSError):
                self._disk.remove(self._reserve)
            self._reserved = False
            self._broken = "closed"
            os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _written(record: Record) -> tuple[Record, bytes]:
    """A record and its line; text that is not Unicode becomes escapes, in both."""
    try:
        return record, line_of(record)
    except ValueError:
        said = record.model_copy(update={"body": speakable(record.body)})
        return said, line_of(said)
