"""One crash of the real command: `rollback apply` in a process of its own, struck, then resumed.

What must hold whatever the moment: the run can be resumed to its end, no site is swapped twice, the
records that were there stay there byte for byte, every write that the platform received stands in a
journal, none of ours reaches Cosmos. A person takes part only where the product asks for one, and
says what the platform shows.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rollback.errors import ExitStatus, JournalBroken
from rollback.model.journal import verify
from rollback.model.record import RecordKind
from rollback.rehearsal.scenario import Scenario
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.stories import auto_swapping
from rollback.rehearsal.strike import disk_of
from rollback.wiring.run_result import read_status

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.rehearsal.scenario import Play
    from rollback.rehearsal.strike import Disk, Strike
    from rollback.running.store import RunDirectory
    from rollback.wiring import PlanDocument

SITTINGS_MAX = 8
ENDS_S_MAX = 600
"""How long a process that was asked to stop, or found its disk full, may take to end."""

_RUN = "from rollback.cli.main import main; main()"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended, and what it said."""

    status: int
    said: str


def struck(strikes: tuple[Strike, ...], *, small: bool = True) -> Scenario:
    """Apply and be struck; resume, struck again where there are more strikes, until it is done.

    small: a full disk is a small file system where one may be mounted, else a limit on file size.
    """
    name = "; then ".join(str(one) for one in strikes)

    def settings(content: dict[str, Any]) -> dict[str, Any]:
        return {**content, "policy": {**content["policy"], "settle_s": 0}}

    return Scenario(
        "struck",
        name,
        (0,),
        world=lambda world: auto_swapping(world, names.WEB),
        settings=settings,
        play=lambda playing: _play(playing, strikes, small=small),
        parameters={"bake": "0s"},
        swaps=1,
        unrecorded=any(one.way == "disk" for one in strikes),
    )


def _play(play: Play, strikes: tuple[Strike, ...], *, small: bool) -> int:
    play.directory.joinpath("state").mkdir()
    with disk_of(play.directory / "state", small=small) as disk:
        plan = play.plan()
        struck_run = _Struck(play, plan, _files(play, plan), disk)
        kept = b""
        ended = Ended(-1, "")
        for sitting in range(SITTINGS_MAX):
            strike = strikes[sitting] if sitting < len(strikes) else None
            ended = struck_run.sit(strike, ended)
            kept = _checked(play, kept, strike, ended)
            if ended.status == 0 or play.said:
                break
    return ended.status


def _run(play: Play) -> RunDirectory | None:
    """The run that resume goes on with: none where nothing was begun."""
    for run in play.operator().setting.state.runs():
        with suppress(JournalBroken):
            if read_status(run).opened:
                return run
    return None


@dataclass(frozen=True, slots=True)
class _Struck:
    """A plan and its approvals, applied and resumed as often as it takes."""

    play: Play
    plan: PlanDocument
    approvals: tuple[Path, ...]
    disk: Disk

    def sit(self, strike: Strike | None, before: Ended) -> Ended:
        """One process of the real command, from its start to its end."""
        if before.status == ExitStatus.LEASE:
            threading.Event().wait(self.play.stage.environment.lease.ttl_s)
        process = subprocess.Popen(  # noqa: S603 - this very interpreter, our own command
            self._command(before),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.play.stage.variables},
            text=True,
        )
        said: list[str] = []
        seen = threading.Event()
        line = 0 if strike is None else strike.line
        reader = threading.Thread(target=_read, args=(process, said, line, seen), daemon=True)
        reader.start()
        if strike is not None:
            if strike.line:
                seen.wait()
            threading.Event().wait(strike.delay_s)
            self.disk.strike(process, strike)
        try:
            status = process.wait(ENDS_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
            self.play.said.append(f"stuck: it did not end within {ENDS_S_MAX} s")
        reader.join()
        self.disk.relieve()
        return Ended(status, "".join(said))

    def _command(self, before: Ended) -> list[str]:
        folder = self.play.directory
        run = _run(self.play)
        verb = ["apply", str(folder / "plan.json")]
        if run is not None:
            verb = ["resume", run.run]
            if before.status == ExitStatus.PERSON:
                looked = _looked(self.play, self.plan, run)
                verb += [word for said in looked for word in ("--said", said)]
        for file in self.approvals:
            verb += ["--approval", str(file)]
        verb += ["--environment", str(folder / "environment.yaml"), "--non-interactive"]
        return [sys.executable, "-c", _RUN, "--state", str(folder / "state"), *verb]


def _read(
    process: subprocess.Popen[str], said: list[str], line: int, seen: threading.Event
) -> None:
    """Keep what a process says; `seen` is set at its line of that number, or when it ends."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    for number, text in enumerate(process.stdout, start=1):
        said.append(text)
        if number >= line:
            seen.set()
    process.stdout.close()
    seen.set()


def _checked(play: Play, kept: bytes, strike: Strike | None, ended: Ended) -> bytes:
    """Hold a sitting's end against what it must leave; return the journal's whole records."""
    run = _run(play)
    if run is None:
        return b""
    data = run.journal_path.read_bytes()
    check = verify(data)
    whole = data[: check.good_bytes]
    if check.line is not None:
        play.said.append(f"the journal is damaged in line {check.line}: {check.problem}")
    if not data.startswith(kept):
        play.said.append("records that were written before are lost")
    if strike is None or strike.way == "kill":
        return whole
    stopped = ended.status in (ExitStatus.INTERRUPTED, -signal.SIGTERM, -signal.SIGINT)
    if strike.way != "disk" and not stopped and ended.status not in (0, ExitStatus.PERSON):
        play.said.append(f"{strike.way} ended with {ended.status}")
    gracefully = strike.way in ("int", "term") and "stopping: " in ended.said
    if gracefully and (left := read_status(run).in_doubt) and ended.status != ExitStatus.PERSON:
        play.said.append(f"a clean stop left {', '.join(left)} unlooked at")
    if stopped and "stopping: " in ended.said and f"rollback resume {run.run}" not in ended.said:
        play.said.append("a stop did not say how to go on")
    if strike.way == "disk" and _halts(play) != 1:
        play.said.append(f"{_halts(play)} halts went out, not one")
    return whole


def _halts(play: Play) -> int:
    return sum(
        entry.write and entry.method == "PATCH" and "autoSwapSlotName" in entry.body
        for entry in play.sim.control.ledger()
    )


def _looked(play: Play, plan: PlanDocument, run: RunDirectory) -> list[str]:
    """What a person sees in the platform, of every swap that this run does not call applied."""
    records = verify(run.journal_path.read_bytes()).records
    tried = {one.text("effect") for one in records if one.kind is RecordKind.INTENT}
    applied = {
        f"{one.text('step')}#{one.text('change')}"
        for one in records
        if one.kind is RecordKind.OUTCOME and one.text("outcome") == "applied"
    }
    summary = play.sim.control.summary()
    said = []
    for surface, site in (("web", names.WEB), ("backend", names.BACKEND)):
        effect = f"revert/{surface}#swap"
        if effect in tried - applied and any(one.id == effect for one in plan.plan.effects):
            took = "applied" if summary["swaps"][site] else "not-applied"
            said.append(f"{effect}={took}")
    return said


def _files(play: Play, plan: PlanDocument) -> tuple[Path, ...]:
    (play.directory / "plan.json").write_bytes(plan.canonical)
    files = []
    for number, data in enumerate(play.approvals(plan), start=1):
        files.append(play.directory / f"approval-{number}.json")
        files[-1].write_bytes(data)
    return tuple(files)
