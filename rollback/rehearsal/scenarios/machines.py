"""Processes and machines: killed, taken over, two at once."""

from __future__ import annotations

from typing import Any

from rollback.rehearsal import acts
from rollback.rehearsal.scenario import Scenario
from rollback.rehearsal.scenarios.worlds import auto_swap_on


def _mirrored(content: dict[str, Any]) -> dict[str, Any]:
    return {**content, "journal_mirror": True}


MACHINES: tuple[Scenario, ...] = (
    Scenario(
        "killed-and-resumed",
        "the process is killed while the swap runs, and resumed",
        (0,),
        play=acts.killed_and_resumed,
        swaps=1,
    ),
    Scenario(
        "second-laptop-takes-over",
        "a laptop dies in the middle of a swap; a second one plans and finishes",
        (0,),
        play=acts.second_laptop,
        swaps=1,
    ),
    Scenario(
        "second-laptop-resumes-the-run",
        "a laptop dies in the middle of a swap; a second one resumes from the mirrored journal",
        (0,),
        settings=_mirrored,
        bucket=True,
        play=acts.resumed_from_the_mirror,
        swaps=1,
    ),
    Scenario(
        "mirror-fails",
        "the journal cannot be mirrored: the halt goes out, nobody is moved",
        (9,),
        world=auto_swap_on,
        settings=_mirrored,
        play=acts.mirror_fails,
        swaps=0,
    ),
    Scenario(
        "two-runs-together",
        "two people press the button: one does it, one is told who holds the lease",
        (0,),
        play=acts.two_together,
        swaps=1,
    ),
    Scenario(
        "bucket-shared",
        "evidence and lease are in a locked bucket that machines share",
        (0,),
        bucket=True,
        swaps=1,
    ),
    Scenario(
        "two-runs-one-bucket",
        "two people on two machines press the button; the lease in the bucket decides",
        (0,),
        bucket=True,
        play=acts.two_together,
        swaps=1,
    ),
)
