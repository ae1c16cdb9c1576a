"""A rehearsal without a script: the platform is staged and waits, people use the commands.

It ends when the waiting is interrupted, and says promise by promise what was seen.
"""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.rehearsal.checks import check_promises
from rollback.rehearsal.scenario import Play, staged
from rollback.wiring import PlanDocument

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.playbook import Playbook
    from rollback.rehearsal.scenario import Scenario

VARIABLES = "variables.sh"
LIFETIME_S = 12 * 3600.0
"""How long the platform waits for people: a day's practice, and not for ever."""


def by_hand(
    scenario: Scenario,
    playbook: Playbook,
    root: Path,
    *,
    out: Callable[[str], None],
    wait: Callable[[], None],
) -> int:
    """Stage a scenario's world, say how to use it, wait, and check every promise.

    wait: returns, or raises KeyboardInterrupt, when the people are done. Returns 0 when every
    promise was kept, whatever they did.
    """
    with ExitStack() as stack:
        playing = staged(stack, scenario, playbook, root, lambda *_: None, lifetime_s=LIFETIME_S)
        scenario.before_plan(playing.sim)
        try:
            for line in _how(playing):
                out(line)
            wait()
        except KeyboardInterrupt:
            out("")
        playing.plans.extend(_plans(root))
        seen = check_promises(playing, 0)
    out("promises, seen from the outside:")
    for one in seen:
        out(f"  {'kept  ' if one.holds else 'BROKEN'} {one.promise}: {one.seen}")
    out(f"kept in:  {root}")
    return 0 if all(one.holds for one in seen) else 1


def _how(playing: Play) -> list[str]:
    root = playing.directory
    commands = Path(sys.executable).parent
    lines = [
        f"export PATH={shlex.quote(str(commands))}:$PATH",
        *(
            f"export {name}={shlex.quote(value)}"
            for name, value in {
                **playing.stage.variables,
                "ROLLBACK_ENVIRONMENT": str(root / "environment.yaml"),
                "ROLLBACK_STATE": str(playing.stage.state),
            }.items()
        ),
    ]
    file = root / VARIABLES
    file.write_text("\n".join([*lines, ""]))
    keys = [key.name for _, key in playing.stage.keys]
    plan = f"rollback plan {playing.playbook.playbook} --set bake=1s --incident INC-1"
    name = playing.stage.environment.environment
    return [
        f"staged:   {playing.scenario.name}: {playing.scenario.about}",
        "in another terminal:",
        f"  . {file}",
        f"  cd {root}",
        f"  {plan} --out plan.json",
        *(
            f"  rollback approve plan.json --key {key} --out {key}.json   # type: {name}"
            for key in keys
        ),
        "  rollback apply plan.json " + " ".join(f"--approval {key}.json" for key in keys),
        "  rollback status latest",
        "Ctrl-C here ends it and says what was seen.",
    ]


def _plans(root: Path) -> list[PlanDocument]:
    """Every plan that some run of this rehearsal applied."""
    return [PlanDocument.load(path) for path in sorted(root.glob("state*/runs/*/plan.json"))]
