"""Secrets that are no secrets: their value stands in what everybody may read (no-secret-leaves).

Names of slots, steps and outcomes are compared, written back and replayed, and every reader sees
them. A value that is one of them can be neither told nor blotted, so nothing is planned with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from rollback.errors import InputError
from rollback.model.authority import Verdict
from rollback.model.base import Fact
from rollback.model.direction import Direction
from rollback.model.environment import Secret
from rollback.model.record import Outcome, RecordKind
from rollback.model.slots import PRODUCTION
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
    ours = (("a word of ours", word) for word in (*_OURS, *actions))
    _refuse(ours, secrets, "the words of every plan")


def refuse_in_playbook(playbook: Playbook, secrets: SecretSource) -> None:
    """Raises InputError where a playbook holds a secret's value."""
    _refuse(texts_in(playbook), secrets, "the playbook")


def _refuse(texts: Iterable[tuple[str, str]], secrets: SecretSource, where: str) -> None:
    found = tuple(texts)
    together = "\0".join(text for _, text in found)
    if secrets.redact(together) == together:
        return
    places = dict.fromkeys(place for place, text in found if secrets.redact(text) != text)
    raise InputError(
        "secret.plain",
        f"what a secret variable holds stands in {where}, at {', '.join(list(places)[:3])}",
        hint="give the variable a value that is no name, or unset it: what needs none goes on",
        promise="no-secret-leaves",
    )


def texts_in(value: object, place: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a model with its place, like ``azure.resource_group``; of a secret, nothing."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Fact):
        yield from texts_in((value.name, value.value), place)
    elif isinstance(value, tuple):
        for one in value:
            yield from texts_in(one, place)
    elif isinstance(value, BaseModel) and not isinstance(value, Secret):
        for name in type(value).model_fields:
            yield from texts_in(getattr(value, name), f"{place}.{name}".lstrip("."))
