"""The digested form of a model is what the RFC 8785 library writes, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from rollback.loading.plan_file import read_plan
from rollback.model.base import Fact, Facts, Frozen
from rollback.model.plan import Plan
from rollback.planning.canonical import canonical

PLANS = sorted((Path(__file__).parents[1] / "golden" / "playbooks").glob("*.json"))
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SAFE = st.integers(-(2**53) + 1, 2**53 - 1)
VALUES = st.one_of(TEXT, SAFE, st.booleans(), st.none(), st.lists(TEXT).map(tuple))


class Holds(Frozen):
    """A model of facts."""

    zeta: Facts = ()
    alpha: str = ""


@given(st.lists(st.builds(Fact, name=TEXT, value=VALUES)).map(tuple), TEXT)
def test_of_any_facts(found: Facts, text: str) -> None:
    held = Holds(zeta=found, alpha=text)
    assert canonical(held) == rfc8785.dumps(held.model_dump(mode="json"))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_of_plans(path: Path) -> None:
    written = path.read_bytes()
    plan = read_plan(written)
    assert canonical(plan) == rfc8785.dumps(json.loads(written))


@pytest.mark.parametrize("number", [2**53, -(2**53), 2**64])
def test_a_number_that_two_readers_may_see_differently_is_refused(number: int) -> None:
    with pytest.raises(rfc8785.IntegerDomainError):
        canonical(Holds(zeta=(Fact(name="n", value=number),)))


def test_text_that_is_not_unicode_is_refused() -> None:
    held = Holds.model_construct(zeta=(), alpha="\ud800")
    with pytest.raises((rfc8785.CanonicalizationError, UnicodeEncodeError)):
        canonical(held)


def _models(kind: Any, seen: set[Any]) -> set[Any]:
    """Every type that stands somewhere in a model's fields."""
    if kind in seen:
        return seen
    seen.add(kind)
    inner: list[Any] = list(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        inner += [field.annotation for field in kind.model_fields.values()]
    for one in inner:
        if isinstance(one, type) or get_args(one):
            _models(one, seen)
    return seen


def test_no_plan_can_hold_a_float_or_a_mapping() -> None:
    kinds = _models(Plan, set())
    assert Fact in kinds
    assert not kinds & {float, complex, dict, Any, object}
