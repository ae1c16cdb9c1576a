"""A plan posted before it is applied: to every kind of channel, once, by the one road for writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rollback.cli.main import run as rollback
from rollback.errors import InputError, Refused
from rollback.rehearsal.simulator import names
from rollback.running.journal import check_file
from rollback.running.store import StateDirectory
from rollback.wiring import PlanDocument
from tests.builders import make_plan
from tests.wiring.desk import ADDRESSES, CANARY, HOST, KINDS, SEARCHED, Desk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

@pytest.fixture(autouse=True)
def quiet(desk: Desk) -> Iterator[None]:
    yield
    desk.sim.control.clear_faults()


def another(desk: Desk, nonce: str) -> PlanDocument:
    """Another plan of the same kind."""
    plan = desk.document.plan
    data = desk.document.canonical.replace(plan.nonce.encode(), nonce.encode() * 32)
    return PlanDocument.read(data)


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_is_posted_once_to_each_kind_of_channel(
    desk: Desk, tmp_path: Path, kind: str
) -> None:
    operator = desk.operator(tmp_path)
    before = len(desk.messages(kind))
    first, second = (operator.post(desk.document, kind) for _ in range(2))
    assert (first.outcome, second.outcome) == ("posted", "before"), (first, second)
    (message,) = desk.messages(kind)[before:]
    assert "halt-only" in message
    assert "APPLICABLE" in message
    assert desk.document.digest in message
    assert not operator.setting.state.runs(), "a post is not a run that could be resumed or undone"
    assert operator.post(another(desk, "3"), kind).outcome == "posted"


@pytest.mark.parametrize("kind", SEARCHED)
def test_what_can_be_searched_is_posted_once_from_any_machine(
    desk: Desk, tmp_path: Path, kind: str
) -> None:
    document = another(desk, "4")
    said = [desk.operator(tmp_path / name).post(document, kind).outcome for name in ("a", "b")]
    assert said == ["posted", "before"]


def test_where_the_record_of_a_post_lost_its_end_it_is_not_posted_again(
    desk: Desk, tmp_path: Path
) -> None:
    """What is left of it reads as if nothing had been sent."""
    operator, document = desk.operator(tmp_path), another(desk, "6")
    kind = next(one for one in KINDS if one not in SEARCHED)
    assert operator.post(document, kind).outcome == "posted"
    before = len(desk.messages(kind))
    (journal,) = tmp_path.glob("**/posts/runs/*/journal.jsonl")
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])
    again = operator.post(document, kind)
    assert again.outcome == "unknown"
    assert "does not verify" in again.why
    assert len(desk.messages(kind)) == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_answer_is_looked_for_or_said_and_never_sent_again(
    desk: Desk, tmp_path: Path, kind: str
) -> None:
    operator, document = desk.operator(tmp_path), another(desk, "5")
    before = len(desk.messages(kind))
    host = names.GITHUB_HOST if kind == "github" else HOST
    desk.sim.control.fault("drop", host=host, method="POST", effect=True)
    first = operator.post(document, kind)
    desk.sim.control.clear_faults()
    again = operator.post(document, kind)
    assert first.stands is (kind in SEARCHED)
    assert first.outcome == ("posted" if kind in SEARCHED else "unknown")
    assert again.outcome == ("before" if kind in SEARCHED else "unknown")
    assert len(desk.messages(kind)) == before + 1


def test_a_post_that_surely_did_not_arrive_is_tried_again(desk: Desk, tmp_path: Path) -> None:
    operator, document = desk.operator(tmp_path), another(desk, "6")
    desk.sim.control.fault("drop", host=HOST, method="POST", effect=False)
    assert operator.post(document, "jira").outcome == "not-posted"
    desk.sim.control.clear_faults()
    assert operator.post(document, "jira").outcome == "posted"


def test_it_takes_the_one_road_for_writes(desk: Desk, tmp_path: Path) -> None:
    document = another(desk, "7")
    desk.operator(tmp_path).post(document, "slack")
    (post,) = StateDirectory(tmp_path / "posts").runs()
    check = check_file(post.journal_path)
    kinds = [record.kind.value for record in check.records]
    assert check.holds
    assert kinds.index("canaries") < kinds.index("intent") < kinds.index("outcome")
    assert check.records[0].text("posts") == document.digest
    (effect,) = PlanDocument.read(post.plan()).plan.effects
    assert (effect.times_max, effect.purpose.value) == (1, "notify")
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert CANARY.encode() not in kept


def test_what_is_wrong_with_the_asking_is_said_before_anything_is_sent(
    desk: Desk, tmp_path: Path
) -> None:
    operator = desk.operator(tmp_path)
    with pytest.raises(InputError, match="no channel 'desk'"):
        operator.post(desk.document, "desk")
    no_issue = PlanDocument.of(desk.document.plan.model_copy(update={"incident": "fire"}))
    with pytest.raises(InputError, match="names no issue of jira"):
        operator.post(no_issue, "by-incident")
    with pytest.raises(InputError, match="is for production"):
        operator.post(PlanDocument.of(make_plan()), "json")
    edited = desk.document.plan.model_copy(update={"owner": "somebody else"})
    with pytest.raises(Refused, match="owner"):
        operator.post(PlanDocument.of(edited), "json")
    assert not (tmp_path / "posts").exists()


def test_the_command_line_posts_and_a_failed_post_stops_no_plan(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**desk.stage.variables, **ADDRESSES}.items():
        monkeypatch.setenv(name, value)

    def ran(*args: Any) -> tuple[int, str]:
        status = rollback(["--state", str(tmp_path / "state"), *map(str, args)])
        return status, capfd.readouterr().err

    plan, file = tmp_path / "plan.json", desk.stage.directory / "environment.yaml"
    desk.sim.control.fault("webhook_down")
    made = ran(
        "plan", "halt-only", "--environment", file, "--incident", "INC-4711", "--out", plan,
        "--post", "slack", "--post", "nobody", "--post", "github",
    )  # fmt: skip
    assert made[0] == 0, made
    assert "slack" in made[1]
    assert "NOT posted to nobody: channel.unknown" in made[1]
    assert "plan posted to github" in made[1]
    desk.sim.control.clear_faults()
    assert ran("show", plan, "--post", "github", "--post", "jira") == (
        0, "plan stood before in github\nplan posted to jira\n",
    )  # fmt: skip
    status, said = ran("show", plan, "--post", "nobody")
    assert status == 2
    assert "hint: channels of the environment file: json, slack" in said
