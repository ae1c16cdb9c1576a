"""Golden renderings. Rewritten by ``python -m tests.rendering.test_golden_plans``, never in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback.rendering.faces import render
from tests.builders import SAMPLES, digest_of

GOLDEN = Path(__file__).parents[1] / "golden" / "plans"
FACES = {"text": "txt", "markdown": "md", "html": "html", "json": "json"}


def rendered(name: str, face: str) -> str:
    plan = SAMPLES[name]()
    return render(plan, digest_of(plan), face, max_chars=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", SAMPLES)
def test_plan_reads_as_it_did(name: str, face: str) -> None:
    expected = (GOLDEN / f"{name}.{FACES[face]}").read_text(encoding="utf-8")
    assert rendered(name, face) == expected


def rewrite() -> None:
    """Write every golden file anew; read the difference before committing it."""
    for name in SAMPLES:
        for face, suffix in FACES.items():
            (GOLDEN / f"{name}.{suffix}").write_text(rendered(name, face), encoding="utf-8")


if __name__ == "__main__":
    rewrite()
