"""How the world moves: releases start, swaps run their phases, people act. No I/O, no clock.

Every function takes the time as an argument, so that a story can be told step by step in a test.
A swap has these phases: accepted (`begin_swap`), warmed up (`warm_up`), instances of production
changing one by one (`move_instance`), exchanged (`finish_swap`), or failed (`fail_swap`).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.store import update_document
from rollback.rehearsal.simulator.world import (
    Activity,
    Deployment,
    Event,
    Operation,
    SwapStatus,
    World,
)

if TYPE_CHECKING:
    from datetime import datetime

    from rollback.rehearsal.simulator.world import Slot

ANY_STATUS = range(100, 600)


class RefusedError(Exception):
    """The service refuses an operation: a code and a message as Resource Manager would give."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keep the HTTP status, the error code and the message."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def note(world: World, now: datetime, principal: str, kind: str, **detail: Any) -> None:
    """Record an event of the world."""
    seq = len(world.events) + 1
    world.events.append(Event(seq=seq, at=now, principal=principal, kind=kind, detail=detail))


def log_activity(
    world: World,
    now: datetime,
    *,
    caller: str,
    operation: str,
    resource: str,
    status: str = "Succeeded",
    correlation: str = "",
) -> None:
    """Add an entry to the activity log."""
    world.activity.append(
        Activity(
            id=str(uuid4()),
            at=now,
            caller=caller,
            operation=operation,
            resource=resource,
            status=status,
            correlation=correlation or str(uuid4()),
        )
    )


def resource_id(site: str, slot: str = names.PRODUCTION) -> str:
    """Return the Resource Manager identifier of a site or a slot."""
    base = (
        f"/subscriptions/{names.SUBSCRIPTION}/resourceGroups/{names.RESOURCE_GROUP}"
        f"/providers/Microsoft.Web/sites/{site}"
    )
    return base if slot == names.PRODUCTION else f"{base}/slots/{slot}"


def refuse_while_busy(world: World, site: str) -> None:
    """Refuse a change of a site on which an operation runs.

    Raises RefusedError with 409 Conflict, worded as the service words it.
    """
    running = world.sites[site].operation
    if running is None:
        return
    operation = world.operations[running]
    text = (
        "Cannot modify this site because another operation is in progress. "
        f"Details: Id: {operation.id}, OperationName: {operation.name}, "
        f"CreatedTime: {operation.created_at.strftime('%m/%d/%Y %I:%M:%S %p')}, "
        "RequestId: None, EntityType: 3"
    )
    raise RefusedError(409, "Conflict", text)


def begin_operation(
    world: World,
    now: datetime,
    site: str,
    *,
    name: str,
    principal: str,
    source: str = names.STAGING,
    target: str = names.PRODUCTION,
    correlation: str = "",
) -> Operation:
    """Start a long-running operation on a site; refuse it while another one runs."""
    refuse_while_busy(world, site)
    operation = Operation(
        id=str(uuid4()),
        name=name,
        site=site,
        source=source,
        target=target,
        principal=principal,
        created_at=now,
        correlation=correlation or str(uuid4()),
    )
    world.operations[operation.id] = operation
    world.sites[site].operation = operation.id
    return operation


def begin_swap(
    world: World,
    now: datetime,
    site: str,
    *,
    source: str,
    target: str,
    principal: str,
    correlation: str = "",
) -> Operation:
    """Accept a swap. Raises RefusedError where the service would not accept it."""
    home = world.sites[site]
    refuse_while_busy(world, site)
    for slot in (source, target):
        if slot not in home.slots:
            raise RefusedError(404, "NotFound", f"Cannot find Slot with name {slot}.")
        if home.slots[slot].state == "Stopped":
            text = f"Cannot swap slots for site '{site}' because the '{slot}' slot is stopped."
            raise RefusedError(409, "Conflict", text)
    operation = begin_operation(
        world,
        now,
        site,
        name="SwapSiteSlots",
        principal=principal,
        source=source,
        target=target,
        correlation=correlation,
    )
    log_activity(
        world,
        now,
        caller=principal,
        operation="Microsoft.Web/sites/slots/slotsswap/action",
        resource=resource_id(site, source),
        status="Started",
        correlation=operation.correlation,
    )
    return operation


def warm_up(world: World, now: datetime, operation: Operation) -> str | None:
    """Start the source slot's build with the target's settings; return why it did not come up."""
    home = world.sites[operation.site]
    slot = home.slots[operation.source]
    failed = (
        f"Cannot swap slots for site '{operation.site}' because the worker process for "
        f"'{operation.source}' slot could not be started."
    )
    build = world.build_of_image(operation.site, slot.image)
    if build is None:
        return failed
    release_starts(world, now, build.id, operation.site, operation.source)
    accepted = slot.settings.get("WEBSITE_SWAP_WARMUP_PING_STATUSES")
    statuses = (
        [int(part) for part in accepted.split(",") if part.strip().isdigit()]
        if accepted
        else ANY_STATUS
    )
    return None if build.health_status in statuses else failed


