"""The report of a run, from plan and records alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rollback.errors import ExitStatus
from rollback.model.base import facts
from rollback.model.change import NoOp
from rollback.model.record import FIRST, Record, RecordKind
from rollback.rendering.faces import render_report
from rollback.rendering.report import ending
from tests.builders import NOW, make_plan

RUN = "r-20261123-0214-4f2a"


def records(*said: tuple[RecordKind, dict[str, Any]]) -> tuple[Record, ...]:
    return tuple(
        Record(
            run=RUN,
            stream="run",
            sequence=index,
            previous=FIRST,
            at=NOW + timedelta(seconds=index),
            monotonic_ms=index,
            kind=kind,
            body=facts(**body),
        )
        for index, (kind, body) in enumerate(said)
    )


OPENED = (RecordKind.OPENED, {"by": "ana", "mode": "full", "break_glass": "", "plan": "d" * 64})
SENT = (
    RecordKind.INTENT,
    {
        "effect": "revert-backend#swap",
        "step": "revert-backend",
        "change": "swap",
        "direction": "away-from-safety",
    },
)
APPLIED = (
    RecordKind.OUTCOME,
    {
        "step": "revert-backend",
        "change": "swap",
        "outcome": "applied",
        "reason": "every instance serves it",
    },
)
WEB_APPLIED = (RecordKind.OUTCOME, {**APPLIED[1], "step": "revert-web"})
ENDED = (RecordKind.STEP, {"step": "revert-backend", "status": "done", "reason": ""})
CLOSED = (RecordKind.CLOSED, {"exit": 0})


def report(*said: tuple[RecordKind, dict[str, Any]], face: Any = "text", **more: Any) -> str:
    return render_report(
        make_plan(), "d" * 64, records(*said), face, max_chars=None, width=300, **more
    )


def test_a_run_that_went_well() -> None:
    out = report(OPENED, SENT, APPLIED, WEB_APPLIED, ENDED, CLOSED, bundle="/var/b")
    assert out.startswith("ROLLBACK REPORT DONE AND VERIFIED: full-rollback in production")
    assert "1 write sent: 1 away from safety, 0 of evidence" in out
    assert "3. revert-backend: done" in out
    assert "applied; every instance serves it" in out
    assert "412; at most 1 h" in out
    assert "/var/b" in out


def test_users_that_a_run_did_not_move_are_told_first() -> None:
    out = report(OPENED, CLOSED)
    assert out.startswith("ROLLBACK REPORT ONLY SAFE PARTS APPLIED: USERS ARE NOT MOVED")
    assert "backend: all users: still on 2026.11.22-2" in out
    assert "web: all users: still on" in out
    told = report(OPENED, SENT, CLOSED)
    assert "backend: all users: on 2026.11.22-2 or on 2026.11.20-3, nobody can tell" in told
    said = (RecordKind.SAID, {"effect": "revert-backend#swap", "outcome": "applied"})
    assert "backend: all users" not in report(OPENED, SENT, said, CLOSED)


def test_of_users_that_another_may_have_moved_only_what_the_plan_saw_is_said() -> None:
    seen = {"step": "revert-backend", "change": "swap", "verdict": "drifted", "differences": ("x",)}
    drifted = report(OPENED, (RecordKind.OBSERVED, seen), CLOSED)
    assert "backend: all users: not moved by this run; on 2026.11.22-2 when planned" in drifted
    assert "web: all users: still on" in drifted
    taken = (RecordKind.LEASED, {"held": False, "problem": "taken", "scopes": ("backend",)})
    out = report(OPENED, taken, CLOSED)
    assert "backend: all users: not moved by this run" in out
    assert "still on" not in out
    again = (RecordKind.LEASED, {"held": True, "scopes": ("backend",), "fence": 2})
    assert "backend: all users: still on" in report(OPENED, taken, again, CLOSED)


@pytest.mark.parametrize("face", ["text", "markdown"])
def test_a_broken_glass_is_the_first_line(face: str) -> None:
    glass = (RecordKind.OPENED, {**OPENED[1], "break_glass": "nobody can sign"})
    first = report(glass, CLOSED, face=face).split("\n")[0]
    assert "break-glass" in first
    assert "nobody can sign" in first


def test_a_resumed_run_keeps_its_broken_glass() -> None:
    glass = (RecordKind.OPENED, {**OPENED[1], "break_glass": "nobody can sign"})
    assert "nobody can sign" in report(glass, OPENED, CLOSED).split("\n")[0]


def test_a_run_that_was_opened_again_is_not_told_as_closed() -> None:
    out = report(OPENED, CLOSED, OPENED)
    assert "NOT CLOSED" in out.split("\n")[0]
    assert "DONE AND VERIFIED" not in out


def test_a_step_without_an_end_is_open_and_unknown() -> None:
    assert "3. UNKNOWN revert-backend: open: it did not end" in report(OPENED, SENT)


def test_an_unknown_outcome_is_never_told_as_applied() -> None:
    unknown = (
        RecordKind.OUTCOME,
        {**APPLIED[1], "outcome": "unknown", "reason": "nobody answered"},
    )
    out = report(OPENED, SENT, unknown, (RecordKind.CLOSED, {"exit": 6}))
    assert "UNKNOWN swap the slot that every instance proves to hold the release: unknown" in out
    assert "PARTIAL OR UNKNOWN" in out.split("\n")[0]


def test_requests_are_found_by_their_id() -> None:
    exchange = (
        RecordKind.EXCHANGE,
        {
            "request_id": f"{RUN}.revert-backend.1.3",
            "method": "GET",
            "host": "h.example",
            "path": "/api/release",
            "status": 200,
            "echoed": False,
        },
    )
    out = report(OPENED, exchange, CLOSED)
    assert f"{RUN}.revert-backend.1.3" in out
    assert "GET h.example/api/release" in out
    assert "200, id not echoed" in out


def test_refusals_drift_authority_and_people_are_told() -> None:
    out = report(
        OPENED,
        (
            RecordKind.REFUSAL,
            {
                "method": "PUT",
                "host": "x.example",
                "path": "/docs",
                "reasons": ("not in the plan",),
            },
        ),
        (
            RecordKind.OBSERVED,
            {
                "step": "revert-backend",
                "change": "swap",
                "verdict": "drifted",
                "differences": ("builds was a, is b",),
            },
        ),
        (RecordKind.AUTHORITY, {"slot": "production", "verdict": "lost", "reasons": ("denied",)}),
        (RecordKind.AUTHORITY, {"slot": "production", "verdict": "lost", "reasons": ("denied",)}),
        (
            RecordKind.ATTESTED,
            {"about": "halt-outside", "person": "Dana", "statement": "halted at the venue"},
        ),
        (
            RecordKind.VERIFIED,
            {"step": "revert-backend", "holds": False, "checks": ("FAILS build: 2026.11.22-2",)},
        ),
        (RecordKind.CLOSED, {"exit": 7}),
    )
    assert "STOP the guard stopped PUT x.example/docs: not in the plan" in out
    assert "builds was a, is b" in out
    assert out.count("STOP production: lost") == 1
    assert "Dana: halted at the venue" in out
    assert "STOP FAILS build: 2026.11.22-2" in out


def test_every_exit_status_has_words() -> None:
    assert len({ending(status) for status in ExitStatus}) == len(ExitStatus)
    assert ending(77) == "exit status 77"


def test_html_and_markdown_say_the_same() -> None:
    assert "revert-backend" in report(OPENED, SENT, APPLIED, ENDED, CLOSED, face="html")
    assert "## Steps" in report(OPENED, SENT, APPLIED, ENDED, CLOSED, face="markdown")


@pytest.mark.parametrize(
    ("status", "move"),
    [
        (1, "tell those who keep this product"),
        (3, "see why it was refused"),
        (4, "`rollback resume r-20261123-0214-4f2a --approval FILE`"),
        (5, "make a new plan"),
        (7, "halt trading at the venue or broker"),
        (8, "`rollback undo r-20261123-0214-4f2a --out PLAN`"),
        (9, "make room or mend the store"),
        (12, "wait for whoever holds the lease"),
        (130, "`rollback resume r-20261123-0214-4f2a` goes on"),
    ],
)
def test_a_report_made_later_names_the_next_move_by_itself(status: int, move: str) -> None:
    out = report(OPENED, SENT, APPLIED, (RecordKind.CLOSED, {"exit": status}))
    assert move in out
    assert "nothing is left to do" not in out


def test_a_run_that_was_not_closed_is_named_with_its_resume() -> None:
    assert "`rollback resume r-20261123-0214-4f2a` looks, and goes on" in report(OPENED, SENT)


def test_only_safe_is_told_as_users_that_wait_for_a_new_plan() -> None:
    assert "users are not moved: make a new plan" in report(OPENED, CLOSED)


def test_a_report_made_later_says_where_the_evidence_is() -> None:
    sealed = (RecordKind.NOTE, {"code": "bundle.sealed", "text": "sealed", "path": "/var/bundle-2"})
    assert "/var/bundle-2" in report(OPENED, CLOSED, sealed)


def test_what_is_only_noted_is_no_stop_in_a_step_that_holds() -> None:
    noted = {"step": "revert-backend", "checks": ("holds builds: 2", "FAILS orders: 500")}
    held = report(OPENED, (RecordKind.VERIFIED, {**noted, "holds": True}), CLOSED)
    assert "WEAK FAILS orders: 500" in held
    failed = report(OPENED, (RecordKind.VERIFIED, {**noted, "holds": False}), CLOSED)
    assert "STOP FAILS orders: 500" in failed


def test_a_source_that_came_short_is_named() -> None:
    gaps = ("cosmos/audit_log: partial, the budget is spent",)
    said = {"step": "revert-backend", "performed/incomplete": gaps}
    out = report(OPENED, (RecordKind.EVIDENCE, said), CLOSED)
    assert "incomplete      WEAK cosmos/audit_log: partial, the budget is spent" in out


def test_a_step_says_why_nothing_was_to_do() -> None:
    plan = make_plan()
    idle = NoOp(id="ramp-rules", resource="web/traffic", reason="no ramp-up rule sends users")
    steps = (plan.steps[0].model_copy(update={"changes": (idle,)}), *plan.steps[1:])
    planned = plan.model_copy(update={"steps": steps})

    def told(status: str) -> str:
        ended = (RecordKind.STEP, {"step": steps[0].name, "status": status, "reason": "so"})
        return render_report(planned, "d" * 64, records(OPENED, ended, CLOSED), "text")

    said = "nothing to do   web/traffic: no ramp-up rule sends users"
    assert said in told("done")
    assert said not in told("skipped"), "what a plan foresaw is not how things are"


def test_the_first_screen_says_which_step_failed_and_why() -> None:
    failed = {"step": "revert-backend", "status": "failed", "reason": "found 2026.11.3-rc"}
    out = report(OPENED, (RecordKind.STEP, failed), (RecordKind.CLOSED, {"exit": 5}))
    first = out.partition("Who stays exposed")[0]
    assert "why             STOP step revert-backend: found 2026.11.3-rc" in first


def test_the_first_screen_says_why_a_step_was_held_back() -> None:
    """And not of one that only waited for it, nor of one that had nothing to do."""
    told = (
        {"step": "halt", "status": "skipped", "reason": "idle"},
        {"step": "revert-backend", "status": "skipped", "reason": "edited by hand", "exit": 3},
        {"step": "verify", "status": "skipped", "reason": "it comes after revert-backend"},
    )
    closed = (RecordKind.CLOSED, {"exit": 3})
    out = report(OPENED, *((RecordKind.STEP, one) for one in told), closed)
    first = out.partition("Who stays exposed")[0]
    assert "why             STOP step revert-backend: edited by hand" in first
    assert first.count("why             STOP") == 1


def test_a_run_that_was_cut_short_says_first_what_it_left_behind_and_how_it_goes_on() -> None:
    last = make_plan().steps[-1].name
    looked = (RecordKind.OBSERVED, {"step": last, "verdict": "as-predicted"})
    out = report(OPENED, SENT, APPLIED, ENDED, looked, (RecordKind.CLOSED, {"exit": 130}))
    names = [step.name for step in make_plan().steps if step.name != "revert-backend"]
    assert f"not ended       WEAK {', '.join(names)}" in out.partition("Who stays exposed")[0]
    assert "WEAK halt: not begun" in out
    assert f"UNKNOWN {last}: open: it did not end" in out
    moves = out.partition("What a person does next")[2].partition("\n\n")[0].strip().splitlines()
    assert moves[0].strip() == f"`rollback resume {RUN}` goes on"
    assert "not ended" not in report(OPENED, SENT, APPLIED, ENDED)
