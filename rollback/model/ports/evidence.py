"""Ports to where a capture puts what it read, and to what it notes for itself."""

from typing import Protocol


class Notes(Protocol):
    """What a capture wrote down for itself. Losing notes loses time, never evidence."""

    def read(self) -> tuple[bytes, ...]:
        """Every whole note so far, in order; none where nothing was interrupted."""
        ...

    def add(self, note: bytes) -> None:
        """Write one note, a single line. Never raises: without it the capture starts over."""
        ...

    def close(self) -> None:
        """The capture came to its end: nothing is left to go on with."""
        ...


class EvidenceSink(Protocol):
    """Where a capture puts its chunks: the store, or the local spool when the store fails."""

    def put(self, data: bytes) -> str:
        """Store one chunk under its SHA-256; a chunk already there is not sent again."""
        ...

    def spooled(self) -> bool:
        """True once the local spool had to stand in for the store."""
        ...

    def redact(self, text: str) -> str:
        """The text with every secret value given out so far blotted out, before it is named."""
        ...

    def redact_bytes(self, data: bytes | memoryview) -> bytes | memoryview:
        """The same for bytes: what was given where nothing is blotted out, else a copy."""
        ...

    def notes(self, name: str) -> Notes:
        """The notes of one capture, by which it goes on where it was interrupted."""
        ...

    def progress(self, text: str) -> None:
        """Tell whoever listens how far a capture is."""
        ...
