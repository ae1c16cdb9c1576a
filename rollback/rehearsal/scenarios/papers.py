"""What people sign: plans and approvals that are edited, unreadable, foreign or old."""

from __future__ import annotations

from rollback.rehearsal import acts
from rollback.rehearsal.scenario import Scenario
from rollback.rehearsal.scenarios.worlds import auto_swap_on

PAPERS: tuple[Scenario, ...] = (
    Scenario(
        "edited-plan",
        "the plan was edited after it was signed",
        (3,),
        play=acts.edited,
        sends_nothing=True,
    ),
    Scenario(
        "edited-plan-with-halt",
        "the plan was edited after it was signed, and holds a halt: that goes, nothing else does",
        (3,),
        world=auto_swap_on,
        play=acts.edited_with_halt,
        swaps=0,
    ),
    Scenario(
        "swap-called-a-halt",
        "the plan was edited so that a swap calls itself a halt",
        (3,),
        play=acts.swap_called_a_halt,
        sends_nothing=True,
    ),
    Scenario(
        "unreadable-approval",
        "an approval file cannot be read: the halt goes out; named rightly, the run goes on",
        (0,),
        world=auto_swap_on,
        play=acts.unreadable_approval,
        swaps=1,
    ),
    Scenario(
        "nowhere-to-record",
        "no run can be recorded: the halt goes out, its intent on standard error, nobody is moved",
        (9,),
        world=auto_swap_on,
        play=acts.nowhere_to_record,
        unrecorded=True,
        swaps=0,
    ),
    Scenario(
        "other-environments-plan",
        "a plan for another environment",
        (2,),
        play=acts.other_environment,
        sends_nothing=True,
    ),
    Scenario(
        "expired-approval",
        "the approval expired",
        (4,),
        play=acts.expired_approval,
        sends_nothing=True,
    ),
)
