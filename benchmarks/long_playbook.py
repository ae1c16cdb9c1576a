"""A long playbook of 1,000 steps, and the same as an experiment of Chaos Toolkit."""

from __future__ import annotations

import json

WORDS = (
    "The release desk looks at what every host serves, says whether users reach the build that was "
    "restored, compares orders and positions with the venue, and writes down who looked and when. "
) * 2


def playbook(steps: int) -> str:
    """So many steps of the kinds that a rollback is made of, one after another."""
    out = ["playbook: long", "summary: A long rollback.", "steps:"]
    kinds = (
        "action: halt_rollout\n      surfaces: [backend, web]",
        "action: retain_trade_halt",
        "action: confirm\n      statement: >-\n        {words}",
        "action: snapshot_audit_logs\n      window: 24h",
        "action: verify_release\n      surfaces: [web, backend]\n      bake: 5m",
    )
    for number in range(steps):
        kind = kinds[number % len(kinds)].format(words=f"{WORDS}{number}")
        after = f"\n      after: [step-{number - 1}]" if number else ""
        note = f"      # {WORDS[:180]}\n"
        out.append(f"  - step-{number}:\n{note}      {kind}{after}")
    return "\n".join(out) + "\n"


def experiment(steps: int) -> str:
    """The same number of steps for Chaos Toolkit, as JSON, which it reads fastest."""
    action = {
        "type": "action",
        "provider": {
            "type": "python",
            "module": "json",
            "func": "dumps",
            "arguments": {"obj": WORDS},
        },
    }
    return json.dumps(
        {
            "title": "long",
            "description": "A long rollback.",
            "method": [{**action, "name": f"step-{number}"} for number in range(steps)],
        },
        indent=1,
    )
