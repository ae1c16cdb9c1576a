"""The parts of a report that go record by record: what was noticed, each request, the timeline."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rollback.model.record import RecordKind
from rollback.rendering.drift_words import CONTROL_DRIFT
from rollback.rendering.record_words import answer_words
from rollback.rendering.timeline import entries
from rollback.rendering.view import Cut, Line, Section, Table, Weight, line, prose, spans
from rollback.rendering.words import counted, moment, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    about = line(
        "{} in {}; an id is run, step, client and number",
        prose(counted(total, "request")),
        prose(counted(len(by_step), "step")),
        cut=Cut.REQUESTS,
    )
    return [
        Section("Requests, by x-request-id", (about,)),
        *(
            Section(
                f"{counted(len(asked), 'request')}{_failed(asked)}",
                (_request_table(asked),),
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


def _request_table(asked: Sequence[Record]) -> Table:
    """One row a request: when, its id, what it asked, what came back."""
    rows = tuple(
        (
            spans("{}", prose(moment(record.at))),
            spans("{}", record.text("request_id") or "(none)"),
            spans(
                "{} {}{}",
                prose(record.text("method")),
                record.text("host"),
                record.text("path"),
            ),
            spans("{}", prose(answer_words(record))),
        )
        for record in asked
    )
    return Table(("at", "x-request-id", "request", "answer"), rows, cut=Cut.REQUESTS)


def timeline(records: Sequence[Record]) -> Table | Line:
    """Everything but requests, in the journal's order; writes carry their x-request-id."""
    told = entries(
        [record for record in records if record.kind is not RecordKind.EXCHANGE], grouped=True
    )
    rows = tuple(
        (
            spans("{}", prose(moment(one.at))),
            spans("{}", one.step) if one.step else spans("run"),
            spans("{}", prose(one.text)) + (spans(" {}", one.request_id) if one.request_id else ()),
        )
        for one in told
    )
    if not rows:
        return line("no record", cut=Cut.DETAILS)
    return Table(("at", "step", "what"), rows, cut=Cut.DETAILS)
