"""The shipped playbooks, as files and as typed values.

``from playbooks import full_rollback`` reads ``full-rollback.yaml`` beside this file, once, when it
is first asked for; importing this package alone reads nothing.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rollback.model.playbook import Playbook

    backend_only: Playbook
    full_rollback: Playbook
    halt_only: Playbook
    preserve_evidence: Playbook
    web_only: Playbook

NAMES: Final = ("backend-only", "full-rollback", "halt-only", "preserve-evidence", "web-only")
"""The names of the shipped playbooks, as the command line takes them."""

__all__ = [
    "NAMES",
    "backend_only",
    "find",
    "full_rollback",
    "halt_only",
    "path",
    "preserve_evidence",
    "web_only",
]


def path(name: str) -> Path:
    """The file of a shipped playbook. Raises InputError where there is none of that name."""
    if name in NAMES:
        return Path(__file__).with_name(f"{name}.yaml")
    from rollback.errors import InputError, did_you_mean

    raise InputError(
        "playbook.unknown",
        f"no shipped playbook is named {name!r}",
        hint=f"{did_you_mean(name, NAMES)}use one of {', '.join(NAMES)}, or the path of a file",
    )


def find(name_or_file: str) -> Path:
    """A shipped playbook by name, otherwise a file. Raises InputError where neither exists.

    A shipped name wins over a file of the same name; write ``./full-rollback`` for the file.
    """
    if name_or_file in NAMES:
        return path(name_or_file)
    file = Path(name_or_file)
    if "/" in name_or_file or file.suffix in (".yaml", ".yml") or file.is_file():
        return file
    return path(name_or_file)


@cache
def _load(name: str) -> Playbook:
    from rollback.loading.playbook import load_playbook

    return load_playbook(path(name))


def __getattr__(name: str) -> Playbook:
    if name.replace("_", "-") in NAMES and "-" not in name:
        return _load(name.replace("_", "-"))
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg, name=name, obj=sys.modules[__name__])  # Python names a near one


def __dir__() -> list[str]:
    return sorted(__all__)
