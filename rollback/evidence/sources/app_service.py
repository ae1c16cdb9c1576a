"""App Service: routing, slots, settings by name and keyed digest, deployments, worker logs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from rollback.errors import ConnectorError
from rollback.evidence.source import Gap, Read, Source
from rollback.evidence.sources.lines import line, model_line
from rollback.model.ports import ArmPort
from rollback.model.views import SlotRef

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rollback.model.environment import Environment, Surface
    from rollback.model.ports import Clients

LOG_LINE_CHARACTERS = 16_384
"""A longer line of a worker log is cut into several."""

_PRODUCTION = "production"

ReadLines = Callable[[ArmPort, SlotRef], list[bytes]]


def volatile(environment: Environment, name: str, seconds_max: int) -> tuple[Source, ...]:
    """What a swap, a restart or a deployment of surface `name` destroys."""
    production, stable = _slots(environment, environment.surface(name))
    both = (production, stable)

    def routing(clients: Clients) -> Iterator[Read]:
        kinds = (_slot, _configuration, _instances)
        yield from _each(clients, [(ref, kind) for ref in both for kind in kinds])

    def differences(clients: Clients) -> Iterator[Read]:
        settings = [(ref, _settings) for ref in both]
        yield from _each(clients, [(stable, _differences), *settings])

    def logs(clients: Clients) -> Iterator[Read]:
        yield from _each(clients, [(ref, _log_lines) for ref in both])

    return (
        Source(f"{name}/routing-rules", routing, seconds_max),
        Source(f"{name}/settings-difference", differences, seconds_max),
        Source(f"{name}/worker-logs", logs, seconds_max),
    )


def durable(
    environment: Environment, name: str, seconds_max: int, since: datetime, until: datetime
) -> tuple[Source, ...]:
    """What Resource Manager keeps by itself: deployments and the activity log."""
    production, stable = _slots(environment, environment.surface(name))

    def deployments(clients: Clients) -> Iterator[Read]:
        yield from _each(clients, [(ref, _deployments) for ref in (production, stable)])

    def activity(clients: Clients) -> Iterator[Read]:
        def read(arm: ArmPort, ref: SlotRef) -> list[bytes]:
            return [model_line(one) for one in arm.activity(ref, since, until)]

        yield from _each(clients, [(production, read)])

    return (
        Source(f"{name}/deployments", deployments, seconds_max),
        Source(f"{name}/activity-log", activity, seconds_max, since, until),
    )


def _slots(environment: Environment, surface: Surface) -> tuple[SlotRef, SlotRef]:
    group = surface.resource_group or environment.azure.resource_group
    production = SlotRef(resource_group=group, site=surface.site or "", slot=None)
    return production, production.model_copy(update={"slot": surface.stable_slot})


def _each(clients: Clients, wanted: list[tuple[SlotRef, ReadLines]]) -> Iterator[Read]:
    """The lines of every read, side by side, or one gap: the others are still read."""
    arm = clients.arm()

    def one(ref: SlotRef, read: ReadLines) -> list[Read]:
        try:
            return [*read(arm, ref)]
        except ConnectorError as error:
            return [Gap(f"{ref.label}: {error.reason}")]

    for lines in clients.together([partial(one, ref, read) for ref, read in wanted]):
        yield from lines


def _slot(arm: ArmPort, ref: SlotRef) -> list[bytes]:
    return [model_line(arm.slot(ref))]


def _configuration(arm: ArmPort, ref: SlotRef) -> list[bytes]:
    return [model_line(arm.configuration(ref))]


def _instances(arm: ArmPort, ref: SlotRef) -> list[bytes]:
    return [model_line(one, slot=ref.label) for one in arm.instances(ref)]


def _differences(arm: ArmPort, ref: SlotRef) -> list[bytes]:
    return [model_line(one, slot=ref.label) for one in arm.differences(ref, _PRODUCTION)]


def _settings(arm: ArmPort, ref: SlotRef) -> list[bytes]:
    return [model_line(one, slot=ref.label) for one in arm.settings(ref)]


def _deployments(arm: ArmPort, ref: SlotRef) -> list[bytes]:
    return [model_line(one, slot=ref.label) for one in arm.deployments(ref)]


def _log_lines(arm: ArmPort, ref: SlotRef) -> list[bytes]:
    text = arm.worker_logs(ref).decode("utf-8", "backslashreplace")
    return [
        line({"line": number, "slot": ref.label, "text": written[start : start + step]})
        for number, written in enumerate(text.splitlines(), start=1)
        for step in (LOG_LINE_CHARACTERS,)
        for start in range(0, max(1, len(written)), step)
    ]
