"""Changes: what a step does to one resource. A no-op explains itself; a refusal names a way on."""

from typing import Annotated, Literal

from pydantic import Field

from rollback.model.base import Facts, Frozen, Name, Seconds
from rollback.model.direction import Direction
from rollback.model.effect import Effect
from rollback.model.observation import Prediction

TRADING_HALTED = "trading-halted"
"""What a person attests before two trading loops could be alive at once."""


class NoOp(Frozen):
    """Nothing to do for this resource, and why."""

    kind: Literal["no-op"] = "no-op"
    id: Name
    resource: str
    reason: str


class Update(Frozen):
    """One resource goes from `before` to `after` by exactly `effects`.

    moves_users: users end up on another release. to_build: the build they are moved to.
    some_users: only those that a ramp-up rule sends are moved; the others stay where they are.
    also_to: builds that the users of a ramp-up rule are on afterwards, because the rule stays and
    its slot changes hands.
    starts_build: instances of a build start (it may read, write and trade on its own).
    authority_on: the slot on which `to_build` has to prove halt authority while the plan is
    applied, because it did not run there when the plan was made; None where it was proved then.
    word: what a named person has to attest before the change goes; empty where nobody has to.
    volatile: evidence sources this endangers; they are captured before it.
    absolute: the effect states a value; sending it twice is the same as once. A swap is not.
    settle_s_max: how long the result may take; poll_s: how often it is looked at.
    predicts: the compared facts every later step is planned against.
    """

    kind: Literal["update"] = "update"
    id: Name
    resource: str
    summary: str
    before: Facts
    after: Facts
    effects: tuple[Effect, ...]
    direction: Direction
    surface: str | None = None
    moves_users: bool = False
    some_users: bool = False
    to_build: str | None = None
    also_to: tuple[str, ...] = ()
    starts_build: str | None = None
    authority_on: str | None = None
    word: str = ""
    volatile: tuple[str, ...] = ()
    absolute: bool = True
    settle_s_max: Seconds = 60
    poll_s: Seconds = 1
    predicts: tuple[Prediction, ...] = ()


class RefusedChange(Frozen):
    """What may not be done, by which promise or rule, and the next possible move."""

    kind: Literal["refused"] = "refused"
    id: Name
    resource: str
    code: str
    reason: str
    next_move: str
    promise: str = ""


Change = Annotated[NoOp | Update | RefusedChange, Field(discriminator="kind")]


class Finding(Frozen):
    """Something a reviewer must see.

    weight orders and colours: ``forbidden``, ``irreversible``, ``unknown``, ``weak``, ``exposure``
    are never cut from any rendering; ``note`` may be.
    """

    weight: Literal["forbidden", "irreversible", "unknown", "weak", "exposure", "note"]
    code: str
    text: str
    step: str | None = None
    surface: str | None = None
