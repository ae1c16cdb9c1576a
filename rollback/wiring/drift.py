"""The drift brief at the end of a run: control state read once more, compared, and written down."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rollback.errors import ConnectorError, InputError
from rollback.evidence.chunks import sha256
from rollback.evidence.drift import drift_brief, drift_json
from rollback.evidence.drift_reading import CONTROL, Reading, document_views
from rollback.evidence.redaction import redaction_of
from rollback.evidence.source import Gap
from rollback.evidence.sources import cosmos
from rollback.model.base import facts
from rollback.model.direction import Direction
from rollback.model.drift import CONTROL_DRIFT
from rollback.model.journal import MAIN
from rollback.model.record import RecordKind
from rollback.rendering.drift_words import document_words, repair_words, summary_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rollback.evidence.redaction import Redaction
    from rollback.evidence.source import Source
    from rollback.model.drift import DriftBrief
    from rollback.model.ports import Clients
    from rollback.running.journal import FileJournal
    from rollback.wiring.sitting import Sitting

LIVE = "live"
NAMED_MAX = 200
"""Documents and gaps that the journal names; all of them stand in the bundle's drift.json."""


def control_drift(
    sitting: Sitting,
    journal: FileJournal,
    clients: Clients,
    fetch: Callable[[str], bytes | None],
) -> DriftBrief | None:
    """Make the brief and note it in the journal; None where control state was never read.

    Control state is read once more where the plan moves users. Raises JournalBroken and
    EvidenceNotWritten as the journal does.
    """
    plan, environment = sitting.document.plan, sitting.setting.environment
    moves = any(change.direction is Direction.AWAY for _, change in plan.updates)
    brief = drift_brief(
        environment.cosmos,
        run=sitting.run,
        environment=plan.environment,
        since=plan.created,
        records=journal.records(),
        fetch=fetch,
        live=_live(sitting, clients) if moves else (),
    )
    if brief is None:
        return None
    weight = {"unchanged": "good", "operators": "note"}.get(brief.verdict, "unknown")
    journal.append(
        MAIN,
        RecordKind.NOTE,
        facts(
            code=CONTROL_DRIFT,
            weight=weight,
            text=summary_words(brief),
            verdict=brief.verdict,
            sha256=sha256(drift_json(brief)),
            documents=tuple(map(document_words, brief.documents[:NAMED_MAX])),
            repairs=repair_words(brief)[:NAMED_MAX],
            gaps=brief.gaps[:NAMED_MAX],
        ),
        durable=True,
    )
    return brief


def drift_moves(brief: DriftBrief) -> tuple[str, ...]:
    """What a person does about it; nothing where nothing changed."""
    if not brief.documents:
        return ()
    return (f"{summary_words(brief)}: repair it by hand, in the order under Control-plane state",)


def _live(sitting: Sitting, clients: Clients) -> tuple[Reading, ...]:
    environment = sitting.setting.environment
    bound = environment.evidence.source_s_max
    deadline = clients.now() + timedelta(seconds=bound)
    rules = redaction_of(environment, clients)
    secrets = sitting.setting.secrets.redact
    return tuple(
        _read(one, clients, deadline, rules, secrets) for one in cosmos.control(environment, bound)
    )


def _read(
    source: Source,
    clients: Clients,
    deadline: datetime,
    rules: Redaction,
    redact: Callable[[str], str],
) -> Reading:
    """One container, redacted by field and by secret value as a capture's chunks are."""
    container = source.name.removeprefix(CONTROL)
    at = clients.now()
    lines: list[bytes] = []
    gaps: list[str] = []
    try:
        for read in source.read(clients):
            if isinstance(read, Gap):
                gaps.append(read.reason)
            elif isinstance(read, bytes):
                text = redact(rules.line(read).decode("utf-8", "surrogateescape"))
                lines.append(text.encode("utf-8", "surrogateescape"))
            if clients.now() >= deadline:
                gaps.append("the time of the last look was over")
                break
        documents = document_views(lines)
    except (ConnectorError, InputError) as error:
        documents, gaps = (), [*gaps, error.reason]
    except ValueError:
        documents, gaps = (), [*gaps, "what it answered cannot be read"]
    return Reading(container, LIVE, at, documents, tuple(map(redact, gaps)))
