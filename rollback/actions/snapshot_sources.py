"""Which sources a capture reads, and in what order: what passes soonest comes first (row A5).

Volatile sources: routing rules, settings differences, worker logs, probe answers, authority
answers, control state. Durable ones: Cosmos audit containers in the window, digests of control
documents, deployments, the activity log.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from rollback.actions.authority_reading import NOBODY, read_authority
from rollback.actions.snapshot_asked import spec_of, wants
from rollback.evidence.source import Gap, Source
from rollback.evidence.sources import app_service, cosmos
from rollback.evidence.sources.activity_log import activity_log
from rollback.evidence.sources.answers import answers
from rollback.evidence.sources.commands import commands
from rollback.evidence.sources.control_state import control_state
from rollback.evidence.sources.files import files
from rollback.evidence.sources.lines import model_line
from rollback.evidence.sources.probe_answers import probe_answers
from rollback.evidence.units import Units
from rollback.model.slots import PRODUCTION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rollback.evidence.source import AnySource, Read
    from rollback.model.authority import AuthorityReading
    from rollback.model.environment import Environment
    from rollback.model.ports import Clients, StepContext


def sources_of(
    step: StepContext, until: datetime, spent: int = 0
) -> Iterator[tuple[bool, AnySource]]:
    """(durable, source) in the order they are captured: what passes soonest comes first.

    spent: hundredths of request units that the capture used before an interruption.
    """
    environment = step.environment
    surfaces = [name for name, surface in environment.surfaces if surface.provider == "app-service"]
    if wants(step, "volatile"):
        bound = environment.policy.volatile_s_max
        for name in surfaces:
            for source in app_service.volatile(environment, name, bound):
                yield False, source
            yield False, probe_answers(environment, name, bound)
        yield False, _authority(environment, bound)
        more: tuple[AnySource, ...] = (
            *control_state(environment, bound),
            *answers(environment, bound),
            *files(environment, bound),
            *commands(environment, bound),
        )
        for one in more:
            yield False, one
    if wants(step, "durable"):
        since = _since(step, until)
        bound = environment.evidence.source_s_max
        units = Units.of(environment, spent)
        for source in cosmos.control(environment, bound, units):
            yield True, source
        for paged in cosmos.audit(environment, bound, since, until, units):
            yield True, paged
        for name in surfaces:
            yield True, app_service.deployments(environment, name, bound)
            yield True, activity_log(environment, name, bound, since, until)


def _since(step: StepContext, until: datetime) -> datetime:
    created = step.created or until
    window = spec_of(step).window
    back = 0 if isinstance(window, str) else window
    return created - timedelta(seconds=back)


def _authority(environment: Environment, seconds_max: int) -> Source:
    halt = environment.halt_authority
    surface = environment.surface(halt.surface)

    def read(clients: Clients) -> Iterator[Read]:
        slots = (PRODUCTION, surface.stable_slot)
        reads = [partial(read_authority, environment, slot, clients) for slot in slots]
        for reading in clients.together(reads):
            yield model_line(reading)
            yield from _unheard(reading)

    return Source(f"authority/{halt.surface}", read, seconds_max)


def _unheard(reading: AuthorityReading) -> Iterator[Gap]:
    """What is missing of a reading: instances that gave no answer at all, or their list.

    An answer that denies authority, or cannot be used, is what was to be captured.
    """
    probes = reading.probes
    heard = {probe.instance for probe in probes if probe.answered or probe.status is not None}
    silent = {probe.instance: probe.problem for probe in probes if probe.instance not in heard}
    for instance, problem in silent.items():
        if instance in (NOBODY, *reading.instances):
            yield Gap(f"{reading.slot}{instance and ' '}{instance[:8]}: {problem}")
