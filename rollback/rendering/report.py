"""The report of a run: what happened, who is still exposed, what a person does next.

Made from the plan and the journal's records alone, so that it can be made again from a bundle. A
break-glass reason is the first line of every face.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.errors import ExitStatus
from rollback.model.record import RecordKind
from rollback.planning.left_on import left_on
from rollback.rendering.next_moves import SEALED, moves_of, noted
from rollback.rendering.report_drift import control_state
from rollback.rendering.report_events import requests, seen_during, timeline
from rollback.rendering.report_steps import people_of, steps_of
from rollback.rendering.risks import exposed
from rollback.rendering.view import Line, Section, View, Weight, line, prose, spans, strong
from rollback.rendering.words import counted, moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollback.model.plan import Exposure, Plan
    from rollback.model.record import Record

_ENDINGS = {
    ExitStatus.DONE: "done and verified",
    ExitStatus.DEFECT: "stopped by a defect in the product",
    ExitStatus.USAGE: "not started: the input was wrong",
    ExitStatus.REFUSED: "refused by the guard or the proof",
    ExitStatus.APPROVAL: "not approved: nothing moved away from safety",
    ExitStatus.STALE: "the world was not what the plan predicted",
    ExitStatus.PERSON: "partial or unknown: a person is needed",
    ExitStatus.AUTHORITY: "halt authority lost or not proved",
    ExitStatus.VERIFICATION: "verification failed",
    ExitStatus.EVIDENCE: "evidence could not be written",
    ExitStatus.LEASE: "somebody else holds the lease",
    ExitStatus.INTERRUPTED: "interrupted by a person",
}


def ending(status: int | None, left: Sequence[Exposure] = ()) -> str:
    """An exit status in words; None for a run that is not closed. left: users it did not move."""
    if status is None:
        return "not closed: running, or interrupted"
    if status == ExitStatus.DONE and left:
        return "only safe parts applied: users are not moved"
    try:
        return _ENDINGS[ExitStatus(status)]
    except ValueError:
        return f"exit status {status}"


def report_view(
    plan: Plan,
    digest: str,
    records: Sequence[Record],
    *,
    next_moves: Sequence[str] = (),
    bundle: str = "",
    running: bool = False,
) -> View:
    """The view of a run's report. records: all of the run's, in the order of its journal.

    running: it is made by the run itself, which goes on.
    """
    opened = [record for record in records if record.kind is RecordKind.OPENED]
    closed = _closing(records)
    status = _status(closed)
    left = left_on(plan, records)
    glass = next(
        (record.text("break_glass") for record in opened if record.text("break_glass")), ""
    )
    first = (
        (line("{}", prose(glass), label="break-glass", weight=Weight.FORBIDDEN),) if glass else ()
    )
    drift = control_state(records)
    if status is not None and records and not running and not next_moves:
        next_moves = moves_of(plan, records, status, left)
    sealed = noted(records, SEALED)
    bundle = bundle or ("" if sealed is None else sealed.text("path"))
    lead = (
        Section("What happened", tuple(_summary(plan, digest, records, status, left, bundle))),
        Section("Who stays exposed", tuple(exposed(plan, left))),
        Section(
            "What a person does next",
            tuple(_next(plan, records, next_moves, status, running=running)),
        ),
        *((Section("Control-plane state", tuple(drift)),) if drift else ()),
        Section("Steps", tuple(steps_of(plan, records))),
    )
    return View(
        kind="Rollback report",
        verdict="SO FAR" if running else ending(status, left).upper(),
        good=status == ExitStatus.DONE and not left,
        title=spans("{} in {}", plan.playbook, plan.environment),
        sections=(
            *lead,
            Section("People", tuple(people_of(records))),
            Section("Seen on the way", tuple(seen_during(records))),
            Section("Timeline", timeline(records)),
            *requests(records),
        ),
        lead=len(lead),
        first=first,
        warned=any(one.weight is Weight.UNKNOWN for one in drift),
    )


def _closing(records: Sequence[Record]) -> Record | None:
    """The CLOSED record of the last sitting, if it was closed."""
    for record in reversed(records):
        if record.kind is RecordKind.CLOSED:
            return record
        if record.kind is RecordKind.OPENED:
            return None
    return None


def _status(closed: Record | None) -> int | None:
    said = None if closed is None else closed.get("exit")
    return said if isinstance(said, int) else None


_FAILED = frozenset({"failed", "unknown", "handed-over"})


def _summary(
    plan: Plan,
    digest: str,
    records: Sequence[Record],
    status: int | None,
    left: Sequence[Exposure],
    bundle: str,
) -> list[Line]:
    last = next((one for one in reversed(records) if one.kind is RecordKind.OPENED), None)
    good = status == ExitStatus.DONE and not left
    weight = Weight.GOOD if good else Weight.FORBIDDEN
    exit_ = "" if status is None else f" (exit {status})"
    said = strong(ending(status, left))
    lines = [line("{}{}", said, prose(exit_), label="result", weight=weight)]
    lines += [] if good else _why(records)
    if status is not None and (behind := _not_ended(plan, records)):
        lines.append(line("{}", prose(", ".join(behind)), label="not ended", weight=Weight.WEAK))
    if records:
        lines += [
            line("{}", records[0].run, label="run"),
            line("{} to {}", moment(records[0].at), moment(records[-1].at), label="from"),
        ]
    if last is not None:
        lines.append(line("{}, {}", last.text("by") or "?", prose(last.text("mode")), label="by"))
    sent = [record for record in records if record.kind is RecordKind.INTENT]
    moved = [one for one in sent if one.text("direction") == "away-from-safety"]
    kept = [one for one in sent if one.text("purpose") == "evidence"]
    lines += [
        line("{} ({})", plan.environment, plan.environment_kind, label="environment"),
        line("{}, {}", plan.owner, plan.contact, label="owner"),
        line("{}", plan.incident, label="incident")
        if plan.incident
        else line("none given", label="incident"),
        line("{}", digest, label="plan"),
        line(
            f"{counted(len(sent), 'write')} sent: {len(moved)} away from safety, "
            f"{len(kept)} of evidence",
            label="writes",
        ),
    ]
    if bundle:
        lines.append(line("{}", bundle, label="evidence"))
    refusals = [record for record in records if record.kind is RecordKind.REFUSAL]
    lines += [
        line(
            "the guard stopped {} {}{}: {}",
            prose(record.text("method")),
            record.text("host"),
            record.text("path"),
            prose(_reasons(record)),
            weight=Weight.FORBIDDEN,
        )
        for record in refusals
    ]
    return lines


def _why(records: Sequence[Record]) -> list[Line]:
    """The first step that failed or was held back, and what it said: the rest came of it."""
    ended = {one.text("step"): one for one in records if one.kind is RecordKind.STEP}
    failed = next(
        (one for one in ended.values() if one.text("status") in _FAILED or one.get("exit")), None
    )
    if failed is None:
        return []
    name, said = failed.text("step"), prose(failed.text("reason"))
    return [line("step {}: {}", name, said, label="why", weight=Weight.FORBIDDEN)]


def _not_ended(plan: Plan, records: Sequence[Record]) -> list[str]:
    """The steps that a run which was cut short left behind, in the plan's order."""
    ended = {one.text("step") for one in records if one.kind is RecordKind.STEP}
    return [step.name for step in plan.steps if step.name not in ended]


def _reasons(record: Record) -> str:
    reasons = record.get("reasons")
    if isinstance(reasons, tuple):
        return "; ".join(str(reason) for reason in reasons)
    return record.text("reasons") or record.text("rule")


def _next(
    plan: Plan,
    records: Sequence[Record],
    moves: Sequence[str],
    status: int | None,
    *,
    running: bool,
) -> list[Line]:
    lines = [line("{}", prose(move)) for move in moves]
    if not moves:
        lines = [
            line("{}: {}", entry.surface, prose(entry.human_step), weight=Weight.EXPOSURE)
            for entry in plan.not_rolled_back
        ]
    if running:
        lines.append(line("the run goes on; its report tells how it ended"))
    elif status is None:
        run = records[0].run if records else "RUN"
        goes_on = f"if not, `rollback resume {run}` looks, and goes on"
        lines.append(line("see whether the run is still running; {}", prose(goes_on)))
    return lines or [line("nothing is left to do")]
