"""The parts of a report that go step by step and person by person, from the journal's records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.change import NoOp, Update
from rollback.model.record import Outcome, RecordKind
from rollback.rendering.view import Line, Weight, line, prose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollback.model.plan import Plan, PlannedStep
    from rollback.model.record import Record

NOT_BEGUN = "not begun"
"""What is said of a step of which the journal has no record at all."""

_HOLDS = "holds "
"""How a check that holds begins, in the journal."""

_STATUS_WEIGHTS = {
    "done": Weight.GOOD,
    "no-op": Weight.PLAIN,
    "skipped": Weight.WEAK,
    "failed": Weight.FORBIDDEN,
    "unknown": Weight.UNKNOWN,
    "handed-over": Weight.UNKNOWN,
    "open": Weight.UNKNOWN,
    NOT_BEGUN: Weight.WEAK,
}
_NOT_REACHED = frozenset({"skipped", "open", NOT_BEGUN})
"""What the plan foresaw for such a step is not how things are."""


def steps_of(plan: Plan, records: Sequence[Record]) -> list[Line]:
    """Each step with what became of it: changes, drift, checks, evidence that came short."""
    lines: list[Line] = []
    for index, step in enumerate(plan.steps, start=1):
        lines += _step(index, step, records)
    return lines


def _step(index: int, step: PlannedStep, records: Sequence[Record]) -> list[Line]:
    mine = [record for record in records if record.text("step") == step.name]
    ended = next((one for one in reversed(mine) if one.kind is RecordKind.STEP), None)
    status = (ended.text("status") if ended else "") or ("open" if mine else NOT_BEGUN)
    reason = ended.text("reason") if ended else ("it did not end" if mine else "")
    lines = [
        line(
            "{}: {}{}",
            step.name,
            prose(status),
            prose(f": {reason}" if reason else ""),
            number=index,
            weight=_STATUS_WEIGHTS.get(status, Weight.PLAIN),
        )
    ]
    lines += [
        line("{}: {}", change.resource, prose(change.reason), label="nothing to do", depth=1)
        for change in step.changes
        if isinstance(change, NoOp) and status not in _NOT_REACHED
    ]
    summaries = {change.id: change.summary for change in step.changes if isinstance(change, Update)}
    for record in mine:
        if record.kind is RecordKind.OUTCOME:
            outcome = record.text("outcome")
            weight = {
                Outcome.APPLIED.value: Weight.PLAIN,
                Outcome.NOT_APPLIED.value: Weight.WEAK,
            }.get(outcome, Weight.UNKNOWN)
            lines.append(
                line(
                    "{}: {}; {}",
                    prose(summaries.get(record.text("change"), record.text("change"))),
                    prose(outcome),
                    prose(record.text("reason")),
                    depth=1,
                    weight=weight,
                )
            )
        elif record.kind is RecordKind.OBSERVED and record.text("verdict") == "drifted":
            said = record.get("differences")
            differences = said if isinstance(said, tuple) else (said,)
            lines += [
                line("{}", prose(str(each)), label="drift", depth=1, weight=Weight.UNKNOWN)
                for each in differences
            ]
        elif record.kind is RecordKind.VERIFIED:
            lines += _checks(record)
        elif record.kind is RecordKind.EVIDENCE:
            gaps = record.get("performed/incomplete")
            lines += [
                line("{}", prose(str(gap)), label="incomplete", depth=1, weight=Weight.WEAK)
                for gap in (gaps if isinstance(gaps, tuple) else ())
            ]
    return lines


def _checks(record: Record) -> list[Line]:
    said = record.get("checks")
    checks = said if isinstance(said, tuple) else ()
    fails = Weight.WEAK if record.get("holds") is True else Weight.FORBIDDEN
    return [
        line(
            "{}",
            prose(str(check).removeprefix(_HOLDS)),
            label="holds" if str(check).startswith(_HOLDS) else "checked",
            depth=1,
            weight=Weight.GOOD if str(check).startswith(_HOLDS) else fails,
        )
        for check in checks
    ] or [
        line(
            "{}",
            prose("holds" if record.get("holds") is True else "does not hold"),
            label="verified",
            depth=1,
        )
    ]


def people_of(records: Sequence[Record]) -> list[Line]:
    """Who signed, attested, or said what became of a write."""
    lines: list[Line] = []
    for record in records:
        if record.kind is RecordKind.APPROVED:
            if record.text("problem"):
                lines.append(
                    line(
                        "{}",
                        prose(record.text("problem")),
                        label="not accepted",
                        weight=Weight.WEAK,
                    )
                )
            else:
                lines.append(
                    line(
                        "{}: {} with key {}",
                        record.text("principal"),
                        prose(record.text("decision")),
                        record.text("key") or "(not said)",
                        label="signed",
                    )
                )
        elif record.kind is RecordKind.ATTESTED:
            lines.append(
                line(
                    "{}: {}",
                    record.text("person"),
                    prose(record.text("statement")),
                    label="attested",
                )
            )
        elif record.kind is RecordKind.SAID:
            lines.append(
                line(
                    "{} said that {} was {}",
                    record.text("person") or "(somebody)",
                    record.text("effect"),
                    prose(record.text("outcome")),
                    label="said",
                    weight=Weight.WEAK,
                )
            )
    return lines or [line("nobody signed or attested")]
