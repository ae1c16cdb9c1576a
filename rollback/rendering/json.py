"""JSON for machines: the canonical bytes, the ones that are digested and signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.planning.canonical import canonical

if TYPE_CHECKING:
    from rollback.model.plan import Plan


def json(plan: Plan) -> str:
    """The plan in its RFC 8785 form, on one line, without a newline: it hashes to the digest."""
    return canonical(plan).decode()
