"""App Service: routing, slots, settings by name and keyed digest, deployments, worker logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.errors import ConnectorError
from rollback.evidence.source import Gap, Read, Source
from rollback.evidence.sources.lines import line, model_line
from rollback.model.views import SlotRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from rollback.model.environment import Environment, Surface
    from rollback.model.ports import ArmPort, Clients

LOG_LINE_CHARACTERS = 16_384
"""A longer line of a worker log is cut into several."""

_PRODUCTION = "production"


def volatile(environment: Environment, name: str, seconds_max: int) -> tuple[Source, ...]:
    """What a swap, a restart or a deployment of surface `name` destroys."""
    production, stable = _slots(environment, environment.surface(name))
    both = (production, stable)

    def routing(clients: Clients) -> Iterator[Read]:
        arm = clients.arm()
        for ref in both:
            yield from _or_gap(ref, lambda arm, ref: [model_line(arm.slot(ref))], arm)
            yield from _or_gap(ref, lambda arm, ref: [model_line(arm.configuration(ref))], arm)
            yield from _or_gap(
                ref,
                lambda arm, ref: [
                    model_line(one, slot=ref.label) for one in arm.instances(ref)
                ],
                arm,
            )

    def differences(clients: Clients) -> Iterator[Read]:
        arm = clients.arm()
        yield from _or_gap(
            stable,
            lambda arm, ref: [
                model_line(one, slot=ref.label) for one in arm.differences(ref, _PRODUCTION)
            ],
            arm,
        )
        for ref in both:
            yield from _or_gap(
                ref,
                lambda arm, ref: [model_line(one, slot=ref.label) for one in arm.settings(ref)],
                arm,
            )

    def logs(clients: Clients) -> Iterator[Read]:
        arm = clients.arm()
        for ref in both:
            yield from _or_gap(ref, _log_lines, arm)

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
        arm = clients.arm()
        for ref in (production, stable):
            yield from _or_gap(
                ref,
                lambda arm, ref: [
                    model_line(one, slot=ref.label) for one in arm.deployments(ref)
                ],
                arm,
            )

    def activity(clients: Clients) -> Iterator[Read]:
        yield from _or_gap(
            production,
            lambda arm, ref: [model_line(one) for one in arm.activity(ref, since, until)],
            clients.arm(),
        )

    return (
        Source(f"{name}/deployments", deployments, seconds_max),
        Source(f"{name}/activity-log", activity, seconds_max, since, until),
    )


def _slots(environment: Environment, surface: Surface) -> tuple[SlotRef, SlotRef]:
    group = surface.resource_group or environment.azure.resource_group
    production = SlotRef(resource_group=group, site=surface.site or "", slot=None)
    return production, production.model_copy(update={"slot": surface.stable_slot})


def _or_gap(
    ref: SlotRef, read: Callable[[ArmPort, SlotRef], list[bytes]], arm: ArmPort
) -> Iterator[Read]:
    """The lines, or one gap: the other slot is still read."""
    try:
        yield from read(arm, ref)
    except ConnectorError as error:
        yield Gap(f"{ref.label}: {error.reason}")


def _log_lines(arm: ArmPort, ref: SlotRef) -> list[bytes]:
    text = arm.worker_logs(ref).decode("utf-8", "backslashreplace")
    return [
        line({"line": number, "slot": ref.label, "text": written[start : start + step]})
        for number, written in enumerate(text.splitlines(), start=1)
        for step in (LOG_LINE_CHARACTERS,)
        for start in range(0, max(1, len(written)), step)
    ]
