"""`rollback rehearse`: stage, plan, approve, apply; then say, promise by promise, what was seen."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.errors import InputError, did_you_mean
from rollback.rehearsal.by_hand import by_hand
from rollback.rehearsal.checks import check_promises, problems_of
from rollback.rehearsal.scenario import Play, Scenario, play
from rollback.rehearsal.scenarios import SCENARIOS
from rollback.rendering.faces import first_screen_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollback.model.playbook import Playbook
    from rollback.wiring import PlanDocument

    _Played = tuple[str, int, tuple[str, ...], float]
    """A scenario's name, its exit status, every broken promise, and seconds."""


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def scenario_named(name: str) -> Scenario:
    """The scenario of that name. Raises InputError naming the known ones."""
    for scenario in SCENARIOS:
        if scenario.name == name:
            return scenario
    known = [scenario.name for scenario in SCENARIOS]
    raise InputError(
        "input.unknown-scenario",
        f"no scenario is named {name!r}",
        hint=f"{did_you_mean(name, known)}use one of {', '.join(known)}",
    )


def rehearse(
    playbook: Playbook | None = None,
    scenario: str = "clean",
    *,
    keep: str | Path | None = None,
    out: Callable[[str], None] = print,
    talk: Callable[[str], None] | None = None,
    wait: Callable[[], None] | None = None,
    at_once: int = 1,
) -> int:
    """Rehearse one scenario, or ``all``. Returns 0 when every one ends as stated.

    out: takes result lines (standard output); talk: takes progress (standard error). wait: given
    where people rehearse by hand; it returns when they are done. at_once: scenarios of ``all`` that
    run side by side, each with a platform of its own.
    """
    talk = talk or _to_stderr
    if playbook is None:
        from playbooks import full_rollback

        playbook = full_rollback
    root = (
        Path(keep).resolve()
        if keep is not None
        else Path(tempfile.mkdtemp(prefix="rollback-rehearsal-"))
    )
    if wait is not None:
        return by_hand(scenario_named(scenario), playbook, root, out=out, wait=wait)
    if scenario == "all":
        return _all(playbook, root, out, talk, at_once)
    return _one(scenario_named(scenario), playbook, root, out, talk)


def _one(
    scenario: Scenario,
    playbook: Playbook,
    root: Path,
    out: Callable[[str], None],
    talk: Callable[[str], None],
) -> int:
    started = time.monotonic()
    talk(f"rehearsal of {playbook.playbook}, scenario {scenario.name}: {scenario.about}")
    ended: list[str] = []

    def progress(kind: str, step: str, text: str) -> None:
        if kind != "looked":
            talk(f"{time.monotonic() - started:.2f} s {step or '-'}: {kind} {text}".rstrip())

    def judge(playing: Play, exit_: int) -> tuple[str, ...]:
        problems = problems_of(playing, exit_)
        ended.extend(_ending(playing, exit_, problems))
        return problems

    def shown(plan: PlanDocument) -> None:
        out(first_screen_text(plan.plan, plan.digest))
        kept = _keep_faces(plan, root)
        talk(f"the whole plan, to read, to post and to apply: {kept}.txt, .md, .html, .json")

    _, problems, _ = play(scenario, playbook, root, progress, judge, shown)
    for line in ended:
        out(line)
    out(f"kept in:  {root}")
    out(f"took:     {time.monotonic() - started:.1f} s")
    return 1 if problems else 0


def _keep_faces(plan: PlanDocument, root: Path) -> Path:
    number = 1
    while (kept := root / f"plan-{number}").with_suffix(".json").exists():
        number += 1
    kept.with_suffix(".txt").write_text(plan.to_text())
    kept.with_suffix(".md").write_text(plan.to_markdown())
    kept.with_suffix(".html").write_text(plan.to_html())
    kept.with_suffix(".json").write_bytes(plan.canonical)
    return kept


def _ending(playing: Play, exit_: int, problems: tuple[str, ...]) -> list[str]:
    lines = []
    for result in playing.results:
        lines.append(f"run:      {result.run}, exit {result.exit_status}")
        lines += [
            f"  {ended:<12} {name}{': ' + why if why else ''}" for name, ended, why in result.steps
        ]
        lines += [f"next:     {move}" for move in result.next_moves]
        if result.bundle_path:
            lines.append(f"bundle:   {result.bundle_path}")
    lines += [f"stopped:  {said}" for said in playing.said]
    lines.append("promises, seen from the outside:")
    for one in check_promises(playing, exit_):
        lines.append(f"  {'kept  ' if one.holds else 'BROKEN'} {one.promise}: {one.seen}")
    lines.append(f"ending:   {exit_} ({'as stated' if not problems else 'NOT AS STATED'})")
    lines += [f"  problem: {problem}" for problem in problems]
    return lines


def _all(
    playbook: Playbook,
    root: Path,
    out: Callable[[str], None],
    talk: Callable[[str], None],
    at_once: int,
) -> int:
    failed = 0
    for name, exit_, problems, took in _played(playbook, root, talk, at_once):
        scenario = scenario_named(name)
        state = "ok    " if not problems else "FAILED"
        out(f"{state} {scenario.name:<34} exit {exit_:<3} {took:5.1f} s  {scenario.about}")
        for problem in problems:
            out(f"         {problem}")
        if problems:
            failed += 1
        else:
            shutil.rmtree(root / scenario.name, ignore_errors=True)
    out(f"{len(SCENARIOS) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _played(
    playbook: Playbook, root: Path, talk: Callable[[str], None], at_once: int
) -> Iterator[_Played]:
    """What came of each, as it ends. Side by side they are processes: threads would share a core.

    The processes are forks, made before anything has begun, so they hold nothing of each other.
    """
    left = [scenario.name for scenario in SCENARIOS]
    if at_once == 1:
        for name in left:
            talk(f"scenario {name}")
            yield _play_one(playbook, root, name)
        return
    with ProcessPoolExecutor(at_once, get_context("fork"), _on_their_own) as pool:
        running: set[Future[_Played]] = set()
        try:
            while left or running:
                with _deaf():  # here it forks, and what is raised in hooks of a fork is lost
                    while left and len(running) < at_once:
                        talk(f"scenario {left[0]}")
                        running.add(pool.submit(_play_one, playbook, root, left.pop(0)))
                done, running = wait_for(running, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        except BaseException:  # a person who has seen enough; else the pool waits for all of them
            for worker in active_children():
                worker.terminate()
            raise


_ENDS = frozenset({signal.SIGINT, signal.SIGTERM})


def _on_their_own() -> None:
    """In a worker: Ctrl-C reaches all of a terminal's processes; the first one deals with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)


@contextmanager
def _deaf() -> Iterator[None]:
    """Whoever ends it waits until the end of this."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _play_one(playbook: Playbook, root: Path, name: str) -> _Played:
    started = time.monotonic()
    exit_, problems, _ = play(
        scenario_named(name), playbook, root / name, lambda *_: None, problems_of
    )
    return name, exit_, problems, time.monotonic() - started
