"""Every promise checked from the outside: by what the simulator received, not by what we say.

The simulator accepts whatever it is sent; a broken guard would show here as a write it received.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.evidence.chunks import unpacked
from rollback.evidence.standalone_verify import Bundle
from rollback.evidence.verify import verify_bundle
from rollback.model.effect import ExactBody, HttpWrite
from rollback.model.record import RecordKind
from rollback.model.steps import traits_of
from rollback.rehearsal.simulator import names
from rollback.rendering.words import counted
from rollback.running.journal import check_file

if TYPE_CHECKING:
    from rollback.model.record import Record
    from rollback.rehearsal.scenario import Play
    from rollback.rehearsal.simulator.ledger import Entry

OUTSIDE_PRINCIPALS = ("operator:", "backend:", "platform:", "github:")
"""Who else writes in the simulated platform; everything that came over a wire is ours."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One promise, what was checked for it, what was seen, and whether it holds."""

    promise: str
    seen: str
    holds: bool


def check_promises(play: Play, exit_: int) -> tuple[Seen, ...]:
    """Hold each promise against what the world saw."""
    ledger = play.sim.control.ledger()
    writes = [entry for entry in ledger if entry.write]
    return (
        _no_rewrite(play, writes),
        _permitted(play, writes),
        _authority(play),
        _evidence(play),
        _unknown(play, exit_),
        _once(play),
        _closed(play),
        _no_secret(play),
    )


def problems_of(play: Play, exit_: int) -> tuple[str, ...]:
    """Every broken promise, and an ending that is not as stated."""
    broken = [f"{one.promise}: {one.seen}" for one in check_promises(play, exit_) if not one.holds]
    if exit_ not in play.scenario.endings:
        broken.append(f"ended with {exit_}, not {' or '.join(map(str, play.scenario.endings))}")
    writes = [entry for entry in play.sim.control.ledger() if entry.write]
    if play.scenario.sends_nothing and writes:
        broken.append(f"{len(writes)} writes left: {writes[0].method} {writes[0].path}")
    if play.scenario.swaps is not None:
        moved = {
            surface
            for step in play.playbook.steps
            if traits_of(step.spec.action).reverts
            for surface in step.spec.surfaces_named
        }
        summary = {
            site: count
            for site, count in play.sim.control.summary()["swaps"].items()
            if site.removeprefix("trading-") in moved
        }
        if any(count != play.scenario.swaps for count in summary.values()):
            broken.append(f"swaps that took effect: {summary}, wanted {play.scenario.swaps} a site")
    return tuple(broken)


def _no_rewrite(play: Play, writes: list[Entry]) -> Seen:
    cosmos = [one for one in writes if one.host == names.COSMOS_HOST]
    account = [one for one in writes if "microsoft.documentdb" in one.path.lower()]
    control = [one for one in writes if "/api/control" in one.path or "dynamic-config" in one.path]
    changed = [
        one
        for one in play.sim.control.changes()
        if not one.principal.startswith(OUTSIDE_PRINCIPALS)
    ]
    bad = len(cosmos) + len(account) + len(control) + len(changed)
    return Seen(
        "no-control-plane-rewrite",
        f"{bad} writes of ours reached Cosmos, its account or the control API",
        bad == 0,
    )


def _permitted(play: Play, writes: list[Entry]) -> Seen:
    """Every write is in a plan, no more often than it says, and an intent in a journal."""
    effects = [
        effect
        for plan in play.plans
        for effect in plan.plan.effects
        if isinstance(effect, HttpWrite)
    ]
    intents = Counter(
        (record.text("method"), record.text("host"), record.text("path"))
        for records in _journals(play)
        for record in records
        if record.kind is RecordKind.INTENT
    )
    sent: Counter[tuple[str, str, str, str | None]] = Counter()
    strange: list[str] = []
    for write in writes:
        where = (write.method, write.host, write.path)
        sent[*where, write.body_sha256] += 1
        permitted = sum(
            effect.times_max + effect.returns_max
            for effect in effects
            if (effect.method, effect.host, effect.path) == where
            and (not isinstance(effect.body, ExactBody) or effect.body.sha256 == write.body_sha256)
        )
        said = f"{write.method} {write.host}{write.path}"
        if sent[*where, write.body_sha256] > permitted:
            strange.append(f"{said} is in no plan, or not so often")
        intents[where] -= 1
        if intents[where] < 0 and not play.scenario.unrecorded:
            strange.append(f"{said} stands in no journal")
    said = f"{len(writes)} writes received, {len(strange)} of them not in a plan and a journal"
    return Seen("plan-is-permission", "; ".join([said, *strange[:3]]), not strange)


def _journals(play: Play) -> list[tuple[Record, ...]]:
    """The records of every run of this rehearsal, on whichever laptop."""
    files = sorted(play.directory.glob("state*/runs/*/journal.jsonl"))
    return [check_file(path).records for path in files]


