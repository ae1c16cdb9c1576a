"""Users go only where halt authority is proved, or where the run has to prove it before they do."""

from __future__ import annotations

import pytest

from rollback.model.authority import Verdict
from rollback.model.base import facts
from rollback.model.change import RefusedChange, Update
from rollback.model.direction import Direction
from rollback.model.observation import Observation, World
from rollback.planning.authority import to_observation
from rollback.planning.folded import fold_change
from rollback.planning.moves import judge_move

from .proof.systems import BAD, NOW, OLDER, STABLE, environment, judged

SWAP = Update(
    id="swap",
    resource="backend/slot/production",
    summary="swap",
    before=(),
    after=facts(slot="staging"),
    effects=(),
    direction=Direction.AWAY,
    surface="backend",
    moves_users=True,
    to_build=STABLE,
    absolute=False,
)
START = SWAP.model_copy(
    update={
        "id": "start",
        "resource": "backend/slot/staging",
        "moves_users": False,
        "to_build": None,
        "starts_build": STABLE,
    }
)


def world(
    production: Verdict = Verdict.RETAINED, staging: Verdict = Verdict.UNKNOWN, *there: str
) -> World:
    """What the authority of both slots was judged to be."""
    judgements = (judged("production", production, BAD), judged("staging", staging, *there))
    return World(
        observations=tuple(to_observation(one, "backend", one.slot) for one in judgements)
    )


def _refused(change: Update, seen: World, *earlier: Update) -> RefusedChange:
    made, finding = judge_move(change, seen, environment(), earlier)
    assert isinstance(made, RefusedChange)
    assert finding is None
    assert (made.code, made.promise) == ("authority.not-proved", "halt-authority-retained")
    return made


def test_what_proves_authority_on_its_slot_goes_without_a_condition() -> None:
    seen = world(Verdict.RETAINED, Verdict.RETAINED, STABLE)
    assert judge_move(SWAP, seen, environment(), (START,)) == (SWAP, None)


def test_a_rule_that_stays_leads_nobody_to_what_has_not_proved_it() -> None:
    led = SWAP.model_copy(update={"also_to": (BAD,)})
    for verdict in (Verdict.LOST, Verdict.UNKNOWN):
        made, finding = judge_move(led, world(verdict, Verdict.RETAINED, STABLE), environment(), ())
        assert isinstance(made, RefusedChange)
        assert finding is None
        assert (made.code, made.promise) == ("authority.rule-leads-back", "halt-authority-retained")
        assert BAD in made.reason
    seen = world(Verdict.RETAINED, Verdict.RETAINED, STABLE)
    assert judge_move(led, seen, environment(), ()) == (led, None)


def test_what_the_plan_starts_first_is_tied_to_a_proof_that_the_run_makes() -> None:
    made, finding = judge_move(SWAP, world(), environment(), (START,))
    assert made == SWAP.model_copy(update={"authority_on": "staging"})
    assert finding is not None
    assert (finding.weight, finding.code) == ("weak", "authority.while-applying")
    assert "every instance of the slot" in finding.text


def test_it_does_not_matter_what_another_build_proved_there() -> None:
    for verdict in Verdict:
        made, _ = judge_move(SWAP, world(Verdict.RETAINED, verdict, OLDER), environment(), (START,))
        assert isinstance(made, Update)
        assert made.authority_on == "staging"


@pytest.mark.parametrize(
    "earlier",
    [
        (),
        (START.model_copy(update={"starts_build": OLDER}),),
        (START.model_copy(update={"starts_build": None}),),
        (START.model_copy(update={"resource": "backend/slot/canary"}),),
        (START.model_copy(update={"resource": "web/slot/staging"}),),
        (START.model_copy(update={"moves_users": True}),),
    ],
    ids=["nothing", "another build", "no build", "another slot", "another surface", "a move"],
)
def test_without_a_start_of_exactly_this_release_in_this_slot_it_is_refused(
    earlier: tuple[Update, ...],
) -> None:
    assert "find out why the proof fails" in _refused(SWAP, world(), *earlier).next_move


def test_a_release_that_runs_there_already_and_does_not_prove_it_is_refused() -> None:
    for verdict in (Verdict.LOST, Verdict.UNKNOWN):
        _refused(SWAP, world(Verdict.RETAINED, verdict, STABLE), START)


def test_without_authority_in_production_it_is_started_by_hand_first() -> None:
    for verdict in (Verdict.LOST, Verdict.UNKNOWN):
        assert "start slot staging by hand" in _refused(SWAP, world(verdict), START).next_move


def test_production_is_no_slot_to_prove_it_on() -> None:
    pinned = SWAP.model_copy(update={"after": facts(slot="production")})
    start = START.model_copy(update={"resource": "backend/slot/production"})
    _refused(pinned, world(), start)


def test_web_needs_the_authority_of_the_backend_that_users_are_on() -> None:
    web = SWAP.model_copy(update={"surface": "web", "resource": "web/slot/production"})
    assert judge_move(web, world(), environment(), ()) == (web, None)
    _refused(web, world(Verdict.LOST), START)


def test_nobody_is_moved_while_nobody_can_sign_in() -> None:
    down = Observation(
        resource="platform/health", context=facts(problem="connection refused"), at=NOW
    )
    seen = world(Verdict.RETAINED, Verdict.RETAINED, STABLE)
    made, _ = judge_move(
        SWAP, World(observations=(*seen.observations, down)), environment(), (START,)
    )
    assert isinstance(made, RefusedChange)
    assert made.code == "authority.sign-in-unreachable"


def test_a_swap_takes_the_judgements_of_both_slots_with_it() -> None:
    seen = world(Verdict.RETAINED, Verdict.RETAINED, STABLE)
    folded = fold_change(seen, SWAP, environment())
    assert folded.get("authority/backend/production", "builds") == (STABLE,)
    assert folded.get("authority/backend/staging", "builds") == (BAD,)
    back = SWAP.model_copy(update={"to_build": BAD})
    assert judge_move(back, folded, environment(), ()) == (back, None)
    assert fold_change(folded, back, environment()) == seen


def test_some_users_moved_leave_the_judgement_of_production_where_it_is() -> None:
    seen = world(Verdict.RETAINED, Verdict.RETAINED, STABLE)
    rules = SWAP.model_copy(update={"absolute": True, "some_users": True})
    assert fold_change(seen, rules, environment()) == seen


def test_a_pin_takes_the_judgement_along_and_leaves_the_slot_as_it_is() -> None:
    seen = world(Verdict.RETAINED, Verdict.RETAINED, STABLE)
    folded = fold_change(seen, SWAP.model_copy(update={"absolute": True}), environment())
    assert folded.get("authority/backend/production", "builds") == (STABLE,)
    assert folded.get("authority/backend/staging", "builds") == (STABLE,)
