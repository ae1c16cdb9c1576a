"""Secrets that are no secrets: their value stands in what everybody may read (no-secret-leaves).

Names of slots, steps and outcomes are compared, written back and replayed, and every reader sees
them. A value that is one of them can be neither told nor blotted, so it is refused before anything
is read or sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from rollback.actions.seen import PRODUCTION
from rollback.errors import InputError
from rollback.model.authority import Verdict
from rollback.model.base import Fact
from rollback.model.direction import Direction
from rollback.model.environment import Secret
from rollback.model.record import Outcome, RecordKind
from rollback.running.state import StepStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rollback.model.environment import Environment
    from rollback.model.playbook import Playbook
    from rollback.model.ports import Catalogue, SecretSource

_OURS = (PRODUCTION, *Direction, *Outcome, *RecordKind, *StepStatus, *Verdict)


def refuse_in_environment(
    environment: Environment, catalogue: Catalogue, secrets: SecretSource
) -> None:
    """Raises InputError where the environment file, or a word of ours, holds a secret's value."""
    _refuse(texts_in(environment), secrets, "the environment file")
    actions = (action.name for action in catalogue.actions)
    _refuse((*_OURS, *actions), secrets, "the words of every plan")


def refuse_in_playbook(playbook: Playbook, secrets: SecretSource) -> None:
    """Raises InputError where a playbook holds a secret's value."""
    _refuse(texts_in(playbook), secrets, "the playbook")


def _refuse(texts: Iterable[str], secrets: SecretSource, where: str) -> None:
    together = "\0".join(texts)
    if secrets.redact(together) == together:
        return
    told = [secrets.redact(text) for text in together.split("\0") if secrets.redact(text) != text]
    raise InputError(
        "secret.plain",
        f"what a secret variable holds stands in {where}: {', '.join(sorted(set(told))[:3])}",
        hint="give the variable a value that is no name, or unset it: what needs none goes on",
        promise="no-secret-leaves",
    )


def texts_in(value: object) -> Iterator[str]:
    """Every text of a model; of a secret, nothing."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Fact):
        yield from texts_in((value.name, value.value))
    elif isinstance(value, tuple):
        for one in value:
            yield from texts_in(one)
    elif isinstance(value, BaseModel) and not isinstance(value, Secret):
        for name in type(value).model_fields:
            yield from texts_in(getattr(value, name))