def _authority(play: Play) -> Seen:
    asked = retained = moved = 0
    unproved: list[str] = []
    for records in _journals(play):
        proved = False
        for record in records:
            if record.kind is RecordKind.AUTHORITY:
                asked += 1
                holds = record.text("verdict") == "retained"
                retained += holds
                proved = proved or holds
            if record.kind is RecordKind.INTENT and record.text("effect").endswith("#swap"):
                moved += 1
                if not proved:
                    unproved.append(record.text("effect"))
    said = f"asked {asked} times, proved {retained}; {moved} moves of users"
    if unproved:
        said += f", without proof before: {', '.join(unproved)}"
    return Seen("halt-authority-retained", said, not unproved)


def _evidence(play: Play) -> Seen:
    late: list[str] = []
    captures = 0
    for records in _journals(play):
        captured: set[str] = set()
        for record in records:
            if record.kind is RecordKind.OUTCOME and record.text("step").startswith(
                "capture-before/"
            ):
                captured.add(record.text("step").removeprefix("capture-before/"))
                captures += 1
            if (
                record.kind is RecordKind.INTENT
                and record.text("effect").endswith("#swap")
                and record.text("step") not in captured
            ):
                late.append(record.text("step"))
    sealed, broken = _bundles(play)
    said = f"{captures} captures before moves" + (f"; none before {late}" if late else "")
    said += f"; {counted(sealed, 'bundle')} sealed, by two verifiers {broken or 'whole'}"
    return Seen("evidence-first", said, not late and not broken)


def _bundles(play: Play) -> tuple[int, str]:
    """(how many were sealed, what either verifier says against one of them)."""
    folders = sorted(play.directory.glob("state*/runs/*/evidence/bundle-*"))
    for folder in folders:
        ours, alone = verify_bundle(folder), Bundle(folder)
        alone.verify("")
        if ours.problems or alone.wrong:
            first = str(ours.problems[0]) if ours.problems else "whole by one of them"
            return len(folders), f"{folder.name}: {first}"
    return len(folders), ""


def _unknown(play: Play, exit_: int) -> Seen:
    unknown = [
        name for result in play.results for name, ended, _ in result.steps if ended == "unknown"
    ]
    last = play.results[-1] if play.results else None
    open_ = [] if last is None else [name for name, ended, _ in last.steps if ended == "unknown"]
    holds = not (open_ and exit_ == 0)
    return Seen(
        "unknown-is-a-state", f"{len(unknown)} outcomes were unknown, none called success", holds
    )


def _once(play: Play) -> Seen:
    """No site was swapped more often than there were plans to swap it."""
    planned = Counter(
        effect.path.partition("/sites/")[2].partition("/")[0]
        for plan in play.plans
        for effect in plan.plan.effects
        if isinstance(effect, HttpWrite) and effect.path.endswith("/slotsswap")
    )
    took = play.sim.control.summary()["swaps"]
    holds = all(count <= max(1, planned[site]) for site, count in took.items())
    said = ", ".join(f"{site} {count}" for site, count in took.items())
    return Seen("same-plan-twice-is-once", f"swaps that took effect: {said}", holds)


def _closed(play: Play) -> Seen:
    caught = 0
    missing: list[str] = []
    for records in _journals(play):
        proved = False
        for record in records:
            if record.kind is RecordKind.CANARIES:
                proved = record.get("all_caught") is True
                counted = record.get("caught")
                caught += counted if isinstance(counted, int) else 0
            elif record.kind is RecordKind.OPENED:
                proved = False
            elif record.kind is RecordKind.INTENT and not proved:
                missing.append(record.run)
    said = f"{caught} planted requests caught"
    if missing:
        said += f"; writes before any was planted in {', '.join(sorted(set(missing)))}"
    return Seen("fail-closed", said, not missing)


def _no_secret(play: Play) -> Seen:
    secrets = [value for name, value in play.stage.variables.items() if _secret(name)]
    found: list[str] = []
    for data in _outputs(play):
        text = data.decode(errors="replace")
        found.extend(value[:4] for value in secrets if value in text)
    return Seen(
        "no-secret-leaves",
        f"{len(secrets)} secret values looked for in every output: {len(found)} found",
        not found,
    )


def _secret(name: str) -> bool:
    return any(part in name for part in ("KEY", "SECRET", "TOKEN", "PASSWORD", "CANARY"))


def _outputs(play: Play) -> list[bytes]:
    out = [plan.canonical for plan in play.plans]
    out += ["\n".join(play.said).encode()]
    for folder in sorted(play.directory.glob("state*")):
        out += [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
    out += [_opened(path.read_bytes()) for path in sorted(play.directory.rglob("chunks/*"))]
    return out


def _opened(stored: bytes) -> bytes:
    try:
        return unpacked(stored)
    except ValueError:
        return stored


def as_json(seen: tuple[Seen, ...]) -> str:
    """The promises as one JSON line each, for machines."""
    return "\n".join(
        json.dumps({"promise": one.promise, "seen": one.seen, "holds": one.holds}) for one in seen
    )
