"""Whether other interpreters write the same bytes: ``python -m tests.planning.same_bytes NAME...``.

Each gets an environment of its own under ``.pythons`` with what the lock names. Exit 1 where one of
them differs, 2 where none of those named is on this machine.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.planning.test_bytes_elsewhere import PRINTS

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".pythons"


def main(names: list[str]) -> int:
    """Compare, and say what was compared."""
    here = printed(Path(sys.executable))
    status, looked = 0, 0
    for name in names:
        found = shutil.which(name)
        if found is None or not runs(found):
            print(f"{name}: not on this machine, so not looked at")  # noqa: T201
            continue
        looked += 1
        same = printed(prepared(name, found)) == here
        status = status if same else 1
        said = f"the same {len(here)} digests" if same else "OTHER BYTES"
        print(f"{name}: {said} as {sys.version.split()[0]}")  # noqa: T201
    return status if looked else 2


def runs(interpreter: str) -> bool:
    """Whether it is one: a shim of a version that is not chosen is none."""
    ran = subprocess.run([interpreter, "-c", "1"], check=False, capture_output=True)
    return ran.returncode == 0


def prepared(name: str, interpreter: str) -> Path:
    """The Python of an environment made with that interpreter."""
    folder = PLACE / Path(name).name
    python = folder / "bin" / "python"
    if not (folder / "whole").exists():
        subprocess.run([interpreter, "-m", "venv", "--clear", folder], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps"]
        lock = str(ROOT / "requirements" / "dev.txt")
        subprocess.run([*pip, "--require-hashes", "-r", lock], check=True)
        subprocess.run([*pip, "--no-build-isolation", "--editable", str(ROOT)], check=True)
        (folder / "whole").touch()
    return python


def printed(python: Path) -> list[str]:
    """Digests of sample plans, and of each of their faces, as that Python makes them."""
    ran = subprocess.run(
        [python, "-c", PRINTS], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return ran.stdout.split()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
