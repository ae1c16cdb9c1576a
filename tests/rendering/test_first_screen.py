"""A reviewer who reads only the first screen is not misled."""

from __future__ import annotations

import pytest

from rollback.model.authority import Verdict
from rollback.model.plan import Plan
from rollback.planning.proof.predicates import PREDICATES
from rollback.rendering.faces import first_screen_text, render
from rollback.rendering.plan_view import plan_view
from rollback.rendering.predicates import predicate_words
from tests.builders import (
    SAMPLES,
    digest_of,
    hidden_body,
    judged,
    make_plan,
    nothing_plan,
    refused_plan,
    revert_step,
    unproved_plan,
    weak_plan,
)


def first(plan: Plan) -> str:
    return first_screen_text(plan, digest_of(plan), width=400)


def test_sections_stand_in_the_order_of_what_matters() -> None:
    titles = [section.title for section in plan_view(make_plan(), "d").sections]
    assert titles[:12] == [
        "In short",
        "Where and why",
        "Verdict",
        "Not rolled back by this plan",
        "What cannot be undone",
        "Who stays exposed",
        "Weak, unknown or forbidden",
        "Authority to halt trading",
        "Promises proved",
        "Approval",
        "Surfaces",
        "What is done, in order",
    ]
    assert titles[-4:] == ["Notes", "Observations", "Proof in full", "Identity"]


def test_it_names_who_where_what_and_until_when() -> None:
    plan = make_plan()
    out = first(plan)
    for said in (
        "production (production)",
        "release-desk@example.net",
        "subscription 0b1f",
        "INC-4711",
        "tenant-leak",
        "backend: 2026.11.22-2 to 2026.11.20-3 by swap with staging",
        "mobile: a person must act: halt the staged release in the store console",
        "412; at most 1 h",
        "number not known; no end known",
        "RETAINED, strong proof, 12 s old when planned",
        "1,482 states",
        "2 people must sign",
        "2026-11-23T03:14:00Z, 1 h after planning",
        digest_of(plan),
    ):
        assert said in out, said


def test_a_refused_plan_says_why_by_which_promise_what_next_and_what_still_goes() -> None:
    out = first(refused_plan())
    assert "REFUSED" in out
    assert "below the rollback floor" in out
    assert "promise no-control-plane-rewrite" in out
    assert "plan with --set to=2026.11.20-3" in out
    assert "still possible  halt: moves toward safety" in out
    assert "still possible  capture/revert-backend: captures" in out
    assert "--only-safe" in out


def test_a_broken_proof_is_not_told_as_one_that_holds() -> None:
    plan = unproved_plan()
    assert "BROKEN: this does not hold: users are moved only to what has proved" in first(plan)
    assert "holds in" not in first(plan)
    whole = render(plan, digest_of(plan), "text", width=400)
    assert "3. STOP users are on a build whose authority nobody proved" in whole


def test_lost_and_weak_authority_are_told_with_their_reasons() -> None:
    out = first(weak_plan())
    assert "!! STOP backend/production (what users are on now): LOST" in out
    assert "scope tenant may not be halted" in out
    assert " ! WEAK backend/staging: RETAINED, weak proof" in out
    assert "a named person must attest" in out


def test_authority_lost_before_stands_above_everything() -> None:
    out = first(weak_plan())
    assert out.startswith("!! STOP authority to halt trading is LOST on what users are on now")
    assert "APPLICABLE, BUT HALT AUTHORITY IS LOST NOW" in out
    assert first(make_plan()).startswith("ROLLBACK PLAN APPLICABLE: ")
    unread = first(make_plan(authority=()))
    assert "APPLICABLE, BUT HALT AUTHORITY IS UNKNOWN NOW" in unread


def test_an_applicable_plan_is_green_only_where_nothing_speaks_against_it() -> None:
    clean = make_plan(findings=())
    for plan, word in ((clean, "good"), (weak_plan(), "warned"), (make_plan(), "warned")):
        assert f'<h1 class="{word}">' in render(plan, "d", "html")
    assert "<h1>" in render(refused_plan(), "d", "html")


def test_unread_authority_is_unknown_when_users_move() -> None:
    assert "UNKNOWN not read: nothing here proves it" in first(make_plan(authority=()))
    assert "this plan moves no users" in first(nothing_plan().model_copy(update={"authority": ()}))


def test_unknown_authority_weighs_as_unknown() -> None:
    assert "UNKNOWN backend/production" in first(make_plan(authority=(judged(Verdict.UNKNOWN),)))


def test_what_cannot_be_undone_names_the_step() -> None:
    step = revert_step()
    swap = step.changes[0].effects[0]  # type: ignore[union-attr]
    fixed = swap.model_copy(
        update={"undo": swap.undo.model_copy(update={"possible": False, "by": "no way"})}
    )
    change = step.changes[0].model_copy(update={"effects": (fixed,)})
    plan = make_plan(steps=(step.model_copy(update={"changes": (change,)}),))
    assert "IRREVERSIBLE step revert-backend" in first(plan)
    assert "(no way)" in first(plan)


def test_a_body_that_would_show_a_secret_is_named_by_its_digest() -> None:
    step = revert_step()
    change = step.changes[0].model_copy(update={"effects": (hidden_body(),)})
    plan = make_plan(steps=(step.model_copy(update={"changes": (change,)}),))
    assert "it would show a secret; sha256 " + "a" * 64 in render(plan, "d", "text", width=400)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_write_of_a_plan_stands_in_every_face(name: str) -> None:
    plan = SAMPLES[name]()
    for face in ("text", "markdown", "html"):
        out = render(plan, digest_of(plan), face, max_chars=None, width=2_000)
        for _, change in plan.updates:
            for effect in change.effects:
                assert effect.path in out
        for step in plan.steps:
            assert step.name in out


def test_every_predicate_of_the_proof_has_words() -> None:
    assert all(predicate_words(name) != name for name in PREDICATES)
    assert predicate_words("of-a-newer-proof") == "of-a-newer-proof"


def test_a_toggle_is_not_told_as_something_to_send_again() -> None:
    out = render(make_plan(), "d", "text", width=400)
    assert "slotsswap?api-version=2024-11-01 once\n" in out
    assert "a toggle: never sent blindly again" in out
    assert "at most 2 times; again at most 1 time, only after looking" in out


def test_a_digest_is_read_whole_and_each_step_by_its_lines_at_eighty_columns() -> None:
    digest = "0123456789abcdef" * 4
    out = render(make_plan(), digest, "text", max_chars=None, width=80)
    assert f"   digest\n      {digest}\n" in out
    table = out.partition("What is done, in order")[2].partition("\nStep 1")[0]
    rows = [row for row in table.split("\n") if row.startswith("   ") and row[3] != " "]
    assert len(rows) == 1 + len(make_plan().steps)
    assert table.count("\n      writes  ") == table.count("\n      users   ") == len(rows) - 1
