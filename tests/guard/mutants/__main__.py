"""Mutants of the guard: ``python -m tests.guard.mutants rules|wire TOOL SESSION [JOBS [FILE]]``.

Makes every mutant (cosmic-ray's operators by the Python TOOL, and what leaves something out), tries
each, and holds those that live against the reasons in docs/explanation/guard-mutants.md. Exits 1 where
one lives without a reason there, or where a reason is given for one that does not live any more.

FILE: the name of one file of that layer, like `gate`: only its mutants, and no reason is too many.
SESSION: a file of what was found so far; a run that was cut off goes on, and what lived is tried again.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.guard.mutants import left_out, trial

ROOT: Final = Path(__file__).parents[3]
REASONS: Final = ROOT / "docs" / "explanation" / "guard-mutants.md"
TESTS: Final = ROOT / "tests" / "guard"
_PAIR: Final = re.compile(r"^- (.+)\n\+ (.+)$", re.MULTILINE)
Pair = tuple[str, str]

CASES: Final = 2_000
TYPES_ONLY: Final = "if TYPE_CHECKING:"
"""No mutants of it: the names imported there stand in annotations, which nothing evaluates."""
RULES: Final = ("edges", "sts", "shapes", "effects", "directions", "judge", "perimeter", "shape_of", "tables")
SLOW: Final = ("normal", "agreement")
"""Tests of the rules: quick ones first, then the others, then those that generate."""
WIRE: Final = {
    "gate": ("gate", "scopes", "what_leaves"),
    "trap": ("canaries", "gate", "scopes"),
    "canaries": ("canaries", "gate", "scopes"),
    "first_use": ("first_use",),
    "net": ("net",),
    "aiohttp_transport": ("aiohttp", "async_in_time", "held_requests", "what_leaves", "proxies"),
    "azure_wire": ("requests", "held_requests", "what_leaves", "proxies", "scopes"),
    "bounded_answer": ("bounded_answer", "requests"),
    "botocore_leaf": ("botocore_leaf", "botocore", "timed_answer", "proxies"),
    "botocore_wire": ("botocore", "held_requests", "what_leaves", "proxies"),
    "httpx_wire": ("httpx", "async_in_time", "held_requests", "what_leaves", "proxies"),
    "requests_adapter": ("requests", "held_requests", "what_leaves", "proxies"),
    "timed_answer": ("timed_answer", "requests", "botocore"),
    "timed_stream": ("timed_stream", "async_in_time", "httpx"),
    "socket_line": ("socket_line", "sockets", "tunnel", "platform"),
    "socket_wire": ("sockets", "tunnel", "held_requests", "platform"),
    "tunnel": ("tunnel", "sockets"),
    "network": ("network", "proxies", "platform", "httpx"),
}
"""Where a mutant of the wire is most likely found; then the other tests of the wire. What decides is
tried first."""
COMMON: Final = (
    "hypothesis", "_hypothesis_pytestplugin", "xdist", "sybil", "rollback.errors", "rollback.model.environment",
    "rollback.model.plan", "rollback.model.ports", "rollback.model.record", "httpx", "rfc8785",
)  # fmt: skip
VENDORS: Final = (
    "aiohttp", "azure.core.pipeline.transport", "azure.cosmos", "azure.cosmos.aio", "azure.identity",
    "azure.mgmt.cosmosdb", "azure.mgmt.web", "boto3", "botocore.httpsession", "requests",
    "websockets.client",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file."""

    path: str
    operator: str
    source: str
    old: str
    new: str

    def line(self, found: str) -> str:
        """What is kept of its trial."""
        kept = {"id": self.id, "path": self.path, "operator": self.operator}
        return json.dumps({**kept, "old": self.old, "new": self.new, "found": found}) + "\n"

    @property
    def id(self) -> str:
        """The same for the same change of the same file."""
        return hashlib.sha256(f"{self.path}\0{self.source}".encode()).hexdigest()


