"""The readiness check: by reading only, before anybody needs it at two in the morning."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.errors import RollbackError
from rollback.model.environment import Secret
from rollback.model.ports import Check
from rollback.model.scope import Phase, Scope
from rollback.wiring.authority import judged_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from rollback.model.ports import Clients
    from rollback.wiring.operator import Setting

ACCOUNT_WRITES = (
    "Microsoft.DocumentDB/databaseAccounts/write",
    "Microsoft.DocumentDB/databaseAccounts/delete",
    "Microsoft.DocumentDB/databaseAccounts/listKeys/action",
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/write",
)
"""What the identity of this product must not be able to do (its effective permissions are read)."""


def examine(setting: Setting, clients: Clients) -> tuple[Check, ...]:
    """Every check; one that cannot be made fails and says why."""
    checks = [_variables(setting), _state(setting), _signers(setting)]
    checks.append(_guarded("Resource Manager answers", lambda: _arm(setting, clients)))
    checks.append(
        _guarded(
            "the identity cannot write under Microsoft.DocumentDB",
            lambda: _identity(setting, clients),
        )
    )
    checks.append(_credential(setting))
    checks.append(_guarded("Cosmos answers", lambda: _cosmos(clients)))
    checks.append(_guarded("halt authority is proved", lambda: _authority(setting, clients)))
    return tuple(checks)


def scope() -> Scope:
    """Reads only."""
    return Scope(run="doctor", step="doctor", phase=Phase.OBSERVE)


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except RollbackError as error:
        return Check(name, holds=False, seen=str(error))


def _secrets(model: BaseModel) -> set[str]:
    from pydantic import BaseModel as Base

    found: set[str] = set()
    for _, value in model:
        held = value if isinstance(value, tuple) else (value,)
        for one in held:
            if isinstance(one, Secret):
                found.add(one.variable)
            elif isinstance(one, Base):
                found |= _secrets(one)
            elif isinstance(one, tuple):
                found |= {name for part in one if isinstance(part, Base) for name in _secrets(part)}
    return found


def _variables(setting: Setting) -> Check:
    missing = []
    for name in sorted(_secrets(setting.environment)):
        try:
            setting.secrets.get(Secret(variable=name))
        except RollbackError:
            missing.append(name)
    seen = f"not set: {', '.join(missing)}" if missing else "every secret it refers to is set"
    return Check("variables of the environment file", not missing, seen)


def _state(setting: Setting) -> Check:
    root = setting.state.root
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        writable = os.access(root, os.W_OK)
    except OSError as error:
        return Check("state directory", holds=False, seen=f"{root}: {error.strerror}")
    return Check("state directory", writable, str(root))


def _signers(setting: Setting) -> Check:
    named = setting.environment.approvals.allowed_signers
    if named is None:
        return Check("allowed signers", holds=False, seen="the environment names no file")
    path = Path(setting.environment.base) / named
    from rollback.approval.allowed_signers import read_allowed_signers

    try:
        count = len(read_allowed_signers(path.read_text()))
    except (OSError, UnicodeDecodeError, RollbackError) as error:
        return Check("allowed signers", holds=False, seen=f"{path}: {error}")
    return Check("allowed signers", count > 0, f"{count} lines in {path}")


def _arm(setting: Setting, clients: Clients) -> Check:
    from rollback.actions.surfaces import reference

    seen = []
    for name, surface in setting.environment.surfaces:
        if surface.provider == "app-service":
            view = clients.arm().slot(reference(setting.environment, surface))
            seen.append(f"{name}: {view.ref.site} is {view.state}")
    return Check("Resource Manager answers", holds=True, seen="; ".join(seen))


def _identity(setting: Setting, clients: Clients) -> Check:
    azure = setting.environment.azure
    group = setting.environment.cosmos.resource_group or azure.resource_group
    scope_path = f"/subscriptions/{azure.subscription}/resourceGroups/{group}"
    pairs = clients.arm().permissions(scope_path)
    allowed = [pattern.lower() for kind, pattern in pairs if kind == "action"]
    denied = [pattern.lower() for kind, pattern in pairs if kind == "not-action"]

    def may(action: str) -> bool:
        lowered = action.lower()
        return any(fnmatchcase(lowered, one) for one in allowed) and not any(
            fnmatchcase(lowered, one) for one in denied
        )

    able = [action for action in ACCOUNT_WRITES if may(action)]
    seen = f"it may: {', '.join(able)}" if able else "none of its permissions reaches the account"
    name = "the identity cannot write under Microsoft.DocumentDB"
    return Check(name, not able, seen, weight="weak")


def _credential(setting: Setting) -> Check:
    """The type and the wire protect this process; only the credential protects the account."""
    cosmos = setting.environment.cosmos
    if cosmos.entra:
        seen = "Entra: give it the built-in data reader role and no other"
        return Check("Cosmos credential", holds=True, seen=seen, weight="weak")
    seen = (
        "an account key: it can be a read-write one, which can change databases and throughput; "
        "use a read-only key, or entra: true with the built-in data reader role"
    )
    return Check("Cosmos credential", holds=False, seen=seen, weight="weak")


def _cosmos(clients: Clients) -> Check:
    why = clients.cosmos().reachable()
    return Check("Cosmos answers", not why, why or "the database was read", weight="weak")


def _authority(setting: Setting, clients: Clients) -> Check:
    judged = judged_now(setting, clients, "production")
    seen = f"{judged.verdict.value}, {judged.strength.value}: {'; '.join(judged.reasons)}"
    return Check("halt authority is proved", judged.verdict.value == "retained", seen)
