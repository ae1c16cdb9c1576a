"""Resource Manager's answers about App Service, read into views. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
from http import HTTPStatus
from typing import Any

from rollback.connectors.crossing import Failure, by_status
from rollback.connectors.values import at, flag, listed, mapping, moment, parsed, text
from rollback.model.ports import Grant, Principal
from rollback.model.views import (
    ActivityView,
    ConfigurationView,
    DeploymentView,
    DifferenceView,
    InstanceView,
    RampRule,
    SettingView,
    SlotRef,
    SlotView,
)

WARMUP_PATH = "WEBSITE_SWAP_WARMUP_PING_PATH"
WARMUP_STATUSES = "WEBSITE_SWAP_WARMUP_PING_STATUSES"

_BUILD = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$")
_CODE = re.compile(r"^[A-Za-z][A-Za-z0-9_.-]{0,79}$")
_BUSY = re.compile(r"another operation is in progress", re.IGNORECASE)
_BUSY_ID = re.compile(r"\bId: ([0-9a-fA-F-]{8,64})")
_BUSY_NAME = re.compile(r"\bOperationName: ([A-Za-z]{1,60})")
_PREPARED = re.compile(r"prepared for swap", re.IGNORECASE)
_WARMUP = re.compile(r"worker process for '([A-Za-z0-9-]{1,60})' slot could not be started")


def slot_view(resource: dict[str, Any], etag: str, resource_group: str) -> SlotView:
    """A site or slot resource. Its name is ``site`` or ``site/slot``."""
    site, _, slot = text(resource, "name").partition("/")
    properties = mapping(resource, "properties")
    swapped = mapping(properties, "slotSwapStatus")
    return SlotView(
        ref=SlotRef(resource_group=resource_group, site=site, slot=slot or None),
        state=text(properties, "state"),
        enabled=flag(properties, "enabled", absent=True),
        host=text(properties, "defaultHostName").lower(),
        hosts=tuple(
            host.lower() for host in listed(properties, "hostNames") if isinstance(host, str)
        ),
        deployment_id=text(properties, "deploymentId"),
        swap_at=text(swapped, "timestampUtc"),
        swap_source=text(swapped, "sourceSlotName"),
        swap_destination=text(swapped, "destinationSlotName"),
        preview_target=text(properties, "targetSwapSlot"),
        operation=text(properties, "inProgressOperationId"),
        etag=etag,
        affinity=flag(properties, "clientAffinityEnabled", absent=True),
    )


def configuration_view(
    ref: SlotRef, resource: dict[str, Any], settings: dict[str, str]
) -> ConfigurationView:
    """config/web of a slot, with the two settings that say how a swap warms it up."""
    properties = mapping(resource, "properties")
    image = text(properties, "linuxFxVersion")
    sockets = at(properties, "webSocketsEnabled")
    return ConfigurationView(
        ref=ref,
        image=image.partition("|")[2] if image.upper().startswith("DOCKER|") else "",
        auto_swap=text(properties, "autoSwapSlotName"),
        ramp_rules=tuple(
            sorted(
                (_ramp_rule(rule) for rule in listed(properties, "experiments", "rampUpRules")),
                key=lambda rule: (rule.name, rule.host),
            )
        ),
        warmup_path=settings.get(WARMUP_PATH, ""),
        warmup_statuses=settings.get(WARMUP_STATUSES, ""),
        web_sockets=sockets if isinstance(sockets, bool) else None,
    )


def _ramp_rule(rule: object) -> RampRule:
    percent = at(rule, "reroutePercentage")
    share = percent if isinstance(percent, (int, float)) else 0
    return RampRule(
        name=text(rule, "name"),
        host=text(rule, "actionHostName").lower(),
        percent_hundredths=min(10_000, max(0, round(share * 100))),
    )


def settings_of(resource: dict[str, Any]) -> dict[str, str]:
    """Names and values of application settings. The values are secrets: keep them nowhere."""
    return {
        name: value if isinstance(value, str) else ""
        for name, value in mapping(resource, "properties").items()
    }


def setting_views(
    settings: dict[str, str], sticky: tuple[str, ...], key: bytes
) -> tuple[SettingView, ...]:
    """Settings by name and a keyed digest of the value (HMAC-SHA256; equal values are equal)."""
    folded = {name.lower() for name in sticky}
    return tuple(
        SettingView(
            name=name,
            digest=hmac.new(key, settings[name].encode(), hashlib.sha256).hexdigest(),
            sticky=name.lower() in folded,
        )
        for name in sorted(settings)
    )


def sticky_names(resource: dict[str, Any]) -> tuple[str, ...]:
    """Names of the settings that stay with their slot (slotConfigNames)."""
    return tuple(
        name for name in listed(resource, "properties", "appSettingNames") if isinstance(name, str)
    )


def difference_view(item: dict[str, Any]) -> DifferenceView:
    """One setting that a swap would change; the two values are left behind."""
    properties = mapping(item, "properties")
    return DifferenceView(
        name=text(properties, "settingName") or text(item, "name"),
        kind=text(properties, "settingType"),
        rule=text(properties, "diffRule"),
    )


def instance_view(item: dict[str, Any]) -> InstanceView:
    """One worker instance."""
    return InstanceView(id=text(item, "name"), state=text(item, "properties", "state"))


def deployment_view(item: dict[str, Any]) -> DeploymentView:
    """One deployment; its build is the message, where that has a build's form."""
    properties = mapping(item, "properties")
    message = text(properties, "message").strip()
    ended = [moment(properties, name) for name in ("end_time", "endTime", "received_time")]
    return DeploymentView(
        id=text(properties, "id") or text(item, "name").rpartition("/")[2],
        build=message if _BUILD.match(message) else "",
        active=flag(properties, "active"),
        ended_at=next((found for found in ended if found is not None), None),
    )


