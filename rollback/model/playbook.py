"""Playbooks: declared steps, as values. Inert; a plan is made from one."""

from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny

from rollback.model.base import Frozen, Name, Scalar
from rollback.model.steps import StepSpec


class Parameter(Frozen):
    """Something a planner may set with ``--set NAME=VALUE``; steps refer to it as ``$NAME``."""

    name: Name
    about: str = ""
    default: Scalar = None
    choices: tuple[str, ...] = ()


class Step(Frozen):
    """One declared unit. after: names of steps that come first.

    on_failure: ``stop`` (nothing further moves away from safety), ``continue`` (independent steps
    go on), ``hand-over`` (nothing further moves away from safety, and a person takes over).
    references: ``field=parameter`` pairs for the fields that were written as ``$parameter``; the
    planner puts the values in.
    """

    name: Name
    spec: SerializeAsAny[StepSpec]
    after: tuple[Name, ...] = ()
    on_failure: Literal["stop", "continue", "hand-over"] = "stop"
    references: tuple[tuple[str, str], ...] = ()
    line: int | None = None


class Playbook(Frozen):
    """Steps with an order, and what must hold throughout.

    source: the file it came from, for complaints; not part of its digest.
    """

    playbook: Name
    summary: str
    retain: tuple[Literal["trade-halt-authority"], ...] = ("trade-halt-authority",)
    parameters: tuple[Parameter, ...] = ()
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=2000)]
    source: str | None = Field(default=None, exclude=True)
