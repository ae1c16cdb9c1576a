"""Which data-plane roles of the Cosmos account are ours, and whether one of them writes.

Roles of the data plane are not Azure roles: the account lists who has which. Which row is ours is
told by our own token. It is read, not checked: it opens nothing here, and who takes it checks it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rollback.errors import ConnectorError
from rollback.model.ports import Check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollback.model.environment import Environment
    from rollback.model.ports import Clients

COSMOS_API: Final = "2024-11-15"
READER: Final = "00000000-0000-0000-0000-000000000001"
"""The built-in data reader role."""
_ITEMS: Final = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers"
_DATA_READS: Final = frozenset(
    one.lower()
    for one in (
        "Microsoft.DocumentDB/databaseAccounts/readMetadata",
        f"{_ITEMS}/items/read",
        f"{_ITEMS}/executeQuery",
        f"{_ITEMS}/readChangeFeed",
    )
)
"""Of the actions on data, those that only read. Any other, and every pattern, may write."""
_NAME: Final = "the Cosmos credential can only read"


def weight(environment: Environment) -> str:
    """What is known to be wrong with a credential must be mended in production."""
    return "must" if environment.kind.value == "production" else "weak"


def data_plane(
    environment: Environment, clients: Clients, account: str, *, takes_keys: bool
) -> Check:
    """What can be said of the credential. Raises ConnectorError."""
    if not environment.cosmos.entra:
        return _weak(_of_a_key(takes_keys=takes_keys))
    readers = _reading_roles(_listed(clients, f"{account}/sqlRoleDefinitions"))
    found = _assigned(_listed(clients, f"{account}/sqlRoleAssignments"))
    us = clients.arm().principal()
    may_write = sorted({who for who, role in found if role not in readers})
    told = f"others that may: {', '.join(may_write)}" if may_write else "nobody else may either"
    if not us.object_id:
        return _weak(
            "our token does not say who we are. Principals that may write documents: "
            f"{', '.join(may_write) or 'none'}; make sure that this product's is none of them, and "
            f"has the data reader role ({READER})"
        )
    ids = {one.lower() for one in (us.object_id, *us.groups)}
    ours = [(who, role) for who, role in found if who.lower() in ids]
    writing = sorted({f"{who} has {role}" for who, role in ours if role not in readers})
    if writing:
        seen = (
            f"we are {us.object_id}, and may write documents: {', '.join(writing)}; take that role "
            f"away, and leave the data reader role ({READER})"
        )
        return Check(_NAME, holds=False, seen=seen, weight=weight(environment))
    if us.more_groups and may_write:
        return _weak(
            f"we are {us.object_id}, in more groups than our token names; make sure that none is "
            f"among those that may write documents: {', '.join(may_write)}"
        )
    if not ours:
        return _weak(
            f"we are {us.object_id}, which has no data-plane role by its own name; give it the "
            f"data reader role ({READER}). If a group gives it one: {told}"
        )
    seen = f"we are {us.object_id}, and no role of it writes documents; {told}"
    return Check(_NAME, holds=True, seen=seen, weight="weak")


def matches(patterns: Iterable[str], action: str) -> bool:
    """Azure's patterns: ``*`` is any text, slashes included; case does not count."""
    return any(
        re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), action, re.IGNORECASE)
        for pattern in patterns
    )


def _weak(seen: str) -> Check:
    return Check(_NAME, holds=False, seen=seen, weight="weak")


def _of_a_key(*, takes_keys: bool) -> str:
    if not takes_keys:
        return "an account key, and the account takes none (disableLocalAuth): set entra: true"
    return (
        "an account key: no read tells a read-only key from a read-write one, which can rewrite "
        "every document; use a read-only key, or better entra: true with the built-in data reader "
        "role"
    )


def _listed(clients: Clients, path: str) -> list[dict[str, object]]:
    """The rows of a list. Raises ConnectorError where there is more than the one page."""
    rows: dict[str, dict[str, object]] = {}
    for fact in clients.arm().resource(path, COSMOS_API):
        head, _, rest = fact.name.partition(".")
        number, _, name = rest.partition(".")
        if head == "value" and number.isdigit():
            rows.setdefault(number, {})[name] = fact.value
        if head == "nextLink" and fact.value:
            what = f"{path.rpartition('/')[2]} has more than one page"
            raise ConnectorError("app-service.pages", what, transient=False)
    return list(rows.values())


def _assigned(rows: Iterable[dict[str, object]]) -> list[tuple[str, str]]:
    """(principal, last segment of the role's id) of each assignment, of any scope."""
    return [
        (
            str(row.get("properties.principalId", "?")),
            str(row.get("properties.roleDefinitionId", "?")).rpartition("/")[2],
        )
        for row in rows
    ]


def _reading_roles(rows: Iterable[dict[str, object]]) -> set[str]:
    """The roles, by the last segment of their id, that are known and permit nothing but reads.

    What a role takes out of its own permissions is not counted: it might be read in two ways.
    """
    found = set()
    for row in rows:
        granted = {
            str(one).lower()
            for name, value in row.items()
            if re.fullmatch(r"properties\.permissions\.\d+\.dataActions", name)
            for one in (value if isinstance(value, tuple) else (value,))
        }
        if granted <= _DATA_READS:
            found.add(str(row.get("name") or str(row.get("id", "")).rpartition("/")[2]))
    return found
