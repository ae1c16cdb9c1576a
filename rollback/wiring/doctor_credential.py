"""What the credentials of this product could do that it never does, read from Resource Manager.

The type and the wire keep this process from writing; only the credential keeps the account. Each
answer is of one moment, and of what Resource Manager tells: an account key says nothing of itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from rollback.model.ports import Check

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
    f"{_DB}/sqlDatabases/write",
    f"{_DB}/sqlDatabases/delete",
    f"{_DB}/sqlDatabases/throughputSettings/write",
    f"{_DB}/sqlDatabases/containers/write",
    f"{_DB}/sqlDatabases/containers/delete",
    f"{_DB}/sqlDatabases/containers/storedProcedures/write",
    f"{_DB}/sqlRoleAssignments/write",
    f"{_DB}/sqlRoleDefinitions/write",
)
"""Operations that rewrite the account, or hand out what can (keys, roles). Others of the provider
are found where a role names them without a wildcard."""
SELF_GRANT: Final = "Microsoft.Authorization/roleAssignments/write"
"""Who may assign roles may give itself any of the above."""
_ITEMS: Final = f"{_DB}/sqlDatabases/containers"
_DATA_WRITES: Final = (
    f"{_ITEMS}/items/create",
    f"{_ITEMS}/items/upsert",
    f"{_ITEMS}/items/replace",
    f"{_ITEMS}/items/delete",
    f"{_ITEMS}/executeStoredProcedure",
    f"{_ITEMS}/manageConflicts",
)
_API: Final = "2024-11-15"
_READER: Final = "00000000-0000-0000-0000-000000000001"


def credential_checks(environment: Environment, clients: Clients) -> Iterable[Check]:
    """Three answers about the Cosmos account. Raises ConnectorError where one cannot be had."""
    account = _account_path(environment)
    yield _identity(environment, clients, account)
    yield _metadata(environment, clients.arm().resource(account, _API))
    yield _data_plane(environment, clients, account)


def able(grants: Iterable[Grant]) -> tuple[str, ...]:
    """Which writes under Microsoft.DocumentDB these roles permit, one by one or by a wildcard."""
    found: list[str] = []
    for grant in grants:
        named = [
            one
            for one in grant.actions
            if "*" not in one
            and one.lower().startswith("microsoft.documentdb/")
            and not one.lower().endswith("/read")
        ]
        found += [one for one in (*WRITES, SELF_GRANT, *named) if _permits(grant, one)]
    return tuple(dict.fromkeys(found))


def _permits(grant: Grant, action: str) -> bool:
    return _any(grant.actions, action) and not _any(grant.not_actions, action)


def _any(patterns: Iterable[str], action: str) -> bool:
    """Azure's patterns: ``*`` is any text, slashes included; case does not count."""
    return any(
        re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), action, re.IGNORECASE)
        for pattern in patterns
    )


def _account_path(environment: Environment) -> str:
    cosmos, azure = environment.cosmos, environment.azure
    named = cosmos.account or (urlsplit(cosmos.endpoint).hostname or "").partition(".")[0]
    group = cosmos.resource_group or azure.resource_group
    return f"/subscriptions/{azure.subscription}/resourceGroups/{group}/providers/{_DB}/{named}"


def _weight(environment: Environment) -> str:
    return "must" if environment.kind.value == "production" else "weak"


def _identity(environment: Environment, clients: Clients, account: str) -> Check:
    may = able(clients.arm().permissions(account))
    seen = (
        f"it may: {', '.join(may)}; take these rights away, or use another identity"
        if may
        else "no role of it reaches a write of the account"
    )
    name = "identity cannot write under Microsoft.DocumentDB"
    return Check(name, not may, seen, weight=_weight(environment))


def _metadata(environment: Environment, account: Facts) -> Check:
    said = {fact.name.lower(): fact.value for fact in account}
    disabled = said.get("properties.disablekeybasedmetadatawriteaccess") is True
    no_keys = said.get("properties.disablelocalauth") is True
    if no_keys:
        seen = "the account takes no keys at all (disableLocalAuth)"
    elif disabled:
        seen = "no key can change databases, containers or throughput"
    else:
        seen = "every read-write key can; set disableKeyBasedMetadataWriteAccess on the account"
    name = "key-based metadata writes are disabled"
    return Check(name, disabled or no_keys, seen, weight=_weight(environment))


def _data_plane(environment: Environment, clients: Clients, account: str) -> Check:
    name = "the Cosmos credential can only read"
    if not environment.cosmos.entra:
        seen = (
            "an account key: no read tells a read-only key from a read-write one, which can "
            "rewrite every document; use a read-only key, or better entra: true with the built-in "
            "data reader role"
        )
        return Check(name, holds=False, seen=seen, weight="weak")
    writers = _writing_roles(clients.arm().resource(f"{account}/sqlRoleDefinitions", _API))
    found = _assigned(clients.arm().resource(f"{account}/sqlRoleAssignments", _API))
    may_write = sorted(who for who, role in found if role in writers)
    others = [who for who, role in found if role not in writers]
    if may_write:
        seen = (
            f"principals that may write documents: {', '.join(may_write)}; make sure that this "
            f"product's is none of them, and has the data reader role ({_READER})"
        )
        return Check(name, holds=False, seen=seen, weight="weak")
    seen = f"no principal has a role that writes; {len(others)} may read"
    return Check(name, holds=bool(others), seen=seen, weight="weak")


def _rows(facts: Facts) -> dict[str, dict[str, object]]:
    rows: dict[str, dict[str, object]] = {}
    for fact in facts:
        head, _, rest = fact.name.partition(".")
        number, _, name = rest.partition(".")
        if head == "value" and number.isdigit():
            rows.setdefault(number, {})[name] = fact.value
    return rows


def _assigned(facts: Facts) -> list[tuple[str, str]]:
    return [
        (
            str(row.get("properties.principalId", "?")),
            str(row.get("properties.roleDefinitionId", "?")).rpartition("/")[2],
        )
        for row in _rows(facts).values()
    ]


def _writing_roles(facts: Facts) -> set[str]:
    """The roles, by their last path segment, that permit a write of data."""
    found = set()
    for row in _rows(facts).values():
        granted = tuple(
            str(one)
            for name, value in row.items()
            if re.fullmatch(r"properties\.permissions\.\d+\.dataActions", name)
            and isinstance(value, tuple)
            for one in value
        )
        if any(_any(granted, action) for action in _DATA_WRITES):
            found.add(str(row.get("name") or str(row.get("id", "")).rpartition("/")[2]))
    return found
