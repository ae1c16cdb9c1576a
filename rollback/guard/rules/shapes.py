"""The shapes a write may have at all, whatever a plan says. Default: none.

Used twice: by the planner's fence over effects, and on the wire over what is about to leave, so
that a permission in a hand-edited plan opens nothing that no shape names.

S1  Cosmos, backend, web, platform-service and identity hosts: no write has a shape
S2  Resource Manager: swap; ramp rules, auto-swap target, image by digest; start and stop of a slot
S3  pipelines: disable a workflow, cancel a run, reject pending deployments; comment on an issue
S4  store (bucket or container): PUT that creates only, or that replaces exactly what was read
S5  channel: POST
"""

from __future__ import annotations

import re
from typing import Any, Final

from rollback.guard.rules.request import NO_REWRITE, PLAN_IS_PERMISSION, Denial
from rollback.model.scope import HostKind

_INCIDENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
_SLOT_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,60}")
ARM_SITE: Final = re.compile(
    r"/subscriptions/(?P<subscription>[0-9A-Za-z-]{1,64})/resourceGroups/(?P<group>[^/]{1,90})"
    r"/providers/Microsoft\.Web/sites/(?P<site>[A-Za-z0-9-]{1,60})"
    r"(?:/slots/(?P<slot>[A-Za-z0-9-]{1,60}))?/(?P<verb>[A-Za-z/]{1,60})"
)
"""A write below a site, in the exact case in which the SDK sends it."""

IMAGE: Final = re.compile(r"DOCKER\|(?P<image>[a-z0-9][a-z0-9./:_-]{0,255}@sha256:[0-9a-f]{64})")
_RULE_KEYS: Final = frozenset({"actionHostName", "reroutePercentage", "name"})
_REPOINTS: Final = re.compile(
    r"^(?:APPSETTING_|CUSTOMCONNSTR_|DOCDBCONNSTR_|SQLAZURECONNSTR_)?(?:COSMOS|PLATFORM|JWT|AZURE_COSMOS|DOCUMENTDB)",
    re.IGNORECASE,
)
_GITHUB: Final = r"/repos/[\w.-]+/[\w.-]+/actions"
_GITHUB_DISABLE: Final = re.compile(_GITHUB + r"/workflows/[\w.-]+/disable")
_GITHUB_CANCEL: Final = re.compile(_GITHUB + r"/runs/\d{1,20}/cancel")
_GITHUB_COMMENT: Final = re.compile(r"/repos/[\w.-]+/[\w.-]+/issues/\d{1,10}/comments")
_GITHUB_REJECT: Final = re.compile(_GITHUB + r"/runs/\d{1,20}/pending_deployments")


def _off(rule: str, reason: str) -> Denial:
    return Denial(rule, reason, PLAN_IS_PERMISSION)


def repoints(name: str) -> bool:
    """True for a setting that says where Cosmos or the platform is, or which tokens are trusted."""
    return _REPOINTS.match(name) is not None


def write_without_shape(
    kind: HostKind,
    method: str,
    path: str,
    document: Any,
    *,
    conditional: bool,
) -> Denial | None:
    """Why this write has none of the known shapes; None where it has one.

    document: the parsed JSON body; None where there is no body or it is not judged as JSON.
    conditional: it creates only, or replaces only what was read.
    """
    if "microsoft.documentdb" in path.lower():
        return Denial("shape.cosmos-account", "a write under Microsoft.DocumentDB", NO_REWRITE)
    match kind:
        case HostKind.COSMOS:  # S1
            return Denial("shape.cosmos", "no write can go to a Cosmos host", NO_REWRITE)
        case HostKind.BACKEND | HostKind.WEB:  # S1
            return Denial("shape.backend", "no write can go to a surface's own host", NO_REWRITE)
        case HostKind.PLATFORM | HostKind.IDENTITY:  # S1
            return Denial("shape.platform", "no write can go where people sign in", NO_REWRITE)
        case HostKind.ARM:
            return _arm(method, path, document)
        case HostKind.PIPELINE:
            return _pipeline(method, path, document)
        case HostKind.STORE:  # S4
            if method != "PUT":
                return _off("shape.store", "a store is only ever written by PUT")
            if not conditional:
                return _off("shape.store", "a store is written create-only, or by etag")
            return None
        case HostKind.CHANNEL:  # S5
            return None if method == "POST" else _off("shape.channel", "a channel takes a POST")