def activity_view(item: dict[str, Any]) -> ActivityView | None:
    """One entry of the activity log; None where it has no time."""
    when = moment(item, "eventTimestamp")
    if when is None:
        return None
    return ActivityView(
        operation=text(item, "operationName", "value"),
        resource=text(item, "resourceId"),
        status=text(item, "status", "value"),
        caller=text(item, "caller"),
        at=when,
        correlation=text(item, "correlationId"),
    )


def grants(items: list[Any]) -> tuple[Grant, ...]:
    """Effective permissions, role by role: what one role excludes another may grant."""

    def texts(item: Any, name: str) -> tuple[str, ...]:
        return tuple(one for one in listed(item, name) if isinstance(one, str))

    return tuple(Grant(texts(item, "actions"), texts(item, "notActions")) for item in items)


def principal(token: str) -> Principal:
    """The claims of our own token, unchecked: whoever takes the token checks it."""
    import jwt

    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return Principal()
    held = claims.get("groups")
    return Principal(
        object_id=text(claims, "oid"),
        groups=tuple(one for one in held if isinstance(one, str)) if isinstance(held, list) else (),
        more_groups="_claim_names" in claims or "hasgroups" in claims,
    )


def refused_by_arm(status: int, body: bytes) -> Failure:
    """What an error of Resource Manager means. Its text is recognised, never passed on."""
    try:
        content = parsed(body)
    except ValueError:
        content = None
    error = mapping(content, "error") or mapping(content)
    code = text(error, "code") or text(error, "Code")
    message = text(error, "message") or text(error, "Message")
    if status == HTTPStatus.CONFLICT and _BUSY.search(message):
        found = (_BUSY_ID.search(message), _BUSY_NAME.search(message))
        which = " ".join(match[1] for match in found if match is not None)
        what = f"another operation is in progress ({which or 'unnamed'})"
        hint = "wait until it ends, or ask who started it"
        return Failure("busy", what, transient=True, status=status, hint=hint)
    if status == HTTPStatus.CONFLICT and _PREPARED.search(message):
        what = "a swap with preview is pending on this slot"
        hint = "complete or cancel the pending swap first"
        return Failure("preview-pending", what, transient=False, status=status, hint=hint)
    if match := _WARMUP.search(message):
        what = f"the worker process of slot {match[1]} could not be started; nothing was swapped"
        return Failure("warm-up-failed", what, transient=False, status=status)
    general = by_status(status)
    if not _CODE.match(code):
        return general
    return Failure(
        general.code, f"{general.what}, {code}", general.transient, status, hint=general.hint
    )
