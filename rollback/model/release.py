"""Releases: immutable deployed versions, named by the build they serve."""

import re
from typing import Annotated

from pydantic import Field

from rollback.model.base import Frozen, Instant

_BUILD = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}"
Build = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]
"""A build id as served. A mutable tag is not an identity."""


def is_build(text: str) -> bool:
    """Whether what a server says it is can be named in a playbook and kept in a path."""
    return re.fullmatch(_BUILD, text) is not None


ArtifactDigest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Release(Frozen):
    """One entry of a surface's release catalogue, oldest first in the environment file.

    image: container image by digest (``host/repo@sha256:...``), where the artifact is retained.
    control_schema: (lowest, highest) version of the control documents it understands, or None
    when that was not declared (a weak line in plans and one more approver, not a refusal).
    flags: live feature flags it is known to understand; None when not declared.
    """

    build: Build
    artifact: ArtifactDigest | None = None
    image: Annotated[str, Field(pattern=r"^[^@\s]+@sha256:[0-9a-f]{64}$")] | None = None
    released_at: Instant | None = None
    control_schema: tuple[int, int] | None = None
    flags: tuple[str, ...] | None = None
    on_hold: bool = False
