"""Plan files: read, bounded, and never trusted further than their form.

Whether the bytes are canonical, current and approved is judged elsewhere.
"""

from __future__ import annotations

import re
from os import fspath
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from rollback.errors import Complaint, InputError, Refused
from rollback.loading.document import spell
from rollback.loading.files import read_bytes, refused
from rollback.model.plan import PLAN_FORMAT, Plan

if TYPE_CHECKING:
    from os import PathLike

PLAN_BYTES_MAX: Final = 64 * 2**20
"""Largest plan that is read."""

_WHAT: Final = "plan"
_NO_REWRITE: Final = "no-control-plane-rewrite"
_PLACE = re.compile(r"at line (\d+) column (\d+)")
_SHOWN: Final = 20
_ALWAYS: Final = {("environment",), ("playbook",), ("steps",)}
"""A document that lacks all of these is something else."""


def load_plan(path: str | PathLike[str]) -> tuple[Plan, bytes]:
    """Read a plan file: the plan and its exact bytes.

    Raises InputError for what is no plan (empty, cut off, binary, too deep, of a newer format) and
    Refused for one that names a write which can never be permitted.
    """
    data = read_bytes(path, PLAN_BYTES_MAX, what=_WHAT)
    return read_plan(data, file=fspath(path)), data


def read_plan(data: bytes, *, file: str = "<bytes>") -> Plan:
    """Read a plan from its bytes. Raises like `load_plan`."""
    if not data.strip():
        raise _no(file, "is empty", "a plan, as `rollback plan --out FILE` writes it")
    try:
        return Plan.model_validate_json(data, strict=True)
    except ValidationError as problem:
        raise _explained(problem, file) from problem


def _no(file: str, problem: str, expected: str, line: int | None = None) -> InputError:
    complaint = Complaint(file, line, None, "", problem, expected)
    return refused(_WHAT, (complaint,), hint="make the plan again; nothing was sent")


def _explained(problem: ValidationError, file: str) -> InputError | Refused:
    errors = problem.errors(include_url=False, include_input=False)
    first: dict[str, Any] = dict(errors[0])
    if any(_NO_REWRITE in str(error["msg"]) for error in errors):
        return Refused(
            "plan.names-control-plane",
            f"{file} names a write of control-plane state, which no plan can permit",
            hint="make the plan again from its playbook, and ask who edited this file",
            promise=_NO_REWRITE,
        )
    if first["type"] == "json_invalid":
        why = str(first.get("ctx", {}).get("error", "not JSON"))
        place = _PLACE.search(why)
        words = _PLACE.sub("", why).strip() or "not JSON"
        line = int(place[1]) if place else None
        return _no(file, f"is not JSON, or cut off ({words})", "a whole plan", line)
    if any(error["loc"] == ("format",) for error in errors):
        return _no(file, "is of another format", f"format {PLAN_FORMAT}, which this version reads")
    missing = {error["loc"] for error in errors if error["type"] == "missing"}
    if missing >= _ALWAYS:
        return _no(file, "is JSON, and no plan", "a plan, as `rollback plan --out FILE` writes it")
    complaints = tuple(
        Complaint(file, None, None, spell(tuple(error["loc"])), str(error["msg"]), "a plan")
        for error in errors[:_SHOWN]
    )
    return refused(_WHAT, complaints, hint="make the plan again; nothing was sent")
