"""The runbook's five hard triggers, and the order each reverts surfaces in (rows R1 to R5)."""

from __future__ import annotations

from enum import StrEnum

from rollback.errors import InputError


class Trigger(StrEnum):
    """What made somebody roll back."""

    SIGN_IN_FAILING = "sign-in-failing"
    TENANT_LEAK = "tenant-leak"
    HALT_NOT_APPLYING = "halt-not-applying"
    CONFIGURATION_WRITES_FAILING = "configuration-writes-failing"
    CLIENTS_NOT_RECOVERING = "clients-not-recovering"


CUTOVER_ORDER = ("backend", "web", "mobile")
"""The runbook's staged cutover; reverts go the other way unless the trigger says otherwise."""

BACKEND_FIRST = frozenset({Trigger.TENANT_LEAK, Trigger.HALT_NOT_APPLYING})


def read_trigger(name: str | None) -> Trigger | None:
    """The trigger of that name. Raises InputError naming the known ones."""
    if name is None:
        return None
    try:
        return Trigger(name)
    except ValueError:
        known = ", ".join(Trigger)
        raise InputError(
            "input.unknown-trigger",
            f"there is no trigger named {name!r}",
            hint=f"use one of: {known}",
        ) from None


def revert_order(surfaces: tuple[str, ...], *, backend_first: bool) -> tuple[str, ...]:
    """Surfaces in the order they are reverted.

    By default the reverse of the cutover order; `backend_first` moves the backend to the front.
    Surfaces outside the cutover order come last, as written.
    """
    known = [name for name in CUTOVER_ORDER[::-1] if name in surfaces]
    rest = [name for name in surfaces if name not in CUTOVER_ORDER]
    if backend_first and "backend" in known:
        known.remove("backend")
        known.insert(0, "backend")
    return tuple(known + rest)
