"""What is imported when, and what the pure parts never do."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = (
    "aiohttp", "azure", "boto3", "botocore", "click", "cryptography", "flask", "httpx", "jinja2", "moto",
    "requests", "rich", "structlog", "tenacity", "websockets",
)  # fmt: skip


def imported_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running `code`."""
    program = f"{code}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import rollback",
        "from playbooks import full_rollback",
        "from rollback.loading.environment import Environment",
        "from rollback.loading.together import check_together",
        "import rollback.planning.order",
        "import rollback.model.ports",
    ],
)
def test_reading_files_and_planning_import_nothing_heavy(code: str) -> None:
    assert imported_by(code) & set(HEAVY) == set()


def test_reading_a_playbook_needs_neither_plans_nor_ports() -> None:
    program = "import playbooks, sys; playbooks.full_rollback; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "rollback.loading.playbook" in loaded
    models = ("plan", "ports", "record", "environment", "effect")
    assert not loaded & {f"rollback.model.{name}" for name in models}


def sources(*folders: str) -> list[Path]:
    return sorted(file for folder in folders for file in (ROOT / "rollback" / folder).rglob("*.py"))


CLOCKS = {"now", "today", "utcnow", "monotonic", "perf_counter", "time_ns"}
OUTSIDE = {"open", "print", "input", "exec", "eval", "__import__"}


@pytest.mark.parametrize(
    "file",
    sources("model", "guard/rules", "planning"),
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_what_judges_and_plans_reads_no_clock_and_opens_nothing(file: Path) -> None:
    """The import contract cannot see a call of a builtin or of ``datetime.now``."""
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            assert node.func.id not in OUTSIDE, f"{file.name}:{node.lineno}"
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            clock = node.func.value.id in ("datetime", "date", "time") and node.func.attr in CLOCKS
            assert not clock, f"{file.name}:{node.lineno}"


def containers(annotation: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}


@pytest.mark.parametrize("file", sources("model"), ids=lambda file: file.name)
def test_models_hold_no_dict_list_or_set(file: Path) -> None:
    """Freezing is shallow: a model that holds a list is not frozen."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ClassDef):
            for field in node.body:
                if isinstance(field, ast.AnnAssign):
                    mutable = containers(field.annotation) & {"dict", "list", "set", "bytearray"}
                    assert not mutable, f"{file.name}:{field.lineno}"


NAMES_NOT_USED = ("job", "task", "manager", "helper", "util", "utils", "registry", "mock")


@pytest.mark.parametrize("file", sources("."), ids=lambda file: str(file.relative_to(ROOT)))
def test_classes_and_files_are_named_in_our_words(file: Path) -> None:
    names = [file.stem, file.parent.name]
    names += [
        node.name
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
    ]
    for name in names:
        if name.lower().replace("_", "").startswith("resourcemanager"):
            continue  # Azure's own name for it
        words = (
            "".join(f" {c.lower()}" if c.isupper() else c for c in name).replace("_", " ").split()
        )
        assert not set(words) & set(NAMES_NOT_USED), name
