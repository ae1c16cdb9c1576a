"""One process that plans: ``python -m benchmarks.plan_long PLAYBOOK ENVIRONMENT WORLD``.

The world is in memory: what the shipped full rollback saw in the rehearsal. The proof is left out.
Prints the digest, and on standard error how long each part took.
"""

from __future__ import annotations

import sys
import time

START = time.perf_counter()


def main() -> None:
    """Load, plan, digest, as the command does."""
    from rollback.cli.main import collect_rarely, end_at_once

    collect_rarely()
    import json
    from datetime import UTC, datetime
    from pathlib import Path

    from rollback.loading.environment import Environment
    from rollback.loading.playbook import load_playbook
    from rollback.model.observation import World
    from rollback.model.plan import Certificate
    from rollback.planning import plan as planning
    from rollback.planning.canonical import canonical, sha256_hex
    from rollback.wiring.catalogue import built_in

    at = [("import", time.perf_counter())]
    playbook = load_playbook(sys.argv[1])
    at.append(("load", time.perf_counter()))
    environment = Environment.load(sys.argv[2])
    kept = json.loads(Path(sys.argv[3]).read_bytes())
    world = {
        action: World.model_validate({"observations": seen}).observations
        for action, seen in kept.items()
    }
    at.append(("environment and world", time.perf_counter()))
    unproved = Certificate(model_version=1, states=0, transitions=0, predicates=(), holds=True)
    planning.prove = lambda *_: unproved
    made = planning.make_plan(
        planning.PlanRequest(
            playbook=playbook,
            environment=environment,
            catalogue=built_in(),
            observed=tuple((step.name, world[step.spec.action]) for step in playbook.steps),
            created=datetime(2026, 11, 23, 2, 14, tzinfo=UTC),
            nonce="0" * 32,
            planned_by="ana@trading.example",
            tool_version="0.1.0",
            evidence_path="/srv/evidence",
        )
    )
    at.append(("plan", time.perf_counter()))
    data = canonical(made)
    sys.stdout.write(f"{sha256_hex(data)} {len(made.steps)} steps, {len(data)} bytes\n")
    at.append(("digest", time.perf_counter()))
    before = START
    for name, then in at:
        sys.stderr.write(f"{name} {(then - before) * 1e3:.0f} ms\n")
        before = then
    end_at_once()


if __name__ == "__main__":
    main()
