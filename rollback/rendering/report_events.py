"""The parts of a report that go record by record: what was noticed, each request, the timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.record import RecordKind
from rollback.rendering.drift_words import CONTROL_DRIFT
from rollback.rendering.view import Cut, Line, Table, Weight, line, prose, spans
from rollback.rendering.words import moment, shown

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


def request_table(records: Sequence[Record]) -> Table:
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
            spans("{}", prose(_answer(record))),
        )
        for record in records
        if record.kind is RecordKind.EXCHANGE
    )
    return Table(("at", "x-request-id", "request", "answer"), rows, cut=Cut.REQUESTS)


def _answer(record: Record) -> str:
    words = record.text("status") or record.text("problem") or "no answer"
    return f"{words}, id not echoed" if record.get("echoed") is False else words


def timeline(records: Sequence[Record]) -> list[Line]:
    """Everything but requests, in the journal's order."""
    return [
        line(
            "{} {} {}",
            prose(moment(record.at)),
            prose(record.kind.value),
            ", ".join(
                f"{fact.name}={shown(fact.value)}"
                for fact in record.body
                if fact.value not in ("", None, ()) and fact.name != "anchors"
            ),
            cut=Cut.CONTEXT,
        )
        for record in records
        if record.kind is not RecordKind.EXCHANGE
    ] or [line("no record", cut=Cut.CONTEXT)]
