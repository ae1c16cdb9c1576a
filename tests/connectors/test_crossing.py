"""What comes out of an SDK: one of our errors, or the refusal itself, however it was wrapped."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest

from rollback.connectors.crossing import Border, Failure, ours
from rollback.errors import ConnectorError, GuardRefusal, JournalBroken
from rollback.model.scope import GuardVerdict, Shape, VerdictKind
from tests.guard.support import MemoryLatch

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSAL = GuardRefusal("guard.x", "no", promise="plan-is-permission")
VERDICT = GuardVerdict(
    kind=VerdictKind.DENY, rule="cosmos.write", reasons=("it writes",), promise="p"
)
SHAPE = Shape(method="POST", host="h", path="/")


class VendorError(Exception):
    """Wraps as azure-core does."""

    def __init__(self, inner: BaseException) -> None:
        super().__init__("wrapped")
        self.inner_exception = inner


def by_cause() -> None:
    raise RuntimeError from REFUSAL


def by_context() -> None:
    try:
        raise REFUSAL
    except GuardRefusal:
        raise RuntimeError  # noqa: B904 - as an SDK would


def by_inner() -> None:
    raise VendorError(VendorError(REFUSAL))


def by_argument() -> None:
    raise RuntimeError("x", REFUSAL)


@pytest.mark.parametrize("fail", [by_cause, by_context, by_inner, by_argument])
def test_a_wrapped_refusal_comes_out_itself(fail: Callable[[], None]) -> None:
    border = Border("sdk", MemoryLatch())
    with pytest.raises(GuardRefusal) as caught, border.crossing("doing"):
        fail()
    assert caught.value is REFUSAL


def test_a_refusal_comes_before_another_error_of_ours() -> None:
    broken = JournalBroken("journal.full", "full")
    broken.__cause__ = REFUSAL
    assert ours(VendorError(broken)) is REFUSAL
    assert ours(VendorError(ValueError())) is None


@pytest.mark.parametrize("swallowed", [True, False])
def test_a_swallowed_refusal_is_raised_from_the_latch(swallowed: bool) -> None:
    latch = MemoryLatch()

    def send() -> None:
        latch.refuse(VERDICT, SHAPE)
        if not swallowed:
            raise RuntimeError

    with pytest.raises(GuardRefusal) as caught, Border("sdk", latch).crossing("doing"):
        send()
    assert (caught.value.code, caught.value.promise) == ("guard.cosmos.write", "p")


def test_an_earlier_refusal_does_not_stop_looking() -> None:
    latch = MemoryLatch()
    latch.refuse(VERDICT, SHAPE)
    done = False
    with Border("sdk", latch).crossing("reading"):
        done = True
    assert done


def test_what_a_foreign_error_says_goes_no_further() -> None:
    def read(error: Exception) -> Failure | None:
        return Failure("odd", "was odd", transient=True) if str(error) == "hunter2" else None

    said = f"hunter{3}"  # so that the source line does not show it
    border = Border("sdk", MemoryLatch(), read)
    with pytest.raises(ConnectorError) as known, border.crossing("doing"):
        raise RuntimeError("hunter2")
    with pytest.raises(ConnectorError) as unknown, border.crossing("doing"):
        raise KeyError(said)
    assert (known.value.code, known.value.reason) == ("sdk.odd", "doing: was odd")
    assert known.value.transient
    assert (unknown.value.code, unknown.value.transient) == ("sdk.failed", False)
    shown = "".join(traceback.format_exception(unknown.value))
    assert said not in str(unknown.value.__cause__)
    assert "builtins.KeyError" in shown
    assert said not in shown
