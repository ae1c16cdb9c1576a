"""Evidence: content-addressed proof, its manifest, and the completeness of each source."""

from typing import Annotated, Final, Literal

from pydantic import Field

from rollback.model.base import Facts, Frozen, Instant, Sha256

BUNDLE_FORMAT: Final = 1


class Chunk(Frozen):
    """One stored piece: named by the SHA-256 of what is stored (zstd frames).

    content_sha256: of the uncompressed bytes. items: records in it.
    """

    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]
    content_sha256: Sha256
    content_bytes: Annotated[int, Field(ge=0)]
    items: Annotated[int, Field(ge=0)]


class SourceWindow(Frozen):
    """One source in one capture: what was asked, what came, and whether it is all.

    completeness: ``complete``, ``partial`` or ``unknown``; the last two with a reason. Never
    silently short. moment: ``before/<step>``, ``durable``, ``after``.
    """

    source: str
    moment: str
    since: Instant | None = None
    until: Instant | None = None
    completeness: Literal["complete", "partial", "unknown"]
    reason: str = ""
    items: Annotated[int, Field(ge=0)] = 0
    took_ms: Annotated[int, Field(ge=0)] = 0
    chunks: tuple[Chunk, ...] = ()
    facts: Facts = ()


class BundleFile(Frozen):
    """A file of the bundle that is not a chunk: plan, approvals, journal, report."""

    path: str
    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]


class Manifest(Frozen):
    """Everything a stranger needs to verify a bundle offline."""

    format: Literal[1] = BUNDLE_FORMAT
    run: str
    playbook: str
    environment: str
    owner: str
    incident: str | None
    plan_sha256: Sha256
    journal_head: Sha256
    journal_records: int
    created: Instant
    created_by: str
    tool_version: str
    store: str
    windows: tuple[SourceWindow, ...]
    files: tuple[BundleFile, ...]
    signature: Literal["unsigned", "sshsig"] = "unsigned"
    spooled: bool = False
