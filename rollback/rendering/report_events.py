"""The parts of a report that go record by record: what was noticed, each request, the timeline."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rollback.model.base import rfc3339
from rollback.model.drift import CONTROL_DRIFT
from rollback.model.record import RecordKind
from rollback.rendering.record_words import answer_words
from rollback.rendering.timeline import entries
from rollback.rendering.view import Cut, Line, Section, Table, Weight, line, prose, spans
from rollback.rendering.words import counted, moment, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rollback.model.record import Record

_VERDICTS = {"retained": Weight.GOOD, "lost": Weight.FORBIDDEN}
_QUIET = frozenset({"performed", CONTROL_DRIFT})


def seen_during(records: Sequence[Record]) -> list[Line]:
    """Authority as it changed, findings on the way, evidence, lease."""
    lines: list[Line] = []
    before: dict[str, str] = {}
    for record in records:
        if record.kind is RecordKind.AUTHORITY:
            slot, verdict = record.text("slot"), record.text("verdict")
            if before.get(slot) != verdict:
                lines.append(_authority(record))
            before[slot] = verdict
        elif record.kind is RecordKind.NOTE and record.text("code") not in _QUIET:
            weight = record.text("weight")
            lines.append(
                line(
                    "{}",
                    prose(record.text("text") or record.text("code")),
                    label="noted",
                    weight=Weight(weight) if weight in set(Weight) else Weight.NOTE,
                    cut=Cut.NOTES,
                )
            )
        elif record.kind is RecordKind.LEASED:
            held = record.get("held") is True
            words = f"held, {record.text('strength')}" if held else record.text("problem")
            lines.append(
                line(
                    "{}", prose(words), label="lease", weight=Weight.PLAIN if held else Weight.WEAK
                )
            )
        elif record.kind is RecordKind.CANARIES:
            caught = record.get("all_caught") is True
            lines.append(
                line(
                    "{}",
                    prose(
                        f"{record.text('caught')} forbidden requests were planted and caught"
                        if caught
                        else record.text("problem") or "a planted request was not caught"
                    ),
                    label="guard",
                    weight=Weight.GOOD if caught else Weight.FORBIDDEN,
                )
            )
    return lines or [line("nothing", cut=Cut.NOTES)]


def _authority(record: Record) -> Line:
    reasons = record.get("reasons")
    why = (
        shown(tuple(str(each) for each in reasons))
        if isinstance(reasons, tuple) and reasons
        else ""
    )
    verdict = record.text("verdict")
    return line(
        "{}: {} at {}{}",
        record.text("slot"),
        prose(verdict),
        prose(moment(record.at)),
        prose(f": {why}" if why else ""),
        label="authority",
        weight=_VERDICTS.get(verdict, Weight.UNKNOWN),
    )


def requests(records: Sequence[Record]) -> list[Section]:
    """Every request by its x-request-id, a folded section a step, in the order of their first."""
    by_step: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.kind is RecordKind.EXCHANGE:
            by_step[record.text("step")].append(record)
    total = sum(map(len, by_step.values()))
    day, _ = _times([one.at for asked in by_step.values() for one in asked])
    about = line(
        "{} in {}; an id is run, step, client and number; what is folded is not printed",
        prose(counted(total, "request")),
        prose(counted(len(by_step), "step")),
        cut=Cut.REQUESTS,
    )
    return [
        Section("Requests, by x-request-id", (about, *_on(day, Cut.REQUESTS))),
        *(
            Section(
                f"{counted(len(asked), 'request')}{_failed(asked)}",
                (_request_table(asked, same_day=bool(day)),),
                under=True,
                subject=spans("{}", step or "(no step)"),
                folded=True,
            )
            for step, asked in by_step.items()
        ),
    ]


def _failed(asked: Sequence[Record]) -> str:
    bad = sum(1 for record in asked if not record.text("status").startswith(("2", "3")))
    return f", {bad} not answered as hoped" if bad else ""


def _request_table(asked: Sequence[Record], *, same_day: bool) -> Table:
    """One row a request: when, its id, what it asked, what came back."""
    told = [rfc3339(record.at)[11 if same_day else 0 :] for record in asked]
    rows = tuple(
        (
            spans("{}", prose(at)),
            spans("{}", record.text("request_id") or "(none)"),
            spans(
                "{} {}{}",
                prose(record.text("method")),
                record.text("host"),
                record.text("path"),
            ),
            spans("{}", prose(answer_words(record))),
        )
        for at, record in zip(told, asked, strict=True)
    )
    return Table(
        ("at", "x-request-id", "request", "answer"), rows, cut=Cut.REQUESTS, lead=4
    )


def timeline(records: Sequence[Record]) -> tuple[Line | Table, ...]:
    """Everything but requests, in the journal's order; writes carry their x-request-id."""
    told = entries(
        [record for record in records if record.kind is not RecordKind.EXCHANGE], grouped=True
    )
    day, times = _times([one.at for one in told])
    rows = tuple(
        (
            spans("{}", prose(at)),
            spans("{}", one.step) if one.step else spans("run"),
            spans("{}", prose(one.text)) + (spans(" {}", one.request_id) if one.request_id else ()),
        )
        for at, one in zip(times, told, strict=True)
    )
    if not rows:
        return (line("no record", cut=Cut.DETAILS),)
    return (*_on(day, Cut.DETAILS), Table(("at", "step", "what"), rows, cut=Cut.DETAILS, lead=3))


def _times(moments: Sequence[datetime]) -> tuple[str, list[str]]:
    """(day, each): the day is said once where all are of one day, in UTC; else it is empty."""
    told = [rfc3339(at) for at in moments]
    days = {at[:10] for at in told}
    if len(days) != 1:
        return "", told
    return days.pop(), [at[11:] for at in told]


def _on(day: str, cut: Cut) -> tuple[Line, ...]:
    return (
        (line("{}", prose(f"on {day}, times in UTC"), weight=Weight.NOTE, cut=cut),) if day else ()
    )