def _arm(method: str, path: str, document: Any) -> Denial | None:
    match = ARM_SITE.fullmatch(path)
    if match is None:
        return _off("shape.resource-manager", "not a write below a site that any rule names")
    slot, verb = match["slot"], match["verb"]
    if slot is not None and slot.lower() == "production":
        return _off("shape.production-alias", "production is not addressed as a slot")
    if verb.lower().startswith("config/appsettings") or verb.lower().startswith(
        "config/connection"
    ):
        return settings_denial(document)
    match (method, verb):
        case ("POST", "slotsswap"):
            return _swap(slot, document)
        case ("PATCH", "config/web"):
            return _configuration(document)
        case ("POST", "start" | "stop"):
            if slot is None:
                return _off("shape.production-start-stop", "production is never started or stopped")
            return None if document is None else _off("shape.body", "it takes no body")
        case _:
            return _off("shape.resource-manager", "not a write below a site that any rule names")


def settings_denial(document: Any) -> Denial:
    """Why application settings cannot be written, with the reason that fits what they say."""
    properties = document.get("properties") if isinstance(document, dict) else None
    named = (
        sorted(name for name in properties if repoints(name))
        if isinstance(properties, dict)
        else []
    )
    if named:
        return Denial(
            "shape.settings-repoint",
            f"it could repoint the control plane or the platform-service: {', '.join(named)[:200]}",
            NO_REWRITE,
        )
    return _off("shape.settings", "application settings are never written by a rollback")


def _swap(slot: str | None, document: Any) -> Denial | None:
    if not isinstance(document, dict) or not {"targetSlot"} <= set(document) <= {
        "targetSlot",
        "preserveVnet",
    }:
        return _off("shape.swap", "a swap names its target, and whether networks stay")
    target = document["targetSlot"]
    if not isinstance(target, str) or not _SLOT_NAME.fullmatch(target):
        return _off("shape.swap", "the swap's target is not a slot's name")
    if "preserveVnet" in document and type(document["preserveVnet"]) is not bool:
        return _off("shape.swap", "preserveVnet is true or false")
    if target.lower() == (slot or "production").lower():
        return _off("shape.swap", "a slot is not swapped with itself")
    return None


def _configuration(document: Any) -> Denial | None:
    if not isinstance(document, dict) or set(document) != {"properties"}:
        return _off("shape.configuration", "only properties of config/web are written")
    properties = document["properties"]
    if not isinstance(properties, dict) or not properties:
        return _off("shape.configuration", "it names no property")
    for name, value in properties.items():
        if name == "appSettings" or name == "connectionStrings":  # noqa: PLR1714
            return _inline_settings(value)
        if not (
            (name == "experiments" and _ramp_rules(value))
            or (name == "autoSwapSlotName" and _slot_or_empty(value))
            or (name == "linuxFxVersion" and isinstance(value, str) and IMAGE.fullmatch(value))
        ):
            return _off(
                "shape.configuration",
                "only ramp rules, the auto-swap target, or an image by digest are written",
            )
    return None


def _inline_settings(value: Any) -> Denial:
    entries = value if isinstance(value, list) else []
    names = {str(entry.get("name")): "" for entry in entries if isinstance(entry, dict)}
    return settings_denial({"properties": names})


def _slot_or_empty(value: Any) -> bool:
    return isinstance(value, str) and (not value or _SLOT_NAME.fullmatch(value) is not None)


def _ramp_rules(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != {"rampUpRules"}:
        return False
    rules = value["rampUpRules"]
    return isinstance(rules, list) and all(
        isinstance(rule, dict)
        and set(rule) == _RULE_KEYS
        and isinstance(rule["name"], str)
        and isinstance(rule["actionHostName"], str)
        and type(rule["reroutePercentage"]) in {int, float}
        and 0 <= rule["reroutePercentage"] <= 100  # noqa: PLR2004 (percent)
        for rule in rules
    )


def _pipeline(method: str, path: str, document: Any) -> Denial | None:
    if method == "POST" and _GITHUB_COMMENT.fullmatch(path):
        only = isinstance(document, dict) and set(document) == {"body"}
        return (
            None
            if only or document is None
            else _off("shape.comment", "a comment is a body and nothing else")
        )
    if method == "PUT" and _GITHUB_DISABLE.fullmatch(path) and not document:
        return None
    if method == "POST" and _GITHUB_CANCEL.fullmatch(path) and not document:
        return None
    if method == "POST" and _GITHUB_REJECT.fullmatch(path):
        if isinstance(document, dict) and document.get("state") == "rejected":
            return None
        return _off("shape.pipeline", "a pending deployment is only ever rejected")
    return _off("shape.pipeline", "a pipeline is only disabled, cancelled or rejected")


def names_path(template: str, path: str) -> bool:
    """Whether a channel's path, in which a segment may be ``{incident}``, names this one."""
    wanted, seen = template.split("/"), path.split("/")
    return len(wanted) == len(seen) and all(
        one == other or (one == "{incident}" and _INCIDENT.fullmatch(other) is not None)
        for one, other in zip(wanted, seen, strict=True)
    )
