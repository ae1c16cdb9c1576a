"""Plan files: what is read, and what is refused before anybody looks further."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.errors import InputError, Refused
from rollback.loading.plan_file import load_plan, read_plan
from rollback.model.base import facts
from rollback.model.change import Update
from rollback.model.direction import Direction, Undo
from rollback.model.effect import ExactBody, HttpWrite
from rollback.model.plan import ApprovalsNeeded, Certificate, Plan, PlannedStep

CREATED = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
CONTENT = '{"targetSlot":"staging"}'
PLAN = Plan(
    tool_version="0.1.0",
    environment="trading-production",
    environment_kind="production",
    environment_digest="0" * 64,
    owner="On call",
    contact="#trading",
    target=facts(subscription="s"),
    playbook="full-rollback",
    playbook_digest="1" * 64,
    summary="Back.",
    planned_by="ada",
    created=CREATED,
    expires=CREATED + timedelta(hours=1),
    nonce="2" * 32,
    verdict="applicable",
    approvals=ApprovalsNeeded(count=2),
    steps=(
        PlannedStep(
            name="revert/web",
            action="revert_deployment",
            spec=facts(surfaces=("web",), to="last-stable"),
            changes=(
                Update(
                    id="swap",
                    resource="web/slot/production",
                    summary="swap",
                    before=facts(builds=("2026.11.2",)),
                    after=facts(builds=("2026.11.1",)),
                    effects=(
                        HttpWrite(
                            id="revert/web#swap",
                            method="POST",
                            host="management.azure.com",
                            path="/subscriptions/s/slotsswap",
                            body=ExactBody(
                                sha256=hashlib.sha256(CONTENT.encode()).hexdigest(), content=CONTENT
                            ),
                            direction=Direction.AWAY,
                            undo=Undo(possible=True, by="a swap"),
                        ),
                    ),
                    direction=Direction.AWAY,
                ),
            ),
        ),
    ),
    observations=(),
    world_digest="3" * 64,
    proof=Certificate(model_version=1, states=1, transitions=0, predicates=(), holds=True),
    duration_s_max=60,
)
WRITTEN = PLAN.model_dump_json().encode()


def without(name: str) -> bytes:
    """The plan's bytes without one field."""
    return json.dumps({key: one for key, one in json.loads(WRITTEN).items() if key != name}).encode()


def edited(**fields: Any) -> bytes:
    return json.dumps(json.loads(WRITTEN) | fields).encode()


def test_a_plan_is_read_with_its_exact_bytes(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(WRITTEN)
    assert load_plan(file) == (PLAN, WRITTEN)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (WRITTEN[: len(WRITTEN) // 2], "is not JSON, or cut off"),
        (WRITTEN + b"x", "is not JSON"),
        (b"\x89PNG\r\n\x1a\n\0", "is not JSON"),
        (b"\xff\xfe{\0}\0", "is not JSON"),
        (b"[" * 5000, "is not JSON"),
        (b'{"a":' * 5000, "is not JSON"),
        (b"[]", "object"),
        (b"{}", "is JSON, and no plan"),
        (without("tool_version"), "tool_version"),
        (edited(format=2), "is of another format; expected format 1"),
        (edited(extra=1), "extra"),
        (edited(duration_s_max="60"), "duration_s_max"),
        (edited(nonce="x"), "nonce"),
    ],
)  # fmt: skip
def test_what_is_no_plan_is_bad_input(data: bytes, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        read_plan(data, file="plan.json")
    assert caught.value.exit_status == 2
    assert expected in "\n".join(str(complaint) for complaint in caught.value.complaints)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"management.azure.com", b"trading.documents.azure.com"),
        (b"/subscriptions/s/slotsswap", b"/providers/Microsoft.DocumentDB/databaseAccounts/x"),
    ],
)
def test_a_plan_edited_to_reach_the_control_plane_is_refused(old: bytes, new: bytes) -> None:
    """Promise no-control-plane-rewrite: whatever its digest or signatures would say."""
    with pytest.raises(Refused) as caught:
        read_plan(WRITTEN.replace(old, new), file="plan.json")
    assert caught.value.exit_status == 3
    assert caught.value.promise == "no-control-plane-rewrite"


def test_a_plan_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollback.loading.plan_file.PLAN_BYTES_MAX", 100)
    file = tmp_path / "plan.json"
    file.write_bytes(WRITTEN)
    with pytest.raises(InputError, match="does not load"):
        load_plan(file)


@given(st.binary())
def test_any_bytes_are_refused_in_order(data: bytes) -> None:
    with pytest.raises(InputError):
        read_plan(data)


@given(st.integers(0, len(WRITTEN) - 1), st.integers(0, 255))
def test_one_changed_byte_gives_a_plan_or_a_reason(at: int, byte: int) -> None:
    data = WRITTEN[:at] + bytes([byte]) + WRITTEN[at + 1 :]
    try:
        plan = read_plan(data)
    except (InputError, Refused) as error:
        assert error.hint  # noqa: PT017
    else:
        assert isinstance(plan, Plan)
