"""Control-plane state before and after a run, and who changed it: a brief for people (row D2).

The product repairs nothing: application first, explicit state repair after, by a person, through
the platform's own interface.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from rollback.model.base import Frozen, Instant

DRIFT_FORMAT: Final = 1

CONTROL_DRIFT: Final = "control-drift"
"""The code of the note that holds a run's brief, and the digest of drift.json."""


class ControlReading(Frozen):
    """One container read once. moment: of the capture, or ``live`` at the end of the run.

    state_sha256: over ids and contents of all its documents; empty where they were not all read.
    """

    container: str
    moment: str
    at: Instant
    documents: Annotated[int, Field(ge=0)]
    complete: bool
    reason: str = ""
    state_sha256: str = ""


class DriftedDocument(Frozen):
    """One control document that is not as it was.

    change: ``changed``, ``added``, ``removed``, or ``rewritten`` (another etag, the same content).
    by: ``operator`` where an audit event names a person, ``unknown`` otherwise. who: the actor the
    audit log names, empty where it names none. known_by: what tells it, in words. written_at: the
    last write, by the service's own stamp. repair: the interface a person repairs it through.
    """

    container: str
    id: str
    change: Literal["changed", "added", "removed", "rewritten"]
    by: Literal["operator", "unknown"]
    who: str
    known_by: str
    before_etag: str
    before_sha256: str
    after_etag: str
    after_sha256: str
    written_at: Instant | None
    repair: str


class DriftBrief(Frozen):
    """What the control plane was before and after. documents: in the order of repair.

    verdict: ``unchanged``; ``operators``: people changed it, whom the audit log names; ``unknown``:
    at least one document was changed by someone it does not name; ``not-known``: it could not be
    compared in full, and nothing that was compared differs. gaps: what was not read, and why.
    """

    format: Literal[1] = DRIFT_FORMAT
    run: str
    environment: str
    verdict: Literal["unchanged", "operators", "unknown", "not-known"]
    readings: tuple[ControlReading, ...]
    documents: tuple[DriftedDocument, ...]
    gaps: tuple[str, ...]
