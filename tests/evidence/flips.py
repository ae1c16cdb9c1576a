"""Every byte of a small bundle flipped, one at a time: both verifiers must name file and byte.

``python -m tests.evidence.flips`` (``make bundle-flips``) takes every byte of an unsigned and of a
signed bundle; the suite takes a sample of them.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.evidence import standalone_verify
from rollback.evidence.standalone_verify import Bundle
from rollback.evidence.verify import verify_bundle
from tests.evidence.sealed import Sealed, rewrite

if TYPE_CHECKING:
    from collections.abc import Iterator


def positions(folder: Path, step: int, start: int = 0) -> Iterator[tuple[str, int]]:
    """(file, byte) of every `step`-th byte of a bundle, from byte `start` of the whole."""
    at = start
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        size = path.stat().st_size
        while at < size:
            yield path.relative_to(folder).as_posix(), at
            at += step
        at -= size


def flip(folder: Path, name: str, byte: int, mask: int) -> tuple[str, str]:
    """What each verifier said first of the bundle with that byte changed, as ``file byte``."""
    path = folder / name
    whole = path.read_bytes()
    broken = bytearray(whole)
    broken[byte] ^= mask
    rewrite(path, bytes(broken))
    try:
        ours = verify_bundle(folder).problems
        theirs = Bundle(folder)
        theirs.verify("")
    finally:
        rewrite(path, whole)
    mine = f"{ours[0].file} {ours[0].byte}" if ours else "holds"
    other = f"{theirs.wrong[0][1]} {theirs.wrong[0][3]}" if theirs.wrong else "holds"
    return mine, other


def main() -> int:
    """Flip everything; print what was not named. What ssh-keygen said once is not asked again."""
    standalone_verify.signature_of = functools.cache(standalone_verify.signature_of)
    flipped = missed = 0
    for signed in (False, True):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Sealed(Path(scratch) / "bundle", signed=signed).folder
            for name, byte in positions(folder, 1):
                mask = 1 << (byte % 8)
                said = flip(folder, name, byte, mask)
                flipped += 1
                if said != (f"{name} {byte}",) * 2:
                    missed += 1
                    sys.stdout.write(f"{name} {byte} ^ {mask:#04x}: {said[0]}; {said[1]}\n")
    sys.stdout.write(f"{flipped} bytes flipped, one at a time: {missed} not named by both\n")
    return 1 if missed or not flipped else 0


if __name__ == "__main__":
    sys.exit(main())
