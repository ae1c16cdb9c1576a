"""What stands around the slots of a surface: settings a swap would move, history, pipeline."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from rollback.actions.seen import CONTROL_PREFIXES, one_build
from rollback.connectors.together import both
from rollback.errors import ConnectorError, InputError
from rollback.model.base import facts, rfc3339
from rollback.model.observation import Observation, World
from rollback.model.slots import PRODUCTION
from rollback.planning.last_stable import Happened, last_stable, placed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollback.model.environment import Pipeline, Surface, TradingLoop
    from rollback.model.ports import Clients
    from rollback.model.views import ActivityView, DeploymentView, SettingView, SlotRef

Conclude = Callable[[tuple[Observation, ...]], Observation]
"""What was read, made an observation once the slots of the surface are seen."""

HISTORY_DAYS = 89
"""The activity log keeps ninety days."""

SAME_SWAP = timedelta(seconds=120)
"""A swap status this near to a swap of the activity log is the same swap."""

IMAGE = frozenset({"linuxfxversion", "windowsfxversion"})
"""Content, not a setting: it is meant to move, and is compared as the slot's image."""

_POINTS = re.compile(r"(ENDPOINT|URL|URI|HOST|KEY|SECRET|TOKEN|CONNECTION_?STRING)$", re.IGNORECASE)


def observe_settings(
    name: str, slot: SlotRef, clients: Clients, host: str, loop: TradingLoop | None = None
) -> Observation:
    """What a swap of the slot with production would carry across; what its loop's setting says."""
    resource = f"{name}/settings-difference/{slot.slot}"
    where = f"{host} {slot.label}/slotsdiffs"
    arm = clients.arm()
    production = slot.model_copy(update={"slot": None})
    setting = None if loop is None else loop.setting

    def held_settings() -> tuple[tuple[SettingView, ...], ...]:
        return clients.together([lambda: arm.settings(slot), lambda: arm.settings(production)])

    def value() -> str | None:
        return None if setting is None else dict(arm.setting_values(slot, (setting,))).get(setting)

    def stated() -> tuple[tuple[tuple[SettingView, ...], ...], str | None]:
        return both(clients.together, held_settings, value)

    try:
        found, ((own, other), said) = both(
            clients.together, lambda: arm.differences(slot, PRODUCTION), stated
        )
        names = {one.name for one in found if one.name.lower() not in IMAGE}
        held = (*own, *other)
        kept: dict[str, str] = {}
        if loop is not None and setting is not None:
            kept["trading_loop_problem"] = _loop_problem(loop, own, said)
    except ConnectorError as error:
        return Observation(resource=resource, where=where, at=clients.now(), gaps=(error.reason,))
    return Observation(
        resource=resource,
        compared=facts(moving=tuple(sorted(names)), **kept),
        context=facts(
            rules=tuple(sorted({f"{one.name}={one.rule}" for one in found})),
            cosmos_or_platform=carries_control(names, held),
        ),
        where=where,
        at=clients.now(),
    )


def _loop_problem(loop: TradingLoop, own: tuple[SettingView, ...], value: str | None) -> str:
    """Why a sticky setting does not keep the slot's trading loop off; empty where it does."""
    if value is None:
        return "the slot has no such setting"
    if not any(one.name == loop.setting and one.sticky for one in own):
        return "it does not stay with the slot"
    return "" if value == loop.off else "it does not switch the loop off"


def carries_control(names: Iterable[str], settings: Iterable[SettingView]) -> tuple[str, ...]:
    """Which of these settings lead to the control plane or the sign-in. Pure.

    By the runbook's names; or by value: it equals, in some slot, the value of a setting of those
    names that is an address or a credential (compared by keyed digest; no value is seen).
    """
    every = tuple(settings)
    known = {
        one.digest
        for one in every
        if one.name.upper().startswith(CONTROL_PREFIXES) and _POINTS.search(one.name)
    }
    same = {one.name for one in every if one.digest in known}
    return tuple(
        sorted(one for one in names if one.upper().startswith(CONTROL_PREFIXES) or one in same)
    )


