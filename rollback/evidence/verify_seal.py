"""Three files that no manifest lists: the manifest itself, its signature and their digests (V1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from rollback.evidence.bundle import (
    DIGEST,
    MANIFEST,
    SIGNATURE,
    canonical,
    digest_text,
    read_sums,
)
from rollback.evidence.chunks import sha256
from rollback.evidence.damage import Damage, first_damage, first_difference
from rollback.evidence.problems import BundleProblem, read_file
from rollback.model.evidence import Manifest

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST_BYTES_MAX: Final = 256 * 2**20
SMALL_BYTES_MAX: Final = 2**24
"""Most that is read of a signature, or of digests."""


def sealed_manifest(folder: Path) -> tuple[bytes | None, tuple[BundleProblem, ...]]:
    """V1: the manifest's bytes, and what is wrong with the three files that are in no manifest.

    Where a single byte of the manifest was changed, it is named, and the rest is verified with the
    manifest as it was sealed.
    """
    raw, why = read_file(folder, MANIFEST, MANIFEST_BYTES_MAX)
    if raw is None:
        return None, (BundleProblem("V1", MANIFEST, why),)
    said, why = read_file(folder, DIGEST, SMALL_BYTES_MAX)
    if said is None:
        return raw, (BundleProblem("V1", DIGEST, f"{why}: the bundle was not sealed to its end"),)
    signature, _ = read_file(folder, SIGNATURE, SMALL_BYTES_MAX)
    now = digest_text(raw, signature)
    if said == now:
        return raw, ()
    names = {MANIFEST: raw} | ({} if signature is None else {SIGNATURE: signature})
    digests = _digests(said)
    sums = read_sums(said)
    found: list[BundleProblem] = []
    for name, data in names.items():
        damage = _damage(data, sums.get(name, ()), digests.get(name, ""))
        if damage is None or damage.was is None:
            continue
        found.append(BundleProblem("V1", name, str(damage), byte=damage.byte))
        restored = data[: damage.byte] + bytes((damage.was,)) + data[damage.byte + 1 :]
        raw = restored if name == MANIFEST else raw
        signature = restored if name == SIGNATURE else signature
    if said != (then := digest_text(raw, signature)):
        at = first_difference(said, then)
        if _one_byte(said, then):
            what = "this byte is not the one that was sealed"
            return raw, (*found, BundleProblem("V1", DIGEST, what, byte=at))
        # Something was changed in more than a byte: the file, or what is said of it.
        held = {MANIFEST: raw} | ({} if signature is None else {SIGNATURE: signature})
        for name in sorted({*digests, *held} & {MANIFEST, SIGNATURE}):
            if name not in held:
                found.append(BundleProblem("V1", name, "missing"))
            elif digests.get(name) != sha256(held[name]):
                what = f"its digest is not the one in {DIGEST}"
                found.append(BundleProblem("V1", name, what))
        if not any(one.what == "missing" for one in found):
            what = "it does not belong to what it names"
            found.append(BundleProblem("V1", DIGEST, what, byte=at))
    return raw, tuple(found)


def _digests(said: bytes) -> dict[str, str]:
    lines = said.decode("ascii", "replace").splitlines()
    pairs = [line.split("  ", 1) for line in lines if not line.startswith("# ") and "  " in line]
    return {name: digest for digest, name in pairs}


def _one_byte(one: bytes, other: bytes) -> bool:
    same_size = len(one) == len(other)
    return same_size and sum(a != b for a, b in zip(one, other, strict=True)) == 1


def manifest_of(raw: bytes) -> tuple[Manifest | None, BundleProblem | None]:
    """V1: the manifest, or why these bytes are none."""
    try:
        manifest = Manifest.model_validate_json(raw)
        again = canonical(manifest)
    except (ValidationError, ValueError) as error:
        count = error.error_count() if isinstance(error, ValidationError) else 1
        what = f"not a manifest of format 1 ({count} problems)"
        return None, BundleProblem("V1", MANIFEST, what)
    if again != raw:
        at = first_difference(raw, again)
        return None, BundleProblem("V1", MANIFEST, "not in canonical form", byte=at)
    return manifest, None


def _damage(data: bytes, sums: tuple[int, ...], sealed: str) -> Damage | None:
    return None if sha256(data) == sealed else first_damage(data, sums, len(data), sealed)
