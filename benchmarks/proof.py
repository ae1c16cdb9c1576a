"""What the proof costs: ``python -m benchmarks.proof``.

A plan of 5 steps (halt, capture, revert, traffic, verify), and 500 stamps of 5 steps each in one
plan, every stamp a surface of its own beside one backend. Two bounds: 500 stamps within two seconds
(read it beside the machine class in docs/explanation/speed.md), and at most three times the cost
of 50 stamps, ten times over: cost grows with the number of targets, not with their product.

Exits 1 where a bound is broken.
"""

from __future__ import annotations

import statistics
import sys
import time

from rollback.model.direction import Direction
from rollback.planning.proof.model import Node, System
from rollback.planning.proof.prove import prove_system

BAD, STABLE = "2026.11.22-2", "2026.11.20-3"
STAMPS = 500
SECONDS_MAX = 2.0
GROWTH_MAX = 3.0
ROUNDS = 5


def stamps(count: int) -> System:
    """So many stamps, each halted, captured, reverted and looked at."""
    nodes: list[Node] = []
    for number in range(count):
        at, surface = len(nodes), f"stamp-{number}"
        nodes += [
            Node(f"halt/{surface}", (), Direction.TOWARD, surface),
            Node(f"capture/{surface}", (at,), Direction.NEITHER, captures=True),
            Node(
                f"revert/{surface}", (at + 1,), Direction.AWAY, surface, moves_users=True,
                to_build=STABLE, volatile=True,
            ),
            Node(f"traffic/{surface}", (at + 2,), Direction.NEITHER),
            Node(f"verify/{surface}", (at + 3,), Direction.NEITHER),
        ]  # fmt: skip
    live = (("backend", BAD), *((f"stamp-{number}", BAD) for number in range(count)))
    return System(tuple(nodes), live, frozenset({BAD, STABLE}), "backend", ())


def took(count: int) -> tuple[float, int]:
    """The median of some rounds, in seconds, and the states that the certificate counts."""
    system = stamps(count)
    spent: list[float] = []
    states = 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        certificate = prove_system(system)
        spent.append(time.perf_counter() - began)
        if not certificate.holds:
            sys.exit(f"not proved: {certificate.broken}")
        states = certificate.states
    return statistics.median(spent), states


def main() -> int:
    """Measure, print, and compare with the bounds."""
    one, few, many = took(1), took(STAMPS // 10), took(STAMPS)
    growth = many[0] / (few[0] * 10)
    sys.stdout.write(
        f"5 steps: {one[0] * 1e3:.2f} ms, {one[1]} states\n"
        f"{STAMPS // 10} stamps of 5 steps: {few[0] * 1e3:.0f} ms, {few[1]} states\n"
        f"{STAMPS} stamps of 5 steps: {many[0] * 1e3:.0f} ms, {many[1]} states "
        f"(at most {SECONDS_MAX * 1e3:.0f} ms)\n"
        f"{STAMPS} beside ten times {STAMPS // 10}: {growth:.2f} (at most {GROWTH_MAX:g})\n"
    )
    return 0 if many[0] <= SECONDS_MAX and growth <= GROWTH_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
