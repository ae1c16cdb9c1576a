"""Find a bundle: a folder, or the newest one of a run on this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.errors import InputError, VerificationFailed

if TYPE_CHECKING:
    from rollback.evidence.problems import BundleCheck
    from rollback.model.evidence import Manifest

_NUMBER = re.compile(r"bundle-(\d+)")
HINT = "name a bundle's folder, or a run; `rollback status` lists the runs of this machine"


def find(given: str, state: str | None) -> Path:
    """The folder of a bundle. Raises InputError where there is none."""
    path = Path(given)
    if path.is_dir():
        return _of_run(path) or path
    if path.exists():
        raise InputError(
            "bundle.not-a-folder", f"{given} is a file; a bundle is a folder", hint=HINT
        )
    if os.sep in given:
        raise InputError("bundle.not-found", f"{given} does not exist", hint=HINT)
    from rollback.running.store import StateDirectory

    try:
        run = StateDirectory.locate(state, os.environ).find(given)
    except InputError as error:
        raise InputError(
            "bundle.not-found",
            f"{given!r} is neither a bundle nor a run of this machine",
            hint=HINT,
        ) from error
    found = _of_run(run.path)
    if found is None:
        raise InputError(
            "bundle.none-sealed",
            f"run {run.run} has sealed no bundle",
            hint=f"`rollback resume {run.run}` goes on, and seals at its end",
        )
    return found


def _of_run(folder: Path) -> Path | None:
    """The newest bundle of a run's folder; None for anything else."""
    numbered = {
        int(match[1]): path
        for path in (folder / "evidence").glob("bundle-*")
        if (match := _NUMBER.fullmatch(path.name)) is not None
    }
    return numbered[max(numbered)] if numbered else None


def held(folder: Path, otherwise: str) -> BundleCheck:
    """What verification found. Raises VerificationFailed where the bundle does not hold.

    otherwise: what was not done then.
    """
    from rollback.evidence.verify import verify_bundle

    check = verify_bundle(folder)
    if not check.holds:
        raise VerificationFailed(
            "bundle.does-not-hold",
            f"{folder}: {check.problems[0]}",
            hint=f"{otherwise}; `rollback evidence verify` says all that is wrong",
        )
    return check


def manifest_of(folder: Path) -> tuple[Manifest, bytes]:
    """The manifest of a bundle and its bytes. Raises VerificationFailed where it cannot be read."""
    from rollback.evidence.bundle import MANIFEST
    from rollback.evidence.problems import read_file
    from rollback.evidence.verify_seal import MANIFEST_BYTES_MAX
    from rollback.model.evidence import Manifest

    raw, _ = read_file(folder, MANIFEST, MANIFEST_BYTES_MAX)
    try:
        return Manifest.model_validate_json(raw or b""), raw or b""
    except ValueError as error:
        raise VerificationFailed(
            "bundle.manifest",
            f"{folder}: its manifest cannot be read",
            hint=f"`rollback evidence verify {folder}` says what is wrong; {HINT}",
        ) from error
