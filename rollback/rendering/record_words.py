"""One record of a journal in one sentence; a kind, a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rollback.model.record import RecordKind
from rollback.rendering.words import counted, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rollback.model.record import Record

_QUIET: Final = ("anchors", "step")
_WAYS: Final = {"away-from-safety": ", away from safety", "toward-safety": ", toward safety"}


def record_words(record: Record) -> str:
    """What a record says."""
    words = _SENTENCES.get(record.kind)
    return (words(record) if words is not None else record.text("text")) or _facts(record)


def _opened(record: Record) -> str:
    glass = record.text("break_glass")
    held = record.text("withheld")
    by = record.text("by") or "somebody"
    words = f"{by} opened the run, {record.text('mode')}"
    words += f"; break-glass: {glass}" if glass else ""
    return words + (f"; withheld: {held}" if held else "")


def _approved(record: Record) -> str:
    if problem := record.text("problem"):
        return f"an approval was not accepted: {problem}"
    return (
        f"{record.text('principal')} signed: {record.text('decision')}, with {record.text('key')}"
    )


def _attested(record: Record) -> str:
    return f"{record.text('person')} attests: {record.text('statement')}"


def _said(record: Record) -> str:
    who = record.text("person") or "somebody"
    return f"{who} said that {record.text('effect')} was {record.text('outcome')}"


def _leased(record: Record) -> str:
    if record.get("held") is True:
        return f"the lease is held, {record.text('strength')}"
    return f"no lease: {record.text('problem')}"


def _canaries(record: Record) -> str:
    if record.get("all_caught") is True:
        return f"{record.text('caught')} forbidden requests were planted, and caught"
    return f"a planted request was not caught: {record.text('problem')}"


def _authority(record: Record) -> str:
    why = _texts(record, "reasons")
    return f"halt authority at {record.text('slot')}: {record.text('verdict')}; {why}"


def _intent(record: Record) -> str:
    way = _WAYS.get(record.text("direction"), "")
    return f"sends {_request(record)}{way}: {record.text('effect')}, try {record.text('attempt')}"


def _returned(record: Record) -> str:
    return f"the permission of {record.text('effect')} is given back: {record.text('why')}"


def _outcome(record: Record) -> str:
    return f"{record.text('change')}: {record.text('outcome')}; {record.text('reason')}"


def _exchange(record: Record) -> str:
    return f"{_request(record)}: {answer_words(record)}, {record.text('elapsed_ms')} ms"


def answer_words(record: Record) -> str:
    """What came back to a request."""
    words = record.text("status") or record.text("problem") or "no answer"
    return f"{words}, id not echoed" if record.get("echoed") is False else words


def _refusal(record: Record) -> str:
    why = _texts(record, "reasons") or record.text("rule")
    return f"the guard stopped {_request(record)}: {why}"


def _evidence(record: Record) -> str:
    sources = record.text("performed/sources")
    if not sources:
        return ""
    gaps = record.get("performed/incomplete")
    short = f", {len(gaps)} incomplete" if isinstance(gaps, tuple) and gaps else ""
    return f"captured {sources} sources, {record.text('performed/items')} items{short}"


def _verified(record: Record) -> str:
    said = record.get("checks")
    checks = [str(each) for each in said] if isinstance(said, tuple) else []
    failed = [each for each in checks if not each.startswith("holds ")]
    if record.get("holds") is not True:
        return f"does not hold: {'; '.join(failed) or 'not said why'}"
    return (
        f"{counted(len(checks), 'check')} hold{'s' if len(checks) == 1 else ''}"
        if checks
        else "holds"
    )


def _observed(record: Record) -> str:
    differs = _texts(record, "differences")
    return f"{record.text('change')}: {record.text('verdict')}" + (
        f": {differs}" if differs else ""
    )


def _step(record: Record) -> str:
    why = record.text("reason")
    return record.text("status") + (f": {why}" if why else "")


def _closed(record: Record) -> str:
    return f"closed with exit {record.text('exit')}"


_SENTENCES: Final[Mapping[RecordKind, Callable[[Record], str]]] = {
    RecordKind.OPENED: _opened,
    RecordKind.APPROVED: _approved,
    RecordKind.ATTESTED: _attested,
    RecordKind.SAID: _said,
    RecordKind.LEASED: _leased,
    RecordKind.CANARIES: _canaries,
    RecordKind.AUTHORITY: _authority,
    RecordKind.INTENT: _intent,
    RecordKind.RETURNED: _returned,
    RecordKind.OUTCOME: _outcome,
    RecordKind.EXCHANGE: _exchange,
    RecordKind.REFUSAL: _refusal,
    RecordKind.EVIDENCE: _evidence,
    RecordKind.VERIFIED: _verified,
    RecordKind.OBSERVED: _observed,
    RecordKind.STEP: _step,
    RecordKind.CLOSED: _closed,
}


def _request(record: Record) -> str:
    return f"{record.text('method')} {record.text('host')}{record.text('path')}"


def _texts(record: Record, name: str) -> str:
    value = record.get(name)
    if isinstance(value, tuple):
        return "; ".join(str(each) for each in value)
    return record.text(name)


def _facts(record: Record) -> str:
    return ", ".join(
        f"{fact.name}={_bare(shown(fact.value))}"
        for fact in record.body
        if fact.value not in ("", None, ()) and fact.name not in _QUIET
    )


def _bare(text: str) -> str:
    """An address without its query, which is long and for machines."""
    return text.partition("?")[0] if text.startswith("https://") else text
