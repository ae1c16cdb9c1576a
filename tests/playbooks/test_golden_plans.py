"""The shipped playbooks' plans in every face.

Rewritten by ``python -m tests.playbooks.test_golden_plans``, never in CI.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from rollback.model.plan import Plan
from rollback.rendering.faces import render
from tests.builders import digest_of
from tests.playbooks.recorded import SHIPPED, shipped_plans

GOLDEN = Path(__file__).parents[1] / "golden" / "playbooks"
FACES = {"text": "txt", "markdown": "md", "html": "html", "json": "json"}


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    return shipped_plans(tmp_path_factory.mktemp("golden"))


def rendered(plan: Plan, face: str) -> str:
    return render(plan, digest_of(plan), face, max_chars=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_playbook_plans_as_it_did(plans: dict[str, Plan], name: str, face: str) -> None:
    expected = (GOLDEN / f"{name}.{FACES[face]}").read_text(encoding="utf-8")
    assert rendered(plans[name], face) == expected


def rewrite() -> None:
    """Write every golden file anew; read the difference before committing it."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, plan in shipped_plans(Path(folder)).items():
            for face, suffix in FACES.items():
                (GOLDEN / f"{name}.{suffix}").write_text(rendered(plan, face), encoding="utf-8")


if __name__ == "__main__":
    rewrite()
