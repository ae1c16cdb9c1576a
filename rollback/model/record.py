"""Records: the facts of a run, chained by hash, one JSON line each.

Format 1. A line is the RFC 8785 form of a `Record`. `previous` is the SHA-256 of the previous line
of the same stream (64 zeros for the first); the ``run`` stream anchors the heads of the others.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from rollback.model.base import Facts, Frozen, Instant, Sha256

RECORD_FORMAT: Final = 1
FIRST = "0" * 64


class RecordKind(StrEnum):
    """What a record says. Bodies are facts; their names are fixed per kind (see docs)."""

    OPENED = "opened"  # plan digest, environment, who, mode, break_glass reason
    APPROVED = "approved"  # one accepted approval: principal, key, decision
    ATTESTED = "attested"  # a named person's word: statement, person
    LEASED = "leased"  # scope, fence, holder, strength
    CANARIES = "canaries"  # each forbidden request that the guard caught before the run
    OBSERVED = "observed"  # step, resource, as_predicted | satisfied | drifted, difference
    AUTHORITY = "authority"  # slot, verdict, reasons, age, moment (before, between, watch, after)
    INTENT = "intent"  # effect, attempt, shape: durable before the bytes leave
    RETURNED = "returned"  # effect: looked for, found not applied; permission given back
    OUTCOME = "outcome"  # step, change, effect: applied | not-applied | unknown, how it was told
    EXCHANGE = "exchange"  # one request and its answer: request id, host, path, status, echo
    REFUSAL = "refusal"  # the guard's no: shape, rule, promise. Latches the run
    EVIDENCE = "evidence"  # bundle part, digest, source windows, completeness
    VERIFIED = "verified"  # step, what was checked, what was seen, holds
    NOTE = "note"  # findings during the run: missing echo, operator's halt, changed document
    STEP = "step"  # step: started | done | no-op | failed | skipped | unknown | handed-over
    SAID = "said"  # a person's word that resolves an unknown: applied | not-applied
    CLOSED = "closed"  # exit status, verdict, residual exposure, next moves


class Outcome(StrEnum):
    """What became of a write."""

    APPLIED = "applied"
    NOT_APPLIED = "not-applied"
    UNKNOWN = "unknown"


class Record(Frozen):
    """One fact of one run. `monotonic_ms` orders records of one process, not across processes."""

    format: Literal[1] = RECORD_FORMAT
    run: str
    stream: str
    sequence: Annotated[int, Field(ge=0)]
    previous: Sha256
    at: Instant
    monotonic_ms: int
    kind: RecordKind
    body: Facts

    def get(self, name: str, default: object = None) -> object:
        """One fact of the body."""
        for fact in self.body:
            if fact.name == name:
                return fact.value
        return default

    def text(self, name: str) -> str:
        """One fact of the body as text; empty where there is none."""
        value = self.get(name)
        return "" if value is None else str(value)
