"""Control-plane drift: what a run's captures say of the control documents, as a brief for people.

Readings are compared (`drift_compare`), what differs is attributed (`drift_attribute`), and both
are put in the order of repair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import rfc8785

from rollback.evidence.drift_attribute import attributed, audit_events
from rollback.evidence.drift_compare import Compared, compare_readings
from rollback.evidence.drift_reading import captured_readings
from rollback.model.drift import ControlReading, DriftBrief

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from rollback.evidence.drift_reading import Reading
    from rollback.model.drift import DriftedDocument
    from rollback.model.environment import Cosmos
    from rollback.model.record import Record

ANYHOW: Final = (
    "the backend's own control interface, as an operator, so that the audit log knows it; "
    "never in Cosmos itself"
)
"""Where the environment names no interface for a container."""


def drift_brief(
    cosmos: Cosmos,
    *,
    run: str,
    environment: str,
    since: datetime,
    records: Iterable[Record],
    fetch: Callable[[str], bytes | None],
    live: tuple[Reading, ...] = (),
) -> DriftBrief | None:
    """The brief of a run; None where no control document was ever read.

    since: when the plan was made. live: readings at the very end. Never raises for what evidence
    holds: what cannot be read is a gap.
    """
    held = tuple(records)
    readings = (*captured_readings(held, fetch), *live)
    if not readings:
        return None
    found = Compared()
    order = [name for name, _ in cosmos.repairs]
    order += [name for name in cosmos.control_containers if name not in order]
    for container in order:
        compare_readings(
            container, [one for one in readings if one.container == container], since, found
        )
    events = audit_events(held, fetch, cosmos, found)
    through = dict(cosmos.repairs)
    documents = tuple(
        attributed(one, events.get((one.container, one.id), ()), cosmos).model_copy(
            update={"repair": through.get(one.container, ANYHOW)}
        )
        for one in found.changed
    )
    return DriftBrief(
        run=run,
        environment=environment,
        verdict=_verdict(documents, found.gaps),
        readings=tuple(_shown(one) for one in readings),
        documents=documents,
        gaps=tuple(dict.fromkeys(found.gaps)),
    )


def drift_json(brief: DriftBrief) -> bytes:
    """The bytes of drift.json: RFC 8785."""
    return rfc8785.dumps(brief.model_dump(mode="json"))


def _verdict(
    documents: tuple[DriftedDocument, ...], gaps: list[str]
) -> Literal["unchanged", "operators", "unknown", "not-known"]:
    if any(one.by == "unknown" for one in documents):
        return "unknown"
    if documents:
        return "operators"
    return "not-known" if gaps else "unchanged"


def _shown(reading: Reading) -> ControlReading:
    from rollback.evidence.sources.cosmos import state_digest

    whole = not reading.gaps
    return ControlReading(
        container=reading.container,
        moment=reading.moment,
        at=reading.at,
        documents=len(reading.documents),
        complete=whole,
        reason="; ".join(reading.gaps),
        state_sha256=state_digest(list(reading.documents)) if whole else "",
    )
