"""What `validate` found, for programs: JSON, SARIF for code scanning, JUnit for CI servers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from rollback.rendering.escape import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollback.errors import Complaint, InputError

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True, slots=True)
class Checked:
    """One file as it was given. said: that it is well formed; problem: why it is not."""

    name: str
    said: str = ""
    problem: InputError | None = None


def plain(checked: Sequence[Checked]) -> dict[str, Any]:
    """Every complaint with all that is known of it."""
    return {
        "valid": all(one.problem is None for one in checked),
        "complaints": [
            {
                "code": problem.code,
                "reason": problem.reason,
                "hint": problem.hint,
                "file": each.file if each else None,
                "line": each.line if each else None,
                "column": each.column if each else None,
                "path": each.path if each else None,
                "problem": each.problem if each else problem.reason,
                "expected": each.expected if each else None,
            }
            for _, problem in _problems(checked)
            for each in _complaints(problem)
        ],
    }


def sarif(checked: Sequence[Checked], version: str) -> dict[str, Any]:
    """A SARIF 2.1.0 log: a rule an error code, a result a complaint, at its line and column."""
    rules: dict[str, InputError] = {}
    results: list[dict[str, Any]] = []
    for name, problem in _problems(checked):
        rules.setdefault(problem.code, problem)
        results += [
            {
                "ruleId": problem.code,
                "level": "error",
                "message": {"text": _message(problem, each)},
                "locations": [{"physicalLocation": _place(name, each)}],
            }
            for each in _complaints(problem)
        ]
    driver = {
        "name": "rollback",
        "version": version,
        "rules": [
            {
                "id": code,
                "shortDescription": {"text": visible(problem.reason.partition(":")[0])},
                "help": {"text": visible(problem.hint or problem.reason)},
            }
            for code, problem in sorted(rules.items())
        ],
    }
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def junit(checked: Sequence[Checked]) -> str:
    """JUnit's XML: a test case a file, a failure a complaint."""
    import xml.etree.ElementTree as ET

    failed = sum(one.problem is not None for one in checked)
    counts = {"tests": str(len(checked)), "failures": str(failed), "errors": "0"}
    root = ET.Element("testsuites", counts)
    suite = ET.SubElement(root, "testsuite", {"name": "rollback validate", **counts})
    for one in checked:
        case = ET.SubElement(
            suite, "testcase", {"classname": "rollback.validate", "name": visible(one.name)}
        )
        if one.problem is not None:
            lines = [_located(one.problem, each) for each in _complaints(one.problem)]
            failure = ET.SubElement(
                case, "failure", {"type": one.problem.code, "message": visible(one.problem.reason)}
            )
            failure.text = "\n".join(lines)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _problems(checked: Sequence[Checked]) -> list[tuple[str, InputError]]:
    return [(one.name, one.problem) for one in checked if one.problem is not None]


def _complaints(problem: InputError) -> tuple[Complaint | None, ...]:
    return problem.complaints or (None,)


def _message(problem: InputError, each: Complaint | None) -> str:
    if each is None:
        return visible(f"{problem.reason}. {problem.hint}".strip())
    at = f" at {each.path}" if each.path else ""
    return visible(f"{each.problem}{at}; expected {each.expected}")


def _located(problem: InputError, each: Complaint | None) -> str:
    return visible(str(each)) if each is not None else _message(problem, None)


def _place(name: str, each: Complaint | None) -> dict[str, Any]:
    from urllib.parse import quote

    file = PurePath(each.file if each is not None else name)
    uri = file.as_uri() if file.is_absolute() else quote(file.as_posix())
    place: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if each is not None and each.line is not None:
        region = {"startLine": each.line}
        if each.column is not None:
            region["startColumn"] = each.column
        place["region"] = region
    return place