def read_history(
    name: str, surface: Surface, refs: tuple[SlotRef, SlotRef], clients: Clients
) -> Conclude:
    """What production served, and which release was last stable; concluded from its slots too.

    refs: production and the stable slot.
    """
    resource = f"{name}/history"
    where = f"deployments and activity log of {refs[0].site}"
    until = clients.now()
    arm = clients.arm()

    def deployed() -> tuple[tuple[DeploymentView, ...], ...]:
        return clients.together([partial(arm.deployments, ref) for ref in refs])

    def logged() -> tuple[tuple[ActivityView, ...], tuple[str, ...]]:
        try:
            return arm.activity(refs[0], until - timedelta(days=HISTORY_DAYS), until), ()
        except ConnectorError as error:
            return (), (f"swaps are not known: {error.reason}",)

    try:
        deployments, (activity, gaps) = both(clients.together, deployed, logged)
    except ConnectorError as error:
        unread = Observation(
            resource=resource, where=where, at=clients.now(), gaps=(error.reason,)
        )
        return lambda _: unread
    ledgers = tuple(
        Happened(at=one.ended_at, slot=ref.slot or PRODUCTION, build=one.build)
        for ref, found in zip(refs, deployments, strict=True)
        for one in found
        if one.ended_at is not None and one.build
    )
    read = _History(name, surface, where, ledgers, activity, gaps, clients.now())
    return read.concluded


@dataclass(frozen=True, slots=True)
class _History:
    """What was read of a surface's past."""

    name: str
    surface: Surface
    where: str
    ledgers: tuple[Happened, ...]
    activity: tuple[ActivityView, ...]
    gaps: tuple[str, ...]
    at: datetime

    def concluded(self, slots: tuple[Observation, ...]) -> Observation:
        """With the build that production serves now (none where that is not proved), which
        release was last stable.
        """  # noqa: D205
        now = one_build(World(observations=slots), self.name, PRODUCTION)
        swap_status = str(slots[0].get("swap_at") or "")
        return _history(self, now, swap_status)


def _history(read: _History, now: str, swap_status: str) -> Observation:
    surface, ledgers, activity, gaps = read.surface, read.ledgers, read.activity, read.gaps
    swaps = _swaps(activity, surface.stable_slot, swap_status)
    history = placed(ledgers, swaps)
    catalogue = tuple(entry.build for entry in surface.releases)
    # Without the activity log nothing tells where an entry was made, so nothing is concluded.
    found = last_stable(history, now, catalogue) if now and not gaps else None
    stable = "" if found is None else found.build
    return Observation(
        resource=f"{read.name}/history",
        context=facts(
            entries=tuple(
                f"{rfc3339(one.at)} {one.build or '-'} {one.slot} "
                f"{'deployed' if one.build else 'swapped with production'}"
                for one in history
            ),
            last_stable=stable,
            last_stable_since="" if found is None else rfc3339(found.since),
            last_stable_by="" if found is None else found.by,
            agrees=found is None or found.agrees,
            rolled_out=now if found is not None and not found.current else "",
        ),
        where=read.where,
        at=read.at,
        gaps=gaps,
    )


def _swaps(
    activity: Iterable[ActivityView], stable_slot: str, swap_status: str
) -> tuple[tuple[datetime, str], ...]:
    """Swaps that took effect, by the activity log, and the last one by the swap status."""
    found: dict[str, tuple[datetime, str]] = {}
    for one in activity:
        operation = one.operation.lower()
        if operation.endswith("/slotsswap/action") and one.status.lower() == "succeeded":
            _, slots, slot = one.resource.partition("/slots/")
            named = slot.partition("/")[0] if slots else stable_slot
            found[one.correlation or rfc3339(one.at)] = (one.at, named)
    swaps = tuple(found.values())
    last = _moment(swap_status)
    if last is not None and all(abs(last - at) > SAME_SWAP for at, _ in swaps):
        swaps += ((last, stable_slot),)
    return swaps


def _moment(written: str) -> datetime | None:
    """A time as Resource Manager writes it (up to seven decimals, sometimes without a zone)."""
    try:
        found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", written))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def observe_pipeline(name: str, pipeline: Pipeline, clients: Clients) -> Observation:
    """The pipeline that deploys a surface, and what of it is on its way.

    pending: ``run=environment,environment`` for every run that waits for a review.
    """
    from rollback.connectors import pipelines

    resource = f"{name}/pipeline"
    where = f"{pipeline.api_host} {pipeline.repository} {pipeline.file}"
    try:
        token = clients.secret(pipeline.token)
        http = clients.http(pipeline.api_host)
        view = pipelines.pipeline(http, pipeline, token, clients.together)
        waits = clients.together(
            [partial(pipelines.pending, http, pipeline, token, run) for run in view.waiting]
        )
        pending = tuple(
            f"{run}={','.join(str(one.environment_id) for one in found)}"
            for run, found in zip(view.waiting, waits, strict=True)
            if found
        )
    except (ConnectorError, InputError) as error:
        return Observation(resource=resource, where=where, at=clients.now(), gaps=(error.reason,))
    return Observation(
        resource=resource,
        compared=facts(state=view.state),
        context=facts(
            queued=view.queued,
            waiting=view.waiting,
            in_progress=view.in_progress,
            pending=pending,
        ),
        where=where,
        at=clients.now(),
    )
