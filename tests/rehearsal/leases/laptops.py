"""Laptops: processes of the real command, each with a state folder of its own, and what they left.

They share the platform and the lease, and nothing else. A moment in one of them is waited for: a
record in its journal, a request that the platform received.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rollback.model.journal import verify
from rollback.model.record import Record, RecordKind
from rollback.rehearsal.scenario import Play, Scenario
from rollback.rehearsal.simulator import names
from rollback.running.lease.scoped import MARGIN_S
from rollback.wiring import PlanDocument

ROOT = Path(__file__).parents[3]
COMMAND = ("-c", "from rollback.cli.main import main; main()")
SKEWED = ("-m", "tests.rehearsal.leases.skewed")
LASTS_S = 3500
WAIT_S_MAX = 300
"""After this a moment that was waited for never came."""

LOOKS_S = 0.005
SELDOM_S = 0.05
TTL_S = 6
TRIES_MAX = 20
HELD = 12
SITES = (names.WEB, names.BACKEND)


def quick(content: dict[str, Any]) -> dict[str, Any]:
    """Leases that run out soon, and a swap that may take as long as the other laptop needs."""
    policy = {**content["policy"], "settle_s": 0, "busy_s_max": 120, "swap_s_max": 240}
    return {**content, "policy": policy, "lease": {**content["lease"], "ttl_s": TTL_S}}


def scenario(*, bucket: bool = False, mirror: bool = False) -> Scenario:
    """The plain story, for laptops."""

    def settings(content: dict[str, Any]) -> dict[str, Any]:
        return {**quick(content), "journal_mirror": mirror}

    return Scenario(
        "laptops", "two laptops", (0,), settings=settings, bucket=bucket,
        parameters={"bake": "0s"}, swaps=1,
    )  # fmt: skip


@dataclass
class Laptop:
    """One machine with its plan. skew_s: how far its wall clock is off."""

    play: Play
    name: str
    plan: PlanDocument
    skew_s: int = 0
    process: subprocess.Popen[str] | None = None
    said: list[str] = field(default_factory=list)
    reader: threading.Thread | None = None
    begun: str = ""
    read: tuple[bytes, tuple[Record, ...]] = (b"", ())
    """The journal's bytes as they were last seen, and the records in them."""

    @property
    def state(self) -> Path:
        return self.play.directory / self.name

    def run(self) -> str:
        """The run of its plan here, which stays the same; empty where nothing was begun."""
        if self.begun:
            return self.begun
        for folder in sorted(self.state.glob("runs/*")):
            if (folder / "plan.json").is_file() and (
                (folder / "plan.json").read_bytes() == self.plan.canonical
            ):
                self.begun = folder.name
                break
        return self.begun

    def records(self) -> tuple[Record, ...]:
        """What its journal holds, whole records only; they may be being written right now.

        It is asked for again and again while a moment is waited for, so bytes are judged once.
        """
        path = self.state / "runs" / self.run() / "journal.jsonl"
        if not self.run() or not path.is_file():
            return ()
        data = path.read_bytes()
        if data != self.read[0]:
            self.read = data, verify(data).records
        return self.read[1]

    def grants(self) -> tuple[Record, ...]:
        """Each time it had the lease."""
        return tuple(
            one
            for one in self.records()
            if one.kind is RecordKind.LEASED and one.get("held") is True
        )

    def begin(self, *words: str) -> None:
        """Start the command, or go on with its run where it has one."""
        known = self.run()
        said = words or (("resume", known) if known else ("apply", str(self._plan_file())))
        how: tuple[str, ...] = COMMAND
        if self.skew_s:
            how = (*SKEWED, str(self.skew_s))
        signed = [word for file in self._signed() for word in ("--approval", str(file))]
        self.said.clear()
        self.process = subprocess.Popen(
            [
                sys.executable, *how, "--state", str(self.state), *said,
                "--environment", str(self.play.directory / "environment.yaml"),
                *signed, "--non-interactive",
            ],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **self.play.stage.variables},
        )  # fmt: skip
        self.reader = threading.Thread(target=self._hear, args=(self.process,), daemon=True)
        self.reader.start()

    def ended(self) -> int:
        """Wait for its end; the exit status."""
        assert self.process is not None
        assert self.reader is not None
        status = self.process.wait(WAIT_S_MAX)
        self.reader.join()
        return status

    def at_it(self, *words: str, then: Callable[[], None] | None = None) -> int:
        """Try as people do: while the lease is another's, again, when it can have run out.

        The last exit status. A try takes as much of the machine as the run that is waited for.

        then: what happens as soon as it has the lease.
        """
        known = len(self.grants())
        for _ in range(TRIES_MAX):
            self.begin(*words)
            if then is not None and self.when(
                lambda: len(self.grants()) > known, looks_s=SELDOM_S
            ):
                then()
                then = None
            status = self.ended()
            if status != HELD:
                break
            threading.Event().wait(TTL_S + MARGIN_S)
        return status

    def talk(self) -> str:
        return "".join(self.said)

    def when(self, moment: Callable[[], bool], *, looks_s: float = LOOKS_S) -> bool:
        """Wait for a moment; False where the command ended before it came."""
        assert self.process is not None
        last = time.monotonic() + WAIT_S_MAX
        while not moment():
            if self.process.poll() is not None:
                return moment()
            assert time.monotonic() < last, f"it never came: {self.talk()}"
            threading.Event().wait(looks_s)
        return True

    def stop(self) -> None:
        """As a lid that is closed does: every thread. Returns when none of them runs.

        Not while it writes a lease in a folder: its lock would be waited for without end, which
        is told and not mended (`lease.folder-locked`), and has tests of its own.
        """
        assert self.process is not None
        while True:
            self._signal(signal.SIGSTOP)
            if self.process.returncode is not None:
                return
            # The signal was only sent. Where it ended instead, the process object is left to reap
            # it.
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            if not self._writes_a_lease():
                return
            self.wake()
            threading.Event().wait(LOOKS_S)

    def wake(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _writes_a_lease(self) -> bool:
        """Whether it has the lock of a lease, as only it can here: the other is not there yet."""
        for file in (self.play.directory / "leases").glob("*.lock"):
            with file.open("rb") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
        return False

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def _hear(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self.said.append(line)

    def _plan_file(self) -> Path:
        file = self.play.directory / f"{self.name}.plan.json"
        file.write_bytes(self.plan.canonical)
        return file

    def _signed(self) -> list[Path]:
        files = []
        for number, data in enumerate(self.play.approvals(self.plan, lasts_s=LASTS_S)):
            files.append(self.play.directory / f"{self.name}.{number}.json")
            if not files[-1].exists():
                files[-1].write_bytes(data)
        return files


@contextmanager
def laptops(play: Play, *, skews_s: tuple[int, int] = (0, 0)) -> Iterator[tuple[Laptop, Laptop]]:
    """Two of them, each with a plan of its own of the same rollback; none outlives the block."""
    two = tuple(
        Laptop(play, name, play.plan(name), skew_s)
        for name, skew_s in zip(("state-first", "state-second"), skews_s, strict=True)
    )
    try:
        yield two[0], two[1]
    finally:
        for one in two:
            if one.process is not None:
                one.process.kill()
                one.process.wait()


def sent(laptop: Laptop) -> list[str]:
    """The moves away from safety that its journal says may have left: those under a fence."""
    return [one.text("effect") for one in _left(laptop.records())]


def _left(records: tuple[Record, ...]) -> list[Record]:
    """Intents under a fence, without those whose lease was over before they could be sent."""
    left: list[Record] = []
    for one in records:
        if one.kind is RecordKind.INTENT and one.get("fence") is not None:
            left.append(one)
        elif one.kind is RecordKind.RETURNED and one.get("sent") is False:
            stopped = [it for it in left if it.text("effect") == one.text("effect")]
            if stopped:
                left.remove(stopped[-1])
    return left


def noted(laptop: Laptop, code: str) -> bool:
    return any(one.get("code") == code for one in laptop.records())


def problems(play: Play, *two: Laptop) -> list[str]:
    """What must never be: two writers on record, a second swap, a release that is not the stable."""
    broken = []
    swaps = {site: play.sim.control.swaps(site) for site in SITES}
    if any(count != 1 for count in swaps.values()):
        broken.append(f"swaps that took effect: {swaps}")
    grants: list[tuple[int, datetime, str]] = []
    intents: list[tuple[int, datetime, str]] = []
    for one in two:
        off = timedelta(seconds=one.skew_s)
        records = one.records()
        granted = [it for it in records if it.kind is RecordKind.LEASED]
        for group, into in ((granted, grants), (_left(records), intents)):
            for record in group:
                fence = record.get("fence")
                if isinstance(fence, int):
                    into.append((fence, record.at - off, one.name))
    # One run that two laptops had has one beginning, which both journals hold.
    takers = {(fence, at) for fence, at, _ in grants}
    if len(takers) != len({fence for fence, _ in takers}):
        broken.append(f"a fencing number was given twice: {sorted(takers)}")
    for fence, at, name in intents:
        later = [taken for number, taken, _ in grants if number > fence]
        if later and at >= min(later):
            broken.append(f"{name} wrote under {fence} after a higher number was given")
    return broken