def made(folder: str, tool: str) -> Iterator[Mutant]:
    """Every mutant of a folder's files."""
    order = list(WIRE)
    files = sorted(
        (ROOT / folder).glob("*.py"),
        key=lambda path: (order.index(path.stem) if path.stem in order else len(order), path.stem),
    )
    paths = [str(path.relative_to(ROOT)) for path in files]
    listed = subprocess.run(
        [tool, str(Path(__file__).with_name("cosmic.py")), *paths],
        check=True, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    sources = {path: (ROOT / path).read_text(encoding="utf-8") for path in paths}
    seen = set()
    for line in listed.stdout.splitlines():
        entry = json.loads(line)
        one = _mutant(entry["path"], sources[entry["path"]], entry["operator"], entry["source"])
        if one.id not in seen and one.old != TYPES_ONLY:
            seen.add(one.id)
            yield one
    for path, source in sources.items():
        for operator, mutated in left_out.mutants(source):
            yield _mutant(path, source, operator, mutated)


def _mutant(path: str, source: str, operator: str, mutated: str) -> Mutant:
    lines = [
        line
        for line in difflib.unified_diff(
            source.splitlines(), mutated.splitlines(), n=0, lineterm=""
        )
        if not line.startswith(("---", "+++", "@@"))
    ]
    old = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
    new = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    return Mutant(path, operator, mutated, old, new or "(nothing)")


def oracle_agrees() -> bool:
    """False where guard and oracle differ on one of some seeded requests."""
    from tests.guard.rules.agreement import disagreements

    return not disagreements(CASES, 7)[0]


def tests_of(path: str) -> tuple[tuple[str, ...], ...]:
    """The tests a mutant of that file is held against: all of its layer, likely finders first.

    Each group is collected and run only where the one before found nothing.
    """
    layer = "wire" if "/wire/" in path else "rules"
    first = WIRE.get(Path(path).stem, ()) if layer == "wire" else RULES
    there = sorted(one.stem.removeprefix("test_") for one in (TESTS / layer).glob("test_*.py"))
    rest = [one for one in there if one not in {*first, *SLOW}]
    last = ("", *SLOW) if layer == "rules" else ()
    groups = ([one for one in first if one in there], rest, last)
    return tuple(tuple(_file(layer, one) for one in group) for group in groups if group)


def _file(layer: str, name: str) -> str:
    return f"tests/guard/{layer}/test_{name}.py" if name else "tests/guard/test_fences.py"


def reasons(folder: str) -> set[Pair]:
    """(line as it is, line as the mutant has it) of every reason in that folder's half of the page."""
    halves = re.split(r"^# ", REASONS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    half = next(half for half in halves if half.splitlines()[:1] == [f"`{folder}`"])
    return {(_plain(old), _plain(new)) for old, new in _PAIR.findall(half)}


def _plain(text: str) -> str:
    """Without the spaces and comments that a mutation may move."""
    return re.sub(r"\s+", "", re.sub(r"  #.*", "", text))


def decided(session: Path) -> dict[str, str]:
    """What was found so far: a mutant's id, and what found it."""
    if not session.exists():
        return {}
    found = {}
    for line in session.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        found[entry["id"]] = entry["found"]
    return found


def main(arguments: Sequence[str]) -> int:
    """Try what is left, and say what lives."""
    which, tool, session = arguments[0], arguments[1], Path(arguments[2])
    jobs = int(arguments[3]) if len(arguments) > 3 else 1
    only = arguments[4] if len(arguments) > 4 else ""
    folder = f"rollback/guard/{which}"
    everything = [one for one in made(folder, tool) if only in {"", Path(one.path).stem}]
    if not everything:
        sys.stdout.write(f"{folder} has no file {only}.py with a mutant\n")
        return 1
    trial.prepare(COMMON if which == "rules" else (*COMMON, *VENDORS))
    known = decided(session)
    unchanged = everything[0].path
    broken = _trial(unchanged, (ROOT / unchanged).read_text(encoding="utf-8")).found()
    if broken:
        sys.stdout.write(f"the tests fail without any mutant: {broken}\n")
        return 1
    left = [one for one in everything if not known.get(one.id)]
    started, running = time.monotonic(), dict[trial.Trial, Mutant]()
    with session.open("a", encoding="utf-8") as kept:
        for number, one in enumerate([*left, *[None] * jobs], 1):
            if len(running) == jobs or (one is None and running):
                over = trial.wait(list(running))
                tried = running.pop(over)
                known[tried.id] = over.found()
                kept.write(tried.line(known[tried.id]))
                kept.flush()
            if one is not None:
                running[_trial(one.path, one.source)] = one
            if number % 50 == 0:
                took = time.monotonic() - started
                sys.stdout.write(f"{number} of {len(left)} left, {took:.0f} s\n")
                sys.stdout.flush()
    return _said(folder, everything, known, whole=not only)


def _trial(path: str, source: str) -> trial.Trial:
    return trial.Trial(path, source, nothing if "/wire/" in path else oracle_agrees, tests_of(path))


def _said(
    folder: str, everything: Sequence[Mutant], known: dict[str, str], *, whole: bool
) -> int:
    lived = {(_plain(one.old), _plain(one.new)): one for one in everything if not known[one.id]}
    given = reasons(folder)
    for pair, one in sorted(lived.items()):
        if pair not in given:
            sys.stdout.write(f"lives without a reason: {one.path}\n- {one.old}\n+ {one.new}\n")
    stale = given - set(lived) if whole else set()
    for old, new in sorted(stale):
        sys.stdout.write(f"a reason for what does not live:\n- {old}\n+ {new}\n")
    alive = sum(not known[one.id] for one in everything)
    sys.stdout.write(f"{folder}: {len(everything)} mutants tried, {alive} lived\n")
    return 1 if set(lived) - given or stale else 0


def nothing() -> bool:
    """Nothing comes before the tests of the wire."""
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
