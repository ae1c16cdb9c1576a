"""`rollback rehearse`: stage, plan, approve, apply; then say, promise by promise, what was seen."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.errors import InputError, did_you_mean
from rollback.rehearsal.by_hand import by_hand
from rollback.rehearsal.checks import check_promises, problems_of
from rollback.rehearsal.scenario import Play, Scenario, play
from rollback.rehearsal.scenarios import SCENARIOS
from rollback.rendering.faces import first_screen_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.playbook import Playbook
    from rollback.wiring import PlanDocument


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
    def one(scenario: Scenario) -> tuple[Scenario, int, tuple[str, ...], float]:
        started = time.monotonic()
        talk(f"scenario {scenario.name}")
        exit_, problems, _ = play(
            scenario, playbook, root / scenario.name, lambda *_: None, problems_of
        )
        return scenario, exit_, problems, time.monotonic() - started

    failed = 0
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        for played in as_completed([pool.submit(one, scenario) for scenario in SCENARIOS]):
            scenario, exit_, problems, took = played.result()
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
