"""Hold the guard against the oracle: ``python -m tests.guard.rules.agreement [CASES] [SEED]``."""

from __future__ import annotations

import random
import sys
from collections import Counter

from rollback.guard.rules.judge import judge
from rollback.guard.rules.perimeter import perimeter_of
from rollback.model.scope import Perimeter, Phase, Scope, VerdictKind
from tests.guard.rules.generator import BLOBS, EFFECTS, KINDS, ROLES, TOKENS, case
from tests.guard.rules.oracle import oracle
from tests.guard.support import environment, taking_role


def disagreements(cases: int, seed: int) -> tuple[list[str], Counter[str]]:
    """Every question on which guard and oracle differ, and how often each rule decided."""
    chance = random.Random(seed)
    perimeter = perimeter_of_cases()
    scopes = {phase: Scope(run="r", step="s", phase=phase, permissions=EFFECTS) for phase in Phase}
    found: list[str] = []
    rules: Counter[str] = Counter()
    for _ in range(cases):
        question = case(chance)
        phase = Phase.APPLY if question.applying else Phase.OBSERVE
        verdict = judge(question.request, scopes[phase], perimeter, question.left)
        rules[verdict.rule] += 1
        answer = {
            VerdictKind.ALLOW: verdict.effect or "read",
            VerdictKind.EXCHANGE: "exchange",
            VerdictKind.DENY: None,
        }[verdict.kind]
        expected = oracle(
            question.request,
            KINDS,
            TOKENS,
            ROLES,
            applying=question.applying,
            effects=EFFECTS,
            left=question.left,
        )
        if answer != expected:
            found.append(f"guard {answer} ({verdict.rule}), oracle {expected}: {question}")
    return found, rules


def perimeter_of_cases() -> Perimeter:
    """The hosts of an environment that has a bucket, of one that has a container, and a role."""
    store = {"kind": "azure-blob", "endpoint": f"https://{BLOBS}", "container": "evidence"}
    bucket = perimeter_of(environment())
    container = perimeter_of(environment(evidence={"store": store}))
    role = perimeter_of(taking_role())
    found = {host.host: host for known in (bucket, container, role) for host in known.hosts}
    changes = {"hosts": tuple(found.values()), "exchanges": role.exchanges}
    return bucket.model_copy(update=changes)


def main() -> int:
    """Run and say what was found."""
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    found, rules = disagreements(cases, seed)
    for rule, count in rules.most_common():
        sys.stdout.write(f"{count:9} {rule}\n")
    for line in found[:20]:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{cases} requests, seed {seed}: {len(found)} disagreements\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
