"""A sealed bundle read back: its plan, its records, and the lines of its evidence.

Reading trusts what is there; whether it is what was sealed is for verification to say, first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.errors import VerificationFailed
from rollback.evidence.bundle import JOURNAL, PLAN
from rollback.evidence.chunks import STORED_BYTES_MAX, sha256, unpacked
from rollback.evidence.problems import read_file
from rollback.evidence.stores import CHUNKS
from rollback.model import journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rollback.model.evidence import Chunk, Manifest, SourceWindow
    from rollback.model.record import Record


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's folder and its manifest."""

    folder: Path
    manifest: Manifest

    def records(self) -> tuple[Record, ...]:
        """The journal's records, as far as its chain holds."""
        return journal.verify(self.file(JOURNAL)).records

    def plan(self) -> bytes:
        """The plan, byte for byte."""
        return self.file(PLAN)

    def file(self, name: str) -> bytes:
        """One file. Raises VerificationFailed where it cannot be read."""
        data, why = read_file(self.folder, name, 2**30)
        if data is None:
            raise _unreadable(name, why)
        return data

    def lines(self, window: SourceWindow) -> Iterator[bytes]:
        """The lines of one window, chunk by chunk. Raises VerificationFailed."""
        for chunk in window.chunks:
            yield from self.chunk_lines(chunk)

    def chunk_lines(self, chunk: Chunk) -> Iterator[bytes]:
        """The lines of one chunk. Raises VerificationFailed."""
        name = f"{CHUNKS}/{chunk.sha256}"
        data, why = read_file(self.folder, name, STORED_BYTES_MAX)
        if data is None or sha256(data) != chunk.sha256:
            raise _unreadable(name, why or "it is not what was sealed")
        try:
            content = unpacked(data)
        except ValueError as error:
            raise _unreadable(name, str(error)) from error
        yield from (line for line in content.split(b"\n") if line)


def _unreadable(name: str, why: str) -> VerificationFailed:
    return VerificationFailed(
        "bundle.unreadable",
        f"{name}: {why}",
        hint="`rollback evidence verify` says all that is wrong with the bundle",
    )
