"""The readiness check: by reading only, before anybody needs it at two in the morning."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rollback.actions.held_seen import look_for_held
from rollback.actions.revert_findings import STRICT_STATUSES
from rollback.approval.sign import SKEW_S
from rollback.errors import RollbackError
from rollback.guard.wire.canaries import own_carriers, plant
from rollback.model.environment import FolderLease, FolderStore, Secret
from rollback.model.ports import Check
from rollback.model.scope import Phase, Scope
from rollback.model.slots import reference
from rollback.wiring.authority import judged_now
from rollback.wiring.doctor_credential import credential_checks
from rollback.wiring.named_files import check_named_files
from rollback.wiring.own_stores import OwnMirror, chunks_of, own_name, reads_only
from rollback.wiring.scopes import MemoryLatch
from rollback.wiring.upkeep import mirror_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic import BaseModel

    from rollback.model.ports import Clients
    from rollback.wiring.scopes import Opener
    from rollback.wiring.setting import Setting

DISK_BYTES_MIN: Final = 64 * 2**20
"""Less than this where runs are kept, and a journal or a capture may not fit."""
NOBODYS_CHUNK: Final = "0" * 64


def examine(setting: Setting, opener: Opener, clients: Clients) -> tuple[Check, ...]:
    """Every check; one that cannot be made does not hold, and says why."""
    environment = setting.environment
    makers: tuple[tuple[str, Callable[[], Iterable[Check]]], ...] = (
        ("variables of the environment file", lambda: [_variables(setting)]),
        ("files the environment names", lambda: [_files(setting)]),
        ("state folder", lambda: [_state(setting)]),
        ("the guard refuses what is forbidden", lambda: [_canaries(setting, opener)]),
        ("clock", lambda: [_clock(setting, clients)]),
        ("Resource Manager", lambda: _arm(setting, clients)),
        ("what the credentials could do", lambda: credential_checks(environment, clients)),
        ("Cosmos answers", lambda: [_cosmos(clients)]),
        ("evidence store", lambda: [_evidence(setting, clients)]),
        ("lease", lambda: [_lease(setting, clients)]),
        ("releases on hold", lambda: [_holds(setting, clients)]),
        ("journal mirror", lambda: [_mirror(setting, clients)]),
        ("halt authority is proved", lambda: [_authority(setting, clients)]),
    )
    return tuple(check for name, make in makers for check in _made(name, make))


def scope() -> Scope:
    """Reads only."""
    return Scope(run="doctor", step="doctor", phase=Phase.OBSERVE)


def _made(name: str, make: Callable[[], Iterable[Check]]) -> list[Check]:
    made: list[Check] = []
    try:
        made.extend(make())
    except RollbackError as error:
        made.append(Check(name, holds=False, seen=f"could not be checked: {error}"))
    return made


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


def _files(setting: Setting) -> Check:
    name = "files the environment names"
    complaints = check_named_files(setting.environment)
    if complaints:
        return Check(name, holds=False, seen="; ".join(map(str, complaints)))
    named = setting.environment.approvals.allowed_signers
    if named is None:
        why = "no allowed-signers file is named: no approval counts"
        needed = setting.environment.approvals.required != 0
        return Check(name, holds=not needed, seen=why)
    return Check(name, holds=True, seen=f"signers in {named} can be read")


def _writable(folder: Path) -> str:
    """Empty where files can be made there, now or once it is made; otherwise why not."""
    there = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    if not there.is_dir():
        return f"{there} is no folder"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"nothing may be written in {there}"
    free = shutil.disk_usage(there).free
    return "" if free >= DISK_BYTES_MIN else f"{free} bytes are free in {there}"


def _state(setting: Setting) -> Check:
    why = _writable(setting.state.root)
    return Check("state folder", not why, why or str(setting.state.root))


def _canaries(setting: Setting, opener: Opener) -> Check:
    wire = opener.wire(Scope(run="doctor", step="canaries", phase=Phase.APPLY), MemoryLatch())
    wire = replace(wire, environment=None)
    caught = len(plant(wire, setting.environment, own_carriers(wire)))
    seen = f"{caught} forbidden requests were planted and caught"
    return Check("the guard refuses what is forbidden", holds=True, seen=seen)


def _clock(setting: Setting, clients: Clients) -> Check:
    name = "clock"
    platform = setting.environment.platform
    from rollback.connectors.platform_service import host_and_path
    from rollback.connectors.reading import http_date

    host, path = host_and_path(platform.api_url, platform.health_path)
    answer = clients.http(host).get(path, fresh=True)
    there = http_date(answer.header("date"))
    if there is None:
        return Check(name, holds=False, seen=f"{host} says no time to compare with", weight="weak")
    apart = abs((there - answer.at).total_seconds())
    seen = f"{apart:.0f} s from {host}; approvals allow {SKEW_S} s between machines"
    return Check(name, apart <= SKEW_S, seen)


def _arm(setting: Setting, clients: Clients) -> Iterable[Check]:
    seen, lax = [], []
    for name, surface in setting.environment.surfaces:
        if surface.provider != "app-service":
            continue
        view = clients.arm().slot(reference(setting.environment, surface))
        seen.append(f"{name}: {view.ref.site} is {view.state}")
        slot = reference(setting.environment, surface, surface.stable_slot)
        settings = clients.arm().configuration(slot)
        strict = {one.strip() for one in settings.warmup_statuses.split(",") if one.strip()}
        if not settings.warmup_path or not strict or not strict <= STRICT_STATUSES:
            lax.append(f"{slot.label} ({settings.warmup_statuses or 'any status'})")
    yield Check("Resource Manager answers", bool(seen), "; ".join(seen) or "no surface lives there")
    words = (
        f"a swap takes a slot that answers errors: {', '.join(lax)}; set "
        "WEBSITE_SWAP_WARMUP_PING_PATH and WEBSITE_SWAP_WARMUP_PING_STATUSES=200 on it"
        if lax
        else "each stable slot is asked on its own path and must answer 200"
    )
    yield Check("warm-up before a swap is strict", not lax, words, weight="weak")


def _cosmos(clients: Clients) -> Check:
    why = clients.cosmos().problem()
    return Check("Cosmos answers", not why, why or "the database was read", weight="weak")


def _shared(setting: Setting, clients: Clients) -> str:
    """Looks for a key that nobody writes in the store that machines share."""
    prefix = getattr(setting.environment.evidence.store, "prefix", "")
    clients.objects().get(f"{prefix}doctor-looked-for-this")
    return "the store answers, and may be read"


def _evidence(setting: Setting, clients: Clients) -> Check:
    name = "evidence store"
    store = setting.environment.evidence.store
    if store is None:
        return Check(name, holds=False, seen="none: evidence stays on this machine", weight="weak")
    if isinstance(store, FolderStore):
        folder = Path(setting.environment.base) / store.path
        why = _writable(folder)
        own = chunks_of(setting.environment, setting.stores, reads_only)
        if own is None or why:
            return Check(name, not why, why or f"{folder}, on this machine")
        own.get(NOBODYS_CHUNK)
        seen = f"the application's own store {store.own!r} answers, in {folder}"
        return Check(name, holds=True, seen=seen)
    return Check(name, holds=True, seen=_shared(setting, clients))


def _lease(setting: Setting, clients: Clients) -> Check:
    name = "lease"
    store = setting.environment.lease.store
    if isinstance(store, FolderLease):
        named = store.path
        folder = setting.state.leases_path
        if named is not None:
            folder = Path(setting.environment.base) / named
        if why := _writable(folder):
            return Check(name, holds=False, seen=why)
        seen = f"{folder}: does not protect against a second machine"
        return Check(name, holds=False, seen=seen, weight="weak")
    return Check(name, holds=True, seen=f"shared between machines; {_shared(setting, clients)}")


def _mirror(setting: Setting, clients: Clients) -> Check:
    name = "journal mirror"
    environment = setting.environment
    if not environment.journal_mirror or environment.evidence.store is None:
        seen = "none: another machine cannot take a run over, and a cut journal is not noticed"
        return Check(name, holds=False, seen=seen, weight="weak")
    if folder := mirror_folder(environment):
        why = _writable(Path(folder))
        if own_name(environment) and not why:
            OwnMirror(environment, Path(folder), setting.stores, reads_only).names("doctor")
        return Check(name, not why, why or folder)
    return Check(name, holds=True, seen=f"beside the evidence; {_shared(setting, clients)}")


def _holds(setting: Setting, clients: Clients) -> Check:
    name = "releases on hold"
    environment = setting.environment
    if environment.evidence.store is None:
        seen = (
            "there is no evidence store to keep a hold in: only the environment file can name one"
        )
        return Check(name, holds=False, seen=seen, weight="weak")
    found = look_for_held(environment, environment.surface_names, clients)
    if found.alarms:
        seen = f"on hold, and seen again: {'; '.join(map(str, found.alarms))}"
    elif found.gaps:
        seen = f"not looked at: {'; '.join(found.gaps)}"
    else:
        held = ", ".join(f"{build} of {surface}" for surface, build in found.held)
        seen = f"{held}: seen nowhere but parked" if held else "none"
        return Check(name, holds=True, seen=seen, weight="weak")
    return Check(name, holds=False, seen=seen, weight="weak")


def _authority(setting: Setting, clients: Clients) -> Check:
    judged = judged_now(setting, clients, "production")
    seen = f"{judged.verdict.value}, {judged.strength.value}: {'; '.join(judged.reasons)}"
    return Check("halt authority is proved", judged.verdict.value == "retained", seen)
