"""What only reads at Resource Manager.

R1  inside the environment's subscription
R2  only providers this product reads: Web, Authorization; of Insights the activity log and metrics
    (groups of actions, components and tests hold addresses with keys in them); of DocumentDB only
    the account itself and its data-plane roles, for the readiness check
R3  GET and HEAD, except paths that tunnel into a site or hand out secrets
R4  three POSTs that only read; calls that hand out keys, connection strings, the variables of a
    process or a signed address are named and refused, be they a POST or a GET
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from rollback.guard.rules.request import NO_REWRITE, NO_SECRET, PLAN_IS_PERMISSION, Denial, Normal

_PROVIDERS: Final = frozenset({"microsoft.web", "microsoft.insights", "microsoft.authorization"})
_ACCOUNT: Final = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.documentdb"
    r"/databaseaccounts/[^/]+"
    r"(?:/sqlroledefinitions|/sqlroleassignments|/providers/microsoft\.authorization/permissions)?"
)
_TUNNELS: Final = frozenset({
    "hostruntime", "extensions", "dump", "networktrace", "networktraces", "token", "masterkey",
    "publishingcredentials", "publishingusers",
})  # fmt: skip
_TOLD: Final = frozenset({"processes", "hybridconnection", "networkfeatures"})
"""Whose answers to a GET hold variables of processes, and connection strings of relays."""
_INSIGHTS: Final = frozenset({"eventtypes", "metrics", "metricdefinitions", "metricnamespaces"})
_SITE: Final = (
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.web"
    r"/sites/[^/]+(?:/slots/[^/]+)?"
)
_READING_POST: Final = re.compile(
    _SITE + r"/(?:slotsdiffs|config/appsettings/list|containerlogs)", re.IGNORECASE
)
_SECRETS: Final = re.compile(
    r"/(?:listkeys|listconnectionstrings|readonlykeys|listsecrets|publishxml|listsyncstatus"
    r"|config/(?:connectionstrings|publishingcredentials|azurestorageaccounts|authsettings"
    r"|authsettingsv2|backup|metadata)/list|config/logs|listconnectioninfo"
    r"|containerlogs/zip/download)$",
    re.IGNORECASE,
)


def document_db(request: Normal) -> bool:
    """True where the path names the Cosmos resource provider, in any case."""
    return "microsoft.documentdb" in request.path.lower()


def not_a_read(request: Normal, subscription: str) -> Denial | None:
    """Why this is not one of the reads; None where it is one."""
    path = request.path.lower().rstrip("/")
    inside = bool(subscription) and f"{path}/".startswith(f"/subscriptions/{subscription.lower()}/")
    if document_db(request):  # R2
        if inside and request.reads and _ACCOUNT.fullmatch(path):
            return None
        if _SECRETS.search(path):
            return Denial(
                "resource-manager.cosmos-keys",
                "account keys and connection strings hand out the power to rewrite",
                NO_REWRITE,
            )
        return Denial(
            "resource-manager.cosmos",
            "under Microsoft.DocumentDB only the account and its roles may be read",
            NO_REWRITE,
        )
    if not inside:  # R1
        return Denial("resource-manager.subscription", "outside the environment's subscription")
    segments = path.split("/")
    if _SECRETS.search(path) or not _TOLD.isdisjoint(segments):  # R4
        return Denial("resource-manager.secrets", "a call that hands out secrets", NO_SECRET)
    providers = {after for name, after in pairwise(segments) if name == "providers"}
    insights = {after for name, after in pairwise(segments) if name == "microsoft.insights"}
    if not providers <= _PROVIDERS or not insights <= _INSIGHTS:  # R2
        return Denial("resource-manager.provider", "a resource provider this product never reads")
    if not _TUNNELS.isdisjoint(segments):  # R3
        return Denial("resource-manager.tunnel", "a path that reaches into the site or its memory")
    if request.reads:
        return None
    if request.method == "POST" and _READING_POST.fullmatch(path):  # R4
        return None
    return Denial(
        "resource-manager.write",
        f"{request.method} is not among the calls known to read, nor permitted by the plan",
        PLAN_IS_PERMISSION,
    )
