"""Evidence as it is captured: every source of a step read, packed and stored."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from rollback.actions.snapshot_asked import RUN, spec_of
from rollback.actions.snapshot_sources import sources_of
from rollback.evidence.budget import Budget
from rollback.evidence.capture import capture
from rollback.evidence.notes import Remembered
from rollback.evidence.packing import Packing
from rollback.evidence.progress import Progress
from rollback.evidence.reading import Shared
from rollback.evidence.redaction import redaction_of
from rollback.evidence.source import Source
from rollback.evidence.windows import recorded
from rollback.model.ports import Performed
from rollback.model.steps import CAPTURE_BEFORE

if TYPE_CHECKING:
    from rollback.evidence.source import AnySource
    from rollback.model.evidence import SourceWindow
    from rollback.model.ports import Clients, StepContext


def captured(step: StepContext, clients: Clients, seconds_max: int) -> Performed:
    """Capture every source, then store the list of what they gave. seconds_max: all together.

    Raises EvidenceNotWritten where neither the store nor the spool takes it, and a refusal of
    the guard.
    """
    environment = step.environment
    sink = clients.evidence()
    moment = _moment(step)
    remembered = Remembered.of(sink.notes(step.name))
    until = datetime.fromisoformat(remembered.begun(clients.now().isoformat()))
    with Packing() as packing:
        shared = Shared(
            clients=clients,
            sink=sink,
            redaction=redaction_of(environment, clients),
            budget=Budget(
                bytes_max=environment.evidence.bytes_max,
                chunks_max=environment.evidence.chunks_max,
                deadline=clients.now() + timedelta(seconds=seconds_max),
            ),
            remembered=remembered,
            packing=packing,
            progress=Progress(sink.progress),
        )
        sources = tuple(sources_of(step, until, spent=sum(remembered.units.values())))
        windows = _windows(sources, moment, shared)
    made = recorded(windows, moment, sink)
    remembered.notes.close()
    return Performed(made)


def _windows(
    sources: tuple[tuple[bool, AnySource], ...], moment: str, shared: Shared
) -> tuple[SourceWindow, ...]:
    """The windows of sources, in their order: what is read in one go side by side, all of what
    passes first; what comes in pages one after another, so that memory stays flat.
    """  # noqa: D205

    def one(durable: bool, source: AnySource) -> SourceWindow:  # noqa: FBT001
        return capture(source, "durable" if durable and moment != "after" else moment, shared)

    together = shared.clients.together
    made: dict[str, SourceWindow] = {}
    for wanted in (False, True):
        short = [
            (durable, source)
            for durable, source in sources
            if durable is wanted and isinstance(source, Source)
        ]
        windows = together([partial(one, durable, source) for durable, source in short])
        made |= {window.source: window for window in windows}
        for durable, source in sources:
            if durable is wanted and source.name not in made:
                made[source.name] = one(durable, source)
    return tuple(made[source.name] for _, source in sources)


def _moment(step: StepContext) -> str:
    if step.name.startswith(CAPTURE_BEFORE):
        return f"before/{step.name.removeprefix(CAPTURE_BEFORE)}"
    return "after" if spec_of(step).window == RUN else f"at/{step.name}"
