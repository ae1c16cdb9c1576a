"""What the credentials of this product could do that it never does, read from Resource Manager.

The type and the wire keep this process from writing; only the credential keeps the account. Each
answer is of one moment, and of what Resource Manager tells: an account key says nothing of itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from rollback.model.ports import Check
from rollback.wiring.doctor_data_plane import COSMOS_API, data_plane, matches, weight

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollback.model.base import Facts
    from rollback.model.environment import Environment
    from rollback.model.ports import Clients, Grant

_DB: Final = "Microsoft.DocumentDB/databaseAccounts"
WRITES: Final = (
    f"{_DB}/write",
    f"{_DB}/delete",
    f"{_DB}/listKeys/action",
    f"{_DB}/regenerateKey/action",
    f"{_DB}/failoverPriorityChange/action",
    f"{_DB}/offlineRegion/action",
    f"{_DB}/onlineRegion/action",
    f"{_DB}/sqlDatabases/write",
    f"{_DB}/sqlDatabases/delete",
    f"{_DB}/sqlDatabases/throughputSettings/write",
    f"{_DB}/sqlDatabases/containers/write",
    f"{_DB}/sqlDatabases/containers/delete",
    f"{_DB}/sqlDatabases/containers/throughputSettings/write",
    f"{_DB}/sqlDatabases/containers/storedProcedures/write",
    f"{_DB}/sqlDatabases/containers/triggers/write",
    f"{_DB}/sqlDatabases/containers/userDefinedFunctions/write",
    f"{_DB}/sqlRoleAssignments/write",
    f"{_DB}/sqlRoleDefinitions/write",
)
"""Operations that rewrite the account, or hand out what can (keys, roles). Others are found where a
role's own pattern reaches below an account and does not only read."""
SELF_GRANT: Final = (
    "Microsoft.Authorization/roleAssignments/write",
    "Microsoft.Authorization/roleDefinitions/write",
    "Microsoft.Authorization/roleAssignmentScheduleRequests/write",
    "Microsoft.Authorization/roleEligibilityScheduleRequests/write",
    "Microsoft.Authorization/elevateAccess/action",
)
"""Who may assign roles, for now or to be activated, or change what a role permits, may give itself
any of the above."""
AROUND: Final = (
    "Microsoft.Resources/subscriptions/resourceGroups/delete",
    "Microsoft.Resources/subscriptions/resourceGroups/moveResources/action",
)
"""What takes the account away with its group, or out of it. No lock is counted on."""
_HARMLESS: Final = frozenset({
    f"{_DB}/readonlyKeys/action".lower(),
    f"{_DB}/sqlDatabases/containers/retrieveContinuousBackupInformation/action".lower(),
})  # fmt: skip
"""Actions that are no writes, and hand out no power to write. The first is of the built-in account
reader role."""
_VERBS: Final = ("write", "delete", "action")


def credential_checks(environment: Environment, clients: Clients) -> Iterable[Check]:
    """Three answers about the Cosmos account. Raises ConnectorError where one cannot be had."""
    account = _account_path(environment)
    yield _identity(environment, clients, account)
    facts = clients.arm().resource(account, COSMOS_API)
    yield _metadata(environment, facts)
    yield data_plane(environment, clients, account, takes_keys=not _no_keys(facts))


def able(grants: Iterable[Grant]) -> tuple[str, ...]:
    """Which writes under Microsoft.DocumentDB these roles permit, one by one or by a wildcard."""
    found: list[str] = []
    for grant in grants:
        found += [one for one in (*WRITES, *SELF_GRANT, *AROUND) if _permits(grant, one)]
        found += [
            one
            for pattern in grant.actions
            for one in _below_an_account(pattern)
            if one.lower() not in _HARMLESS and not matches(grant.not_actions, one)
        ]
    named: dict[str, str] = {}
    for one in found:
        named.setdefault(one.lower(), one)
    return tuple(named.values())


def _below_an_account(pattern: str) -> Iterable[str]:
    """What a role's own pattern permits at or below an account, verb by verb, other than to read.

    Whatever wildcards it reaches there by. A `*` that is left stands for itself: an exclusion that
    matches it matches all it stands for.
    """
    account = _DB.lower()
    for rest in _after(pattern.lower(), account):
        for verb in _VERBS:
            for turned in _after(rest[::-1], f"/{verb}"[::-1]):
                for middle in _segments(turned[::-1]):
                    if middle or verb != "action":  # of accounts as such there are no actions
                        yield f"{_DB}{middle}/{verb}"


def _after(pattern: str, start: str) -> set[str]:
    """What is left of a pattern once that much text is matched; one for each way to match it."""
    left = {pattern}
    for letter in start:
        left = {rest for one in left for rest in _past(one, letter)}
    return left


def _past(pattern: str, letter: str) -> Iterable[str]:
    if pattern.startswith("*"):
        yield pattern
        yield from _past(pattern.lstrip("*"), letter)
    elif pattern.startswith(letter):
        yield pattern[1:]


def _segments(middle: str) -> Iterable[str]:
    """The same with a slash in front, as it stands after the account's type; or nothing at all."""
    if not middle or middle.startswith("/"):
        yield middle
    elif middle.startswith("*"):
        rest = middle.lstrip("*")
        yield f"/*{rest}"
        yield from _segments(rest)


def _permits(grant: Grant, action: str) -> bool:
    return matches(grant.actions, action) and not matches(grant.not_actions, action)


def _account_path(environment: Environment) -> str:
    cosmos, azure = environment.cosmos, environment.azure
    named = cosmos.account or (urlsplit(cosmos.endpoint).hostname or "").partition(".")[0]
    group = cosmos.resource_group or azure.resource_group
    return f"/subscriptions/{azure.subscription}/resourceGroups/{group}/providers/{_DB}/{named}"


def _identity(environment: Environment, clients: Clients, account: str) -> Check:
    may = able(clients.arm().permissions(account))
    seen = (
        f"it may: {', '.join(may)}; take these rights away, or use another identity"
        if may
        else "no role that it has now reaches a write of the account"
    )
    name = "identity cannot write under Microsoft.DocumentDB"
    return Check(name, not may, seen, weight=weight(environment))


def _metadata(environment: Environment, account: Facts) -> Check:
    disabled = _says(account, "properties.disableKeyBasedMetadataWriteAccess")
    no_keys = _no_keys(account)
    if no_keys:
        seen = "the account takes no keys at all (disableLocalAuth)"
    elif disabled:
        seen = "no key can change databases, containers or throughput"
    else:
        seen = "every read-write key can; set disableKeyBasedMetadataWriteAccess on the account"
    name = "key-based metadata writes are disabled"
    return Check(name, disabled or no_keys, seen, weight=weight(environment))


def _no_keys(account: Facts) -> bool:
    return _says(account, "properties.disableLocalAuth")


def _says(account: Facts, name: str) -> bool:
    return any(fact.name.lower() == name.lower() and fact.value is True for fact in account)
