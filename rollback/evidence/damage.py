"""Where a file was damaged, told from sums that were sealed beside its digest.

Only a digest proves; it says nothing of the place. So every block of `BLOCK_BYTES` has an Adler-32
sum as well, four bytes each: the first block whose sum differs is where the damage begins. Where a
single byte of it was changed, the two halves of the sum give that byte and what it was; restoring
it must give the sealed digest, so that the place is proved, not guessed.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

from rollback.evidence.chunks import sha256

BLOCK_BYTES: Final = 32_768
"""Half of the modulus, so that a sum names every byte of its block."""

_MODULUS: Final = 65_521
_BYTE: Final = 255


@dataclass(frozen=True, slots=True)
class Damage:
    """The first damaged place. until: the end of the block it is in, where the byte is not known.

    was: the byte that was sealed there, where it is known.
    """

    byte: int
    until: int | None = None
    was: int | None = None

    def __str__(self) -> str:
        if self.was is not None:
            return f"this byte alone was changed; {self.was:#04x} was sealed"
        if self.until is not None:
            return f"the damage begins between here and byte {self.until}"
        return "the damage begins here"


def block_sums(data: bytes) -> tuple[int, ...]:
    """The Adler-32 of every block; none for no data."""
    return tuple(
        zlib.adler32(data[start : start + BLOCK_BYTES])
        for start in range(0, len(data), BLOCK_BYTES)
    )


def first_damage(
    data: bytes, sums: tuple[int, ...], sealed_bytes: int, sealed_sha256: str
) -> Damage | None:
    """The first place where `data` is not what was sealed; None where the sums do not tell."""
    shorter = min(len(data), sealed_bytes)
    for number, sealed in enumerate(sums):
        start = number * BLOCK_BYTES
        end = min(start + BLOCK_BYTES, sealed_bytes)
        if end > len(data):
            # The last of a shortened file: its sum covers bytes that are not here.
            return Damage(start, shorter) if shorter > start else Damage(shorter)
        block = data[start:end]
        if zlib.adler32(block) == sealed:
            continue
        at, was = _single(block, sealed)
        if at is not None and was is not None:
            restored = data[: start + at] + bytes((was,)) + data[start + at + 1 :]
            if sha256(restored) == sealed_sha256:
                return Damage(start + at, was=was)
        return Damage(start, end)
    return Damage(shorter) if len(data) != sealed_bytes else None


def first_difference(one: bytes, other: bytes) -> int:
    """The first byte in which two differ; the length of the shorter where it begins the longer."""
    both = zip(one, other, strict=False)
    shorter = min(len(one), len(other))
    return next((at for at, (a, b) in enumerate(both) if a != b), shorter)


def _single(block: bytes, sealed: int) -> tuple[int | None, int | None]:
    """(place in the block, sealed byte) if exactly one byte was changed; else nothing sure.

    The low half of a sum is 1 plus the bytes, the high half weighs the byte at `i` with
    ``len - i``: the quotient of the two differences is the weight of the byte that was changed.
    """
    now = zlib.adler32(block)
    change = ((now & 0xFFFF) - (sealed & 0xFFFF)) % _MODULUS
    weighed = ((now >> 16) - (sealed >> 16)) % _MODULUS
    signed = change if change <= _BYTE else change - _MODULUS
    if signed == 0 or abs(signed) > _BYTE:
        return None, None
    at = len(block) - weighed * pow(change, -1, _MODULUS) % _MODULUS
    if not 0 <= at < len(block) or not 0 <= block[at] - signed <= _BYTE:
        return None, None
    return at, block[at] - signed