def move_instance(world: World, now: datetime, operation: Operation) -> bool:
    """Let the next instance of the target slot serve the source slot's build.

    Returns whether instances are left that still serve the old build.
    """
    home = world.sites[operation.site]
    target = home.slots[operation.target]
    build = world.build_in(operation.site, operation.source)
    if operation.moved < len(target.instances):
        worker = target.instances[operation.moved]
        worker.build, worker.started_at = build, now
        operation.moved += 1
    return operation.moved < len(target.instances)


def finish_swap(world: World, now: datetime, operation: Operation) -> None:
    """Exchange the contents of the two slots; sticky settings and routing rules stay."""
    home = world.sites[operation.site]
    source, target = home.slots[operation.source], home.slots[operation.target]
    source.image, target.image = target.image, source.image
    source.deployments, target.deployments = target.deployments, source.deployments
    source.deployment_id, target.deployment_id = target.deployment_id, source.deployment_id
    _exchange_settings(source, target, home.sticky)
    for slot in (source, target):
        build = world.build_in(operation.site, slot.name)
        for worker in slot.instances:
            if worker.build != build:
                worker.build, worker.started_at = build, now
    source.target_swap_slot = target.target_swap_slot = None
    source.modified_at = now
    destination = "Production" if operation.target == names.PRODUCTION else operation.target
    home.swap_status = SwapStatus(at=now, source=operation.source, destination=destination)
    home.swaps += 1
    _end(world, now, operation, None)


def _exchange_settings(source: Slot, target: Slot, sticky: list[str]) -> None:
    def parted(slot: Slot) -> tuple[dict[str, str], dict[str, str]]:
        staying = {k: v for k, v in slot.settings.items() if k in sticky}
        return staying, {k: v for k, v in slot.settings.items() if k not in sticky}

    source_stays, source_goes = parted(source)
    target_stays, target_goes = parted(target)
    source.settings = target_goes | source_stays
    target.settings = source_goes | target_stays


def fail_swap(world: World, now: datetime, operation: Operation, error: str) -> None:
    """End a swap without effect."""
    build = world.build_in(operation.site, operation.target)
    for worker in world.sites[operation.site].slots[operation.target].instances:
        worker.build = build
    _end(world, now, operation, error)


def end_operation(world: World, now: datetime, operation: Operation) -> None:
    """End an operation that is not a swap."""
    _end(world, now, operation, None)


def _end(world: World, now: datetime, operation: Operation, error: str | None) -> None:
    operation.state, operation.error = ("failed" if error else "succeeded"), error
    home = world.sites[operation.site]
    if home.operation == operation.id:
        home.operation = None
    if operation.name == "SwapSiteSlots":
        log_activity(
            world,
            now,
            caller=operation.principal,
            operation="Microsoft.Web/sites/slots/slotsswap/action",
            resource=resource_id(operation.site, operation.source),
            status="Failed" if error else "Succeeded",
            correlation=operation.correlation,
        )


def release_starts(world: World, now: datetime, build: str, site: str, slot: str) -> None:
    """Start a release: it reads control state, may write it, and may trade."""
    principal = f"backend:{build}"
    note(world, now, principal, "release-started", site=site, slot=slot)
    if world.sites[site].surface != "backend":
        return
    note(world, now, principal, "control-read", site=site, slot=slot)
    if world.builds[build].rewrites_control_at_start:
        update_document(
            world,
            now,
            principal=principal,
            container="dynamic_config",
            document_id="limits",
            values={"schema": world.builds[build].control_min, "maxOrderValue": 1000000},
        )
        note(world, now, principal, "control-rewritten", container="dynamic_config", id="limits")


def trading_loop(world: World, site: str, slot: str, build: str | None) -> str:
    """Return what a release reports of its trading loop in this slot."""
    home = world.sites[site]
    if home.surface != "backend" or build is None:
        return "none"
    if home.slots[slot].settings.get("TRADING_LOOP") == "off":
        return "sticky-off"
    return world.builds[build].trading_loop


def set_image(world: World, now: datetime, site: str, slot: str, image: str, caller: str) -> None:
    """Pin a slot to an image; its instances follow one by one (`start_instance`)."""
    held = world.sites[site].slots[slot]
    held.image = image
    held.modified_at = now
    build = world.build_of_image(site, image)
    for past in held.deployments:
        past.active = False
    if build is None:
        return
    held.deployments.append(
        Deployment(
            id=hashlib.sha256(f"{site}/{slot}/{build.id}/{now}".encode()).hexdigest()[:32],
            build=build.id,
            deployer=caller,
            received_at=now,
            ended_at=now,
        )
    )
    release_starts(world, now, build.id, site, slot)


def start_instance(world: World, now: datetime, site: str, slot: str, index: int) -> None:
    """Let one instance of a slot serve what is deployed there."""
    worker = world.sites[site].slots[slot].instances[index]
    worker.build, worker.started_at = world.build_in(site, slot), now
